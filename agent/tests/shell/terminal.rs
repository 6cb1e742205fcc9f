//! A real terminal without anybody before it: a tmux server of its own.

use std::{
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal in which a shell runs one script.
pub(crate) struct Terminal {
    directory: tempfile::TempDir,
}

impl Terminal {
    /// `None` where there is no tmux.
    pub(crate) fn open(columns: u16, rows: u16, script: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("SKIP: there is no tmux here");
            return None;
        }
        let terminal = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let configuration = terminal.directory.path().join("configuration");
        // Its own line would take one of the rows.
        fs::write(&configuration, "set -g status off\n").unwrap();
        let configuration = configuration.to_str().unwrap();
        let (columns, rows) = (columns.to_string(), rows.to_string());
        // The character set is the server's as well.
        let started = terminal.command([
            "-u",
            "-f",
            configuration,
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            script,
        ]);
        assert!(started.status.success(), "{started:?}");
        Some(terminal)
    }

    /// Presses keys, as tmux calls them.
    pub(crate) fn press<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        for key in keys {
            let sent = self.command(["send-keys", key]);
            assert!(sent.status.success(), "{sent:?}");
        }
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let resized = self.command(["resize-window", "-x", &columns, "-y", &rows]);
        assert!(resized.status.success(), "{resized:?}");
    }

    /// What is seen; with `styles`, with the sequences for colours.
    pub(crate) fn screen(&self, styles: bool) -> String {
        let plain = ["capture-pane", "-p"];
        let with_styles = ["capture-pane", "-p", "-e"];
        let seen = self.command(if styles { &with_styles[..] } else { &plain[..] });
        String::from_utf8(seen.stdout).unwrap()
    }

    /// Waits until something is seen, and gives the screen on which it is.
    pub(crate) fn shows(&self, wanted: &str) -> String {
        self.until(wanted, |screen| screen.contains(wanted))
    }

    /// Waits until something is no longer seen.
    pub(crate) fn hides(&self, unwanted: &str) -> String {
        self.until(unwanted, |screen| !screen.contains(unwanted))
    }

    /// What is seen as soon as two looks at it agree: what was drawn has come as a whole then.
    pub(crate) fn at_rest(&self) -> String {
        let mut last = String::new();
        self.until("a screen at rest", |screen| {
            std::mem::replace(&mut last, screen.to_owned()) == screen
        })
    }

    fn until(&self, what: &str, mut fits: impl FnMut(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen(false);
            if fits(&screen) {
                return screen;
            }
            assert!(
                Instant::now() < end,
                "`{what}` is not as it should be:\n{screen}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process that the shell waits for, or has become.
    pub(crate) fn child(&self) -> u32 {
        let pane = self.command(["display-message", "-p", "#{pane_pid}"]);
        let shell = String::from_utf8(pane.stdout).unwrap().trim().to_owned();
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = fs::read_to_string(children).unwrap();
        let child = children.split_whitespace().next().unwrap_or(&shell);
        child.parse().unwrap()
    }

    fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket()).args(arguments);
        command.env_remove("TMUX").output().unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("tmux")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.command(["kill-server"]);
    }
}
