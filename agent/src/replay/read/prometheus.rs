//! The answer to a Prometheus range query: `{"data":{"result":[{"metric":{..},"values":[[t,"v"],..]},..]}}`.

use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use super::{About, Rows, matrix::Matrix};
use crate::replay::{
    columns::{Column, Columns, ColumnsError},
    convert::Row,
    error::{ReadError, Wrong},
    lines,
    series::{CappedBy, Kind, Quantity},
    unit::{Role, Unit},
};

/// Rows that go over at a time, and how often before the parser waits.
pub(super) const BATCH: usize = 1_024;
const BATCHES: usize = 4;

/// What the parser hands over.
pub(super) enum Message {
    /// A series of that name begins.
    Series(String),
    /// Rows of it.
    Rows(Vec<Row>),
    /// It is over.
    Failed(ReadError),
}

/// What the values are: every series of a query has the same unit.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    pub(super) quantity: Quantity,
    pub(super) numerator: i64,
    pub(super) denominator: i64,
}

/// A file that is being parsed.
///
/// The JSON parser hands values on and cannot be asked for the next one; so it runs in a thread of its own, which
/// waits while a few thousand rows are not taken, and ends when this is dropped.
pub(super) struct Answer {
    parser: Receiver<Message>,
    rows: std::vec::IntoIter<Row>,
    /// The series that the parser has come to.
    next: Option<String>,
    kind: Kind,
}

impl Answer {
    pub(super) fn open(path: &Path, columns: &Columns) -> Result<Self, ReadError> {
        let meaning = meaning(columns).map_err(|wrong| wrong.at(path, None))?;
        let input = lines::open(path)?;
        let (sender, parser) = sync_channel(BATCHES);
        let path = path.to_owned();
        let parse = {
            let path = path.clone();
            move || parse(path, input, meaning, &sender)
        };
        let named = thread::Builder::new().name("replay-json".into());
        named
            .spawn(parse)
            .map_err(|error| Wrong::Io(error).at(path, None))?;
        Ok(Self {
            parser,
            rows: Vec::new().into_iter(),
            next: None,
            kind: match meaning.quantity {
                Quantity::Requests => Kind::Offered,
                _ => Kind::Capped {
                    by: CappedBy::Unknown,
                },
            },
        })
    }
}

impl Rows for Answer {
    fn series(&mut self) -> Result<Option<About>, ReadError> {
        while self.row()?.is_some() {}
        Ok(self.next.take().map(|name| About {
            name,
            kind: self.kind,
            clock: true,
            ..About::default()
        }))
    }

    fn row(&mut self) -> Result<Option<Row>, ReadError> {
        loop {
            if let Some(row) = self.rows.next() {
                return Ok(Some(row));
            }
            if self.next.is_some() {
                return Ok(None);
            }
            match self.parser.recv() {
                Ok(Message::Rows(rows)) => self.rows = rows.into_iter(),
                Ok(Message::Series(name)) => self.next = Some(name),
                Ok(Message::Failed(error)) => return Err(error),
                // The parser is through.
                Err(_) => return Ok(None),
            }
        }
    }
}

/// What a column map says of the one value that there is, as `cpu=value:cores`.
fn meaning(columns: &Columns) -> Result<Meaning, Wrong> {
    let told = match columns.entries.as_slice() {
        [entry] if entry.column == Column::Named("value".into()) && columns.step.is_none() => {
            Some(entry)
        }
        _ => None,
    };
    let quantity = told.and_then(|entry| match entry.role {
        Role::Cpu => Some(Quantity::Cpu),
        Role::Memory => Some(Quantity::Memory),
        Role::Requests => Some(Quantity::Requests),
        Role::Gpu => Some(Quantity::Gpu),
        Role::GpuMemory => Some(Quantity::GpuMemory),
        _ => None,
    });
    match (quantity, told.map(|entry| entry.unit)) {
        (Some(quantity), Some(Unit::Times(numerator, denominator))) => Ok(Meaning {
            quantity,
            numerator,
            denominator,
        }),
        _ => Err(Wrong::Columns(ColumnsError {
            message: "a query has one value per time".into(),
            remedy: "name it alone, in a unit of its own, as in `--columns cpu=value:cores`".into(),
        })),
    }
}

/// Counts lines.
struct Counted {
    input: Box<dyn BufRead + Send>,
    line: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        for _ in buffer[..read].iter().filter(|byte| **byte == b'\n') {
            self.line.set(self.line.get() + 1);
        }
        Ok(read)
    }
}

/// Parses all of a file; ends early when nobody takes the rows any more.
fn parse(
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    meaning: Meaning,
    sender: &SyncSender<Message>,
) {
    let line = std::rc::Rc::new(std::cell::Cell::new(1));
    let input = Counted {
        input,
        line: line.clone(),
    };
    let mut matrix = Matrix::new(meaning, line.clone(), sender);
    if let Err(wrong) = matrix.read(input) {
        // Whoever has dropped the other end wants to know nothing more.
        let _ = sender.send(Message::Failed(wrong.at(path, line.get())));
    }
}
