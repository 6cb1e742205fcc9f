//! One file per format: rows as they stand in its files, in base units, nothing repaired.

mod alibaba;
mod arrivals;
mod autothrottle;
mod azure;
mod bitbrains;
mod google2011;
mod matrix;
mod nab;
mod nezha;
mod planetlab;
mod prometheus;
mod recording;
mod table;
mod wide;

use std::path::Path;

use super::{
    columns::Columns,
    convert::Row,
    error::{ReadError, Wrong},
    series::{CappedBy, Kind, Scale},
};

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A table whose columns the user names.
    Csv,
    /// The answer to a range query.
    Prometheus,
    /// A segment of a recording of ours.
    Recording,
    /// Machines of a hosting provider, a month of 2013 (GWA-T-12).
    Bitbrains,
    /// Jobs of Google's cluster of 2011, summed.
    Google2011,
    /// Nodes of `PlanetLab`, days of 2011.
    Planetlab,
    /// Pods of two test beds.
    Nezha,
    /// Pods of a GPU inference cluster, a day.
    AlibabaGentd26,
    /// Metrics of cloud machines from the Numenta Anomaly Benchmark.
    NabAws,
    /// Request rates, an hour each.
    AutothrottleRps,
    /// Requests to language models, an hour each.
    AzureLlm2023,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 11] = [
        Self::Csv,
        Self::Prometheus,
        Self::Recording,
        Self::Bitbrains,
        Self::Google2011,
        Self::Planetlab,
        Self::Nezha,
        Self::AlibabaGentd26,
        Self::NabAws,
        Self::AutothrottleRps,
        Self::AzureLlm2023,
    ];

    /// What stands before a path, and what indexes call a directory of it where that is another name.
    const fn called(self) -> [&'static str; 2] {
        match self {
            Self::Csv => ["csv"; 2],
            Self::Prometheus => ["prometheus"; 2],
            Self::Recording => ["recording"; 2],
            Self::Bitbrains => ["bitbrains", "bitbrains-rnd"],
            Self::Google2011 => ["google2011", "google2011-gcd"],
            Self::Planetlab => ["planetlab"; 2],
            Self::Nezha => ["nezha", "nezha-pods"],
            Self::AlibabaGentd26 => ["alibaba-gentd26"; 2],
            Self::NabAws => ["nab-aws"; 2],
            Self::AutothrottleRps => ["autothrottle-rps"; 2],
            Self::AzureLlm2023 => ["azure-llm-2023"; 2],
        }
    }

    /// What errors and scores call it, and what stands before a path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.called()[0]
    }

    /// All names, as messages list them.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The format of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.called().contains(&name))
    }

    /// Whether a file in a directory is one to read, by its name.
    pub(super) fn reads(self, file: &str) -> bool {
        let file = file.strip_suffix(".gz").unwrap_or(file);
        let kind = file.rsplit_once('.').map(|(_, kind)| kind);
        match self {
            // The other half is read along with it.
            Self::Google2011 | Self::Planetlab => file == "cpu.csv",
            Self::Prometheus => kind == Some("json"),
            Self::Recording => kind == Some("trimrec"),
            Self::AutothrottleRps => kind == Some("txt"),
            _ => kind == Some("csv") && file != "index.csv",
        }
    }

    /// Whether its columns are named by the user.
    pub(super) const fn wants_columns(self) -> bool {
        matches!(self, Self::Csv | Self::Prometheus)
    }

    /// Opens a file; `None` if it is about nothing that a limit can be set for.
    pub(super) fn open(
        self,
        path: &Path,
        columns: Option<&Columns>,
    ) -> Result<Option<Box<dyn Rows>>, ReadError> {
        let given = || columns.ok_or_else(|| Wrong::NoColumns.at(path, None));
        Ok(Some(match self {
            Self::Csv => Box::new(table::Table::open(path, given()?, stem(path), None)?),
            Self::Prometheus => Box::new(prometheus::Answer::open(path, given()?)?),
            Self::Recording => Box::new(recording::open(path)?),
            Self::Bitbrains => Box::new(bitbrains::open(path)?),
            Self::Google2011 => Box::new(google2011::open(path)?),
            Self::Planetlab => Box::new(planetlab::open(path)?),
            Self::Nezha => Box::new(nezha::open(path)?),
            Self::AlibabaGentd26 => Box::new(alibaba::open(path)?),
            Self::NabAws => match nab::open(path)? {
                Some(table) => Box::new(table),
                None => return Ok(None),
            },
            Self::AutothrottleRps => Box::new(autothrottle::open(path)?),
            Self::AzureLlm2023 => Box::new(azure::open(path)?),
        }))
    }
}

/// What a format knows of a series before its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) scale: Scale,
    /// Whether times are Unix time.
    pub(super) clock: bool,
}

impl Default for About {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: Kind::Capped {
                by: CappedBy::Unknown,
            },
            scale: Scale::Measured,
            clock: false,
        }
    }
}

/// The rows of one file, series after series.
pub(super) trait Rows: Send {
    /// Goes on to the next series, past what is left of the present one; `None` after the last.
    fn series(&mut self) -> Result<Option<About>, ReadError>;

    /// The next row of the present series; `None` after the last, and then as often as it is asked.
    fn row(&mut self) -> Result<Option<Row>, ReadError>;
}

/// A file's name without what says how it is packed.
fn packed(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".gz").unwrap_or(&name).to_owned()
}

/// A file's name without what says of which kind it is.
fn stem(path: &Path) -> String {
    let name = packed(path);
    name.rsplit_once('.')
        .map_or(name.as_str(), |(stem, _)| stem)
        .to_owned()
}

/// A column map of ours.
fn known(map: &str) -> Result<Columns, Wrong> {
    Columns::parse(map).map_err(Wrong::Columns)
}
