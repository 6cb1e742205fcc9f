//! How asking a source can fail.

use std::{error::Error, io, time::Duration};

/// How long a source may take for one answer until it counts as one that does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// The most that is repeated of what a source said, in bytes.
const REPEATED: usize = 200;

/// Why a source has told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such socket, or nobody listens there.
    #[error("{0}")]
    Absent(String),
    /// The socket may not be opened.
    #[error("the socket may not be opened: permission denied")]
    Denied,
    /// No answer came in time.
    #[error("does not answer")]
    Silent,
    /// What came was no answer.
    #[error("{0}")]
    Wrong(String),
}

impl Failure {
    /// An error and what led to it, with the operating system's word first where that was it.
    pub(super) fn from_error(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>()
                && error.raw_os_error().is_some()
            {
                return error.into();
            }
            let more = error.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            // An error of I/O calls what it wraps no source.
            let wrapped = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            cause = match wrapped {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
        Self::wrong(&text)
    }

    /// What came was no answer.
    pub(super) fn wrong(text: &str) -> Self {
        // A source may say anything: one line, and not all of a long one.
        let text = &text[..text.floor_char_boundary(REPEATED)];
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        Self::Wrong(text.chars().map(plain).collect())
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Absent("no socket".into()),
            io::ErrorKind::ConnectionRefused => Self::Absent("nobody listens on the socket".into()),
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::wrong(&error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// What a call answers, if it does in time.
pub(super) async fn answered<T, E>(call: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Silent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operating_system_said_tells_how_it_stands() {
        let os = |code: i32| io::Error::from_raw_os_error(code);
        let wrapped = |error: io::Error| Failure::from_error(&io::Error::other(error));
        assert_eq!(
            wrapped(os(libc::ENOENT)),
            Failure::Absent("no socket".into())
        );
        assert!(matches!(
            wrapped(os(libc::ECONNREFUSED)),
            Failure::Absent(_)
        ));
        assert_eq!(Failure::from(os(libc::EACCES)), Failure::Denied);
        assert_eq!(Failure::from(os(libc::ETIMEDOUT)), Failure::Silent);
        assert!(matches!(wrapped(os(libc::EPIPE)), Failure::Wrong(text) if text.contains("pipe")));
    }

    #[test]
    fn rubbish_is_repeated_on_one_line_within_bounds() {
        let Failure::Wrong(text) = Failure::wrong(&"\u{1b}[31mé\n".repeat(100)) else {
            panic!();
        };
        assert!(text.len() <= REPEATED && !text.contains(char::is_control));
    }
}
