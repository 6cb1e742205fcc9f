//! Printing: JSON or text, coloured only where a terminal reads it.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::Failure;

/// Headings.
pub(super) const HEAD: Style = Style::new().bold();
/// Something is as it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Something could be better.
pub(super) const FAIR: Style = AnsiColor::Yellow.on_default();
/// Something is wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// Less important than the rest.
pub(super) const FAINT: Style = Style::new().dimmed();

/// Text in a style. Colours are taken out again where stdout is no terminal or `NO_COLOR` is set.
pub(super) fn paint(style: Style, text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    if text.is_empty() {
        String::new()
    } else {
        format!("{style}{text}{style:#}")
    }
}

/// Prints a value as one line of JSON, or what `human` makes of it.
pub(super) fn print<T: Serialize>(
    json: bool,
    value: &T,
    human: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    } else {
        out.write_all(human(value).as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

/// Tells about a failure on stderr. There is nobody left to tell when that fails too.
pub(super) fn report(failure: &Failure, json: bool) {
    let text = format!("{:#}", failure.error);
    let mut err = anstream::stderr().lock();
    let _ = if json {
        writeln!(
            err,
            "{}",
            serde_json::json!({ "error": text, "code": failure.code })
        )
    } else {
        writeln!(err, "{} {text}", paint(BAD, "trimtab:"))
    };
}

/// A remark on stderr, where it cannot be mistaken for what was asked for.
pub(super) fn note(text: &str) {
    let _ = writeln!(
        anstream::stderr().lock(),
        "{} {text}",
        paint(FAINT, "trimtab:")
    );
}
