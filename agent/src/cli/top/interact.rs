//! The terminal: takes keys and news, and draws.

use std::{io, path::PathBuf, process::ExitCode, thread, time::Duration};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use rustix::process::{Signal, kill_current_process_group};
use tokio::{
    signal::unix::{self, SignalKind, signal},
    sync::{mpsc, watch},
};

use super::{
    draw::{self, Look},
    feed::Feed,
    keys::action,
    news::{News, Request},
    state::{Effect, State},
};
use crate::{api::Client, cli::Failure};

/// The terminal in raw mode on its other screen; dropping it puts it back, and so does a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        // Part of it may be done when the rest fails.
        ratatui::try_init()
            .inspect_err(|_| ratatui::restore())
            .map(Self)
    }

    fn draw(&mut self, state: &mut State, look: Look) -> io::Result<()> {
        self.0
            .draw(|frame| draw::screen(frame, state, look))
            .map(drop)
    }

    /// Gives the terminal back to the shell until `fg`.
    fn suspend(&mut self) -> io::Result<()> {
        ratatui::try_restore()?;
        // The shell stops all that it runs in the foreground, a script as well.
        kill_current_process_group(Signal::TSTP)?;
        self.0 = ratatui::try_init()?;
        self.0.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// The ends of the feed that the screen holds.
struct Ends {
    news: mpsc::UnboundedReceiver<News>,
    requests: mpsc::UnboundedSender<Request>,
    subject: watch::Sender<Option<String>>,
}

/// The signals that end it, listened to before the terminal is raw.
struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }
}

/// Shows the screen until the user leaves, or a signal ends it.
pub(super) async fn interact(
    socket: PathBuf,
    client: Client,
    mut state: State,
    interval: Duration,
    look: Look,
) -> Result<ExitCode, Failure> {
    let (to_screen, news) = mpsc::unbounded_channel();
    let (requests, to_agent) = mpsc::unbounded_channel();
    let (subject, looked_at) = watch::channel(None);
    let feed = Feed {
        socket,
        interval,
        news: to_screen,
        requests: to_agent,
        subject: looked_at,
    };
    let ends = Ends {
        news,
        requests,
        subject,
    };
    let feed = tokio::spawn(feed.run(client));
    let signals = Signals::listen()?;
    let screen = Screen::open()?;
    let code = show(screen, ends, signals, &mut state, look).await;
    feed.abort();
    code
}

async fn show(
    mut screen: Screen,
    mut ends: Ends,
    mut signals: Signals,
    state: &mut State,
    look: Look,
) -> Result<ExitCode, Failure> {
    let mut events = events()?;
    screen.draw(state, look)?;
    loop {
        tokio::select! {
            event = events.recv() => {
                // Without a terminal there is nobody to show anything to.
                let Some(event) = event else { return Ok(ExitCode::SUCCESS) };
                let effect = match event {
                    Event::Key(key) => action(state.focus(), key).map(|action| state.act(action)),
                    _ => None,
                };
                match effect {
                    Some(Effect::Quit) => return Ok(ExitCode::SUCCESS),
                    Some(Effect::Suspend) => screen.suspend()?,
                    // A feed that has ended has said so.
                    Some(Effect::Ask(request)) => drop(ends.requests.send(request)),
                    Some(Effect::None) | None => {}
                }
                ends.subject.send_if_modified(|path| {
                    let changed = path.as_deref() != state.subject();
                    if changed {
                        *path = state.subject().map(str::to_owned);
                    }
                    changed
                });
                // A paste or a key that is held: draw once.
                if !events.is_empty() {
                    continue;
                }
            }
            news = ends.news.recv() => {
                let Some(news) = news else { return Ok(ExitCode::SUCCESS) };
                // There may be hundreds a second; the next sample shows them.
                let waits = matches!(news, News::Entry(_));
                state.hear(news);
                if waits {
                    continue;
                }
            }
            _ = signals.hangup.recv() => return Ok(ended_by(1)),
            _ = signals.interrupt.recv() => return Ok(ended_by(2)),
            _ = signals.terminate.recv() => return Ok(ended_by(15)),
        }
        screen.draw(state, look)?;
    }
}

/// What a shell says of a command that a signal ended.
fn ended_by(signal: u8) -> ExitCode {
    ExitCode::from(128 + signal)
}

/// Keys and new sizes, read by a thread of its own that ends with the program.
fn events() -> io::Result<mpsc::UnboundedReceiver<Event>> {
    let (to, events) = mpsc::unbounded_channel();
    let reader = thread::Builder::new().name("keys".into());
    reader.spawn(move || {
        while let Ok(event) = event::read() {
            if to.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(events)
}
