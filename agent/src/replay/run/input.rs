//! Node after node, with series in the order of reading, to whoever asks next; one series is read at a time.

use std::{collections::VecDeque, sync::Arc};

use super::super::{error::ReadError, reader::Reader, source::Source};
use super::{case::Case, options::Options, pack::Pack, report::Report};

/// What is still to be run.
pub(super) struct Input<'a> {
    options: &'a Options,
    /// How many policies each node is run under.
    policies: usize,
    files: VecDeque<Source>,
    reader: Option<(&'static str, Reader)>,
    /// A series of another source than those before it, which belongs on the next node.
    held_over: Option<Case>,
    /// How many nodes there are so far, and how many series on them.
    count: [usize; 2],
    /// A node with the next policy to run it under.
    present: Option<(Arc<Pack>, usize)>,
}

impl<'a> Input<'a> {
    pub(super) fn new(sources: &[Source], policies: usize, options: &'a Options) -> Self {
        Self {
            options,
            policies,
            files: sources.iter().cloned().flat_map(Source::split).collect(),
            reader: None,
            held_over: None,
            count: [0; 2],
            present: None,
        }
    }

    /// The next node with the index of the policy to run it under; `None` after the last.
    ///
    /// What is read, repaired, left out or refused on the way goes into the report.
    pub(super) fn next(&mut self, report: &mut Report) -> Option<(Arc<Pack>, usize)> {
        let (pack, policy) = match self.present.take() {
            Some(present) => present,
            None => (self.next_pack(report)?, 0),
        };
        if policy + 1 < self.policies {
            self.present = Some((Arc::clone(&pack), policy + 1));
        }
        Some((pack, policy))
    }

    /// The next node; `None` after the last.
    pub(super) fn next_pack(&mut self, report: &mut Report) -> Option<Arc<Pack>> {
        let mut pack = match self.options.together {
            None => Pack::alone(self.next_case(report)?),
            Some(together) => {
                let cases = self.next_cases(together.workloads.get(), report);
                if cases.is_empty() {
                    return None;
                }
                Pack::together(cases, together.room)
            }
        };
        [pack.node, pack.first] = self.count;
        self.count[0] += 1;
        self.count[1] += pack.series.len();
        let pack = Arc::new(pack);
        report.take(&pack);
        Some(pack)
    }

    /// The next series of one source, so many at the most; none after the last.
    fn next_cases(&mut self, most: usize, report: &mut Report) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        while cases.len() < most {
            let held_over = self.held_over.take();
            let Some(case) = held_over.or_else(|| self.next_case(report)) else {
                break;
            };
            let source = case.about.head.source;
            if cases
                .first()
                .is_some_and(|first| first.about.head.source != source)
            {
                self.held_over = Some(case);
                break;
            }
            cases.push(case);
        }
        cases
    }

    /// The next series; `None` after the last.
    fn next_case(&mut self, report: &mut Report) -> Option<Case> {
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
                    return Some(*case);
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
        let Some(case) = Case::read(reader, head, self.options)? else {
            report.skip(source);
            return Ok(Read::Nothing);
        };
        Ok(Read::Case(Box::new(case)))
    }
}

/// What was read.
enum Read {
    Case(Box<Case>),
    /// A series that is not run.
    Nothing,
    End,
}
