//! Series after series, in the order of reading, to whoever asks next; one is read at a time.

use std::{collections::VecDeque, sync::Arc};

use super::super::{error::ReadError, reader::Reader, source::Source};
use super::{case::Case, options::Options, report::Report};

/// What is still to be run.
pub(super) struct Input<'a> {
    options: &'a Options,
    /// How many policies each series is run under.
    policies: usize,
    files: VecDeque<Source>,
    reader: Option<(&'static str, Reader)>,
    /// How many series were read.
    count: usize,
    /// A series with the next policy to run it under.
    present: Option<(Arc<Case>, usize)>,
}

impl<'a> Input<'a> {
    pub(super) fn new(sources: &[Source], policies: usize, options: &'a Options) -> Self {
        Self {
            options,
            policies,
            files: sources.iter().cloned().flat_map(Source::split).collect(),
            reader: None,
            count: 0,
            present: None,
        }
    }

    /// The next series with the index of the policy to run it under; `None` after the last.
    ///
    /// What is read, repaired, left out or refused on the way goes into the report.
    pub(super) fn next(&mut self, report: &mut Report) -> Option<(Arc<Case>, usize)> {
        let (case, policy) = match self.present.take() {
            Some(present) => present,
            None => (self.next_case(report)?, 0),
        };
        if policy + 1 < self.policies {
            self.present = Some((Arc::clone(&case), policy + 1));
        }
        Some((case, policy))
    }

    /// The next series; `None` after the last.
    pub(super) fn next_case(&mut self, report: &mut Report) -> Option<Arc<Case>> {
        loop {
            let (source, mut reader) = if let Some(reading) = self.reader.take() {
                reading
            } else {
                let file = self.files.pop_front()?;
                (file.format().name(), file.read())
            };
            match self.read(&mut reader, report) {
                Ok(Read::Case(case)) => {
                    self.reader = Some((source, reader));
                    return Some(case);
                }
                Ok(Read::Nothing) => self.reader = Some((source, reader)),
                Ok(Read::End) => report.leave_out(source, reader.left_out()),
                Err(error) => {
                    report.leave_out(source, reader.left_out());
                    report.refuse(error);
                }
            }
        }
    }

    fn read(&mut self, reader: &mut Reader, report: &mut Report) -> Result<Read, ReadError> {
        let Some(head) = reader.next_series()? else {
            return Ok(Read::End);
        };
        if !self.options.chosen.has(&head) {
            return Ok(Read::Nothing);
        }
        let source = head.source;
        let case = Case::read(reader, head, self.count, self.options.most)?;
        let Some(case) = case.map(Arc::new) else {
            report.skip(source);
            return Ok(Read::Nothing);
        };
        self.count += 1;
        report.take(&case);
        Ok(Read::Case(case))
    }
}

/// What was read.
enum Read {
    Case(Arc<Case>),
    /// A series that is not run.
    Nothing,
    End,
}
