//! One boot of the guest: starts qemu, follows the console, reads the results.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{cmd, count::Count, emulator, kernel};

/// How the lines that `tests/vm/init` writes for us begin.
const MARK: &str = "TRIMTAB-GUEST ";
/// Console lines shown when something went wrong.
const TAIL: usize = 60;

/// What is booted, and for how long.
pub(crate) struct Boot<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) image: &'a Path,
    pub(crate) disk: &'a Path,
    pub(crate) cpus: u32,
    pub(crate) memory: &'a str,
    pub(crate) accel: &'a str,
    pub(crate) timeout: Duration,
    /// Programs whose end the console must report.
    pub(crate) programs: usize,
}

/// What the console has said so far.
#[derive(Default)]
struct Console {
    count: Count,
    ended: usize,
    failed: bool,
    running: bool,
    done: bool,
    tail: VecDeque<String>,
}

impl Boot<'_> {
    /// Boots, runs, powers off; with `shell` the terminal is the guest's instead, and nothing is counted.
    pub(crate) fn run(&self, shell: bool) -> Result<Count> {
        let mut qemu = self.qemu(shell);
        if shell {
            qemu.status().context("cannot start qemu")?;
            return Ok(Count::default());
        }
        eprintln!("    $ {}", cmd::show(&qemu));
        eprintln!("    kernel {}", kernel::version(self.kernel));
        let start = Instant::now();
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start qemu")?;
        let stdout = child.stdout.take().context("qemu has no output")?;
        let lines = follow(stdout);
        let mut console = Console::default();
        let log = cmd::guest().join("console.log");
        let mut file =
            File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let in_time = loop {
            let left = self.timeout.saturating_sub(start.elapsed());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    writeln!(file, "{line}")?;
                    console.line(&line, start.elapsed());
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break true,
                Err(mpsc::RecvTimeoutError::Timeout) => break false,
            }
        };
        if !in_time {
            child.kill()?;
        }
        child.wait()?;
        eprintln!(
            "    powered off after {:.1} s",
            start.elapsed().as_secs_f64()
        );
        let complete = console.done && console.ended == self.programs;
        if complete {
            // A program can fail without a failed test: by a signal, or because it counts none.
            if console.failed && console.count.passes() {
                let why = "ended with a failure, but counts no failed test";
                console.count.fail("a program in the guest", &why);
            }
            return Ok(console.count);
        }
        eprintln!(
            "    --- the last {} lines of {}",
            console.tail.len(),
            log.display()
        );
        for line in &console.tail {
            eprintln!("    | {line}");
        }
        if !in_time {
            bail!("the guest was given up after {:?}", self.timeout);
        }
        bail!("the guest went down before its programs had ended");
    }

    fn qemu(&self, shell: bool) -> Command {
        // psi=1: Debian's kernel has pressure stall information compiled in, but off.
        let mut line = "console=ttyS0 quiet loglevel=3 psi=1 panic=-1 mitigations=off".to_owned();
        if shell {
            line += " trimtab.shell";
        }
        let mut qemu = cmd::new(emulator::PROGRAM);
        qemu.args([
            "-nodefaults",
            "-no-reboot",
            "-display",
            "none",
            "-serial",
            "stdio",
        ]);
        qemu.args([
            "-M",
            "q35",
            "-cpu",
            "max",
            "-accel",
            self.accel,
            "-m",
            self.memory,
        ]);
        qemu.args(["-smp", &self.cpus.to_string(), "-append", &line]);
        // What a run writes is thrown away with it.
        let drive = format!(
            "if=none,id=disk,format=raw,snapshot=on,file={}",
            self.disk.display()
        );
        qemu.args([
            "-drive",
            &drive,
            "-device",
            "nvme,drive=disk,serial=trimtab",
        ]);
        qemu.arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.image);
        qemu
    }
}

impl Console {
    fn line(&mut self, line: &str, at: Duration) {
        // The mark may follow on what a program left without an end of line.
        let (text, mark) = match line.split_once(MARK) {
            Some((text, mark)) => (text, Some(mark)),
            None => (line, None),
        };
        self.tail.push_back(line.to_owned());
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
        if self.running && !(text.is_empty() && mark.is_some()) {
            self.count.line(text);
            println!("    | {text}");
        }
        let mut words = mark.unwrap_or_default().split(' ');
        match words.next() {
            Some("up") => eprintln!(
                "    up after {:.1} s: {}",
                at.as_secs_f64(),
                words.collect::<Vec<_>>().join(" ")
            ),
            Some("begin") => self.running = true,
            Some("end") => {
                self.running = false;
                self.ended += 1;
                self.failed |= words.next_back() != Some("0");
            }
            Some("done") => self.done = true,
            _ => {}
        }
    }
}

/// Reads lines on a thread of its own, so that the guest's silence can time out.
fn follow(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line)
                .trim_end_matches('\r')
                .to_owned();
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}
