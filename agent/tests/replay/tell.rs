//! What comes of a source, as text.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;
use trimtab::replay::{
    Columns, Format, MOST_SAMPLES, Quantity, ReadError, Repairs, Sample, Source,
};

/// A directory with files, gone at the end.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What comes of `FORMAT:PATH`, or of a path.
    pub(crate) fn tell(&self, given: &str, columns: &str) -> String {
        let (format, path) = given.split_once(':').unwrap_or(("", given));
        let path = self.path().join(path);
        let given = match format {
            "" => path.display().to_string(),
            _ => format!("{format}:{}", path.display()),
        };
        let columns = (!columns.is_empty()).then(|| Columns::parse(columns).unwrap());
        let told = match tell(&given, columns.as_ref()) {
            Ok(told) => told,
            Err(error) => error.to_string(),
        };
        told.replace(&format!("{}/", self.path().display()), "")
            .replace(&self.path().display().to_string(), ".")
    }
}

/// Compressed as gzip does.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Every series with its samples and repairs.
fn tell(given: &str, columns: Option<&Columns>) -> Result<String, ReadError> {
    let mut told = String::new();
    for source in Source::find(given, columns)? {
        let mut reader = source.read();
        while let Some(head) = reader.next_series()? {
            let part = if head.part > 1 {
                format!(" part {}", head.part)
            } else {
                String::new()
            };
            let began = head.began.map_or("no clock".into(), |began| {
                format!(
                    "from {}",
                    humantime::format_rfc3339(
                        std::time::UNIX_EPOCH + std::time::Duration::from_nanos(began)
                    )
                )
            });
            let step = humantime::format_duration(std::time::Duration::from_nanos(head.step.0));
            writeln!(
                told,
                "{} {}{part}: {}, {:?}, every {step}, {began}",
                head.source, head.name, head.kind, head.scale
            )
            .unwrap();
            while let Some(sample) = reader.next_sample()? {
                writeln!(told, "  {}", line(&sample)).unwrap();
            }
            writeln!(told, "  repairs: {}", reader.repairs()).unwrap();
        }
        let (left, total) = (reader.left_out(), reader.total());
        if left.short + left.other > 0 {
            writeln!(
                told,
                "left out: {} too short, {} of something else; repairs in all: {total}",
                left.short, left.other
            )
            .unwrap();
        }
    }
    Ok(told)
}

fn line(sample: &Sample) -> String {
    let mut line = format!("{:>6} ms", sample.at.0 / 1_000_000);
    for quantity in Quantity::ALL {
        if let Some(value) = sample.get(quantity) {
            write!(line, "  {quantity:?} {value}").unwrap();
        }
    }
    line
}

/// Compares with a golden page.
pub(crate) fn golden(name: &str, told: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/golden"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, told));
}

/// A page with a heading for each case.
pub(crate) fn page<'a>(cases: impl IntoIterator<Item = (&'a str, String)>) -> String {
    cases.into_iter().fold(String::new(), |page, (name, told)| {
        format!("{page}== {name}\n{}\n\n", told.trim_end())
    })
}

#[test]
fn every_format_has_one_name() {
    let mut names: Vec<_> = Format::ALL.map(Format::name).into();
    assert!(
        names
            .iter()
            .all(|name| Format::named(name).map(Format::name) == Some(name))
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Format::ALL.len());
}

#[test]
fn what_is_read_and_repaired_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/REPLAY.md");
    let page = fs::read_to_string(page).unwrap();
    let formats = Format::ALL.map(Format::name).into_iter();
    let repairs = Repairs::default().counts().map(|(name, _)| name);
    for name in formats.chain(repairs) {
        assert!(page.contains(&format!("\n| `{name}` | ")), "{name}");
    }
    let most = MOST_SAMPLES.to_string();
    let most = [&most[..2], &most[2..5], &most[5..]].join(",");
    assert!(page.contains(&most), "{most}");
}
