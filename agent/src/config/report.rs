//! How a mistake is shown: file, line and column, the line itself with a caret, and a remedy.

use std::{fmt, ops::Range};

/// How alike a key must be to one that exists for it to be offered.
const ALIKE: f64 = 0.75;

/// Everything that is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The file's name as it was given.
    pub file: String,
    /// What is wrong, in the file's order.
    pub problems: Vec<Problem>,
}

/// One mistake.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line's text.
    pub text: String,
    /// How many characters of it are wrong, at least 1.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// Finds the place of a byte range.
    pub(super) fn new(
        source: &str,
        span: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let start = source.floor_char_boundary(span.start.min(source.len()));
        let end = source.floor_char_boundary(span.end.clamp(start, source.len()));
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |newline| start + newline);
        Self {
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            text: source[line_start..line_end].trim_end().to_owned(),
            width: source[start..end.min(line_end)].chars().count().max(1),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// Translates what the TOML parser or serde says.
    pub(super) fn from_toml(source: &str, error: &toml::de::Error) -> Self {
        let (message, remedy) = explain(error.message());
        Self::new(source, error.span().unwrap_or(0..0), message, remedy)
    }
}

/// A message and a remedy for what the TOML parser or serde says.
fn explain(said: &str) -> (String, String) {
    if let Some((message, remedy)) = said.split_once("; ") {
        return (message.to_owned(), remedy.to_owned());
    }
    if said.starts_with("unknown field") || said.starts_with("unknown variant") {
        return unknown(said);
    }
    if let Some((found, wanted)) = said
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        return (format!("wrong type: {found}"), wanted_form(found, wanted));
    }
    let known = SYNTAX.iter().find(|(begin, _, _)| said.starts_with(begin));
    let (_, message, remedy) = known.unwrap_or(&(
        "",
        "",
        "keys are `name = value`, text stands in quotes, lists in [ ]",
    ));
    (
        if message.is_empty() { said } else { message }.to_owned(),
        (*remedy).to_owned(),
    )
}

/// What the parser says of the usual slips, said so that it helps: how its text begins, the text
/// instead (empty: its own), and the remedy.
const SYNTAX: [(&str, &str, &str); 6] = [
    ("duplicate key", "", "keep one of the two"),
    (
        "string values must be quoted",
        "no value, or text without quotes",
        "write true, false, a number, or text in quotes",
    ),
    ("key with no value", "", "write `key = value`"),
    ("unclosed table", "", "close the bracket"),
    (
        "invalid basic string",
        "text that does not end",
        "close the quotes on the same line",
    ),
    (
        "wanted string or table",
        "wrong type: not text",
        "write text in quotes",
    ),
];

/// What to write where serde wanted another type.
fn wanted_form(found: &str, wanted: &str) -> String {
    let form = match wanted {
        "a sequence" if found == "map" => {
            "two brackets on either side, as in [[policy]]: there may be several"
        }
        "a boolean" => "true or false, without quotes",
        "a string" | "path string" => "text in quotes",
        "i64" => "a whole number, without quotes",
        "f64" => "a number, without quotes",
        "a sequence" => "a list such as [\"/one\", \"/two\"]",
        other if other.starts_with("struct") => {
            "a table of keys, such as `[agent]` or `cpu.floor = 0.1`"
        }
        other => other,
    };
    format!("write {form}")
}

/// `unknown field 'x', expected one of 'a', 'b'`, with serde's backticks.
fn unknown(said: &str) -> (String, String) {
    let mut names = said.split('`').skip(1).step_by(2);
    let given = names.next().unwrap_or_default();
    let known: Vec<_> = names.collect();
    let message = if said.starts_with("unknown field") {
        format!("unknown key `{given}`")
    } else {
        format!("unknown value `{given}`")
    };
    (message, instead_of(given, &known))
}

/// What to write instead of a name that does not exist: the one most like it, or any that does.
pub(super) fn instead_of(given: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(name, given), name))
        .filter(|&(likeness, _)| likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("write one of: {}", known.join(", ")),
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n\n")?;
            }
            write!(formatter, "{}:{problem}", self.file)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        // Tabs are kept, so that the caret stands under what it means.
        let indent: String = self
            .text
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(formatter, "{}:{}: {}", self.line, self.column, self.message)?;
        writeln!(formatter, "{gutter} |")?;
        writeln!(formatter, "{number} | {}", self.text)?;
        writeln!(formatter, "{gutter} | {indent}{}", "^".repeat(self.width))?;
        write!(formatter, "{gutter} = {}", self.remedy)
    }
}

impl std::error::Error for Invalid {}
