//! The command line of `lab`.

use std::{
    ffi::OsString,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    path::PathBuf,
    sync::atomic::AtomicBool,
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use trimtab_lab::{
    answer,
    arrivals::{Pattern, Plan, Spacing},
    burn, burst, cache, direct, flood, grow, join, load,
    rates::Rates,
    serve, turns,
};

/// Workloads with known behaviour, and the load that measures them.
#[derive(Parser)]
#[command(name = "lab")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests that cost CPU time and memory; says where on its first line, in JSON
    Serve(Serve),
    /// Send requests when they are due, and measure from then
    Load(Load),
    /// Answer one request after the other until standard input says something, then give account of
    /// each, in JSON; says where on its first line, in JSON
    Answer(Answer),
    /// Ask such a server, each connection again as soon as it is answered; prints how many answers came
    Ask(Ask),
    /// Answer every byte with one, one connection after the other; says where it listens on its
    /// first line, in JSON
    Echo,
    /// Use CPU time: in one piece, or as a square wave
    Burn(Burn),
    /// Burn for a time that begins with the first byte of standard input; says before that it waits
    Burst(Burst),
    /// Touch more and more memory
    Grow(Grow),
    /// Fill the page cache
    Cache(Cache),
    /// Pass one byte to and fro over a TCP connection on loopback; says how long it took, in JSON
    Turns(Turns),
    /// Send broadcasts over loopback for ever: softirqs without end
    Flood(Flood),
    /// Read or write past the page cache, one request at a time
    Direct(Direct),
    /// Join cgroups, then become another program
    Join(Join),
}

#[derive(Args)]
struct Serve {
    /// Address to listen on; port 0 means any
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Requests served at the same time
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// CPU time of a request
    #[arg(long, default_value = "500us")]
    cpu_per_request: humantime::Duration,
    /// Memory that a request touches
    #[arg(long, default_value = "64KiB")]
    memory_per_request: ByteSize,
}

#[derive(Clone, Copy, ValueEnum)]
enum PatternName {
    Steady,
    Burst,
    Noisy,
}

#[derive(Clone, Copy, ValueEnum)]
enum SpacingName {
    Even,
    Poisson,
}

#[derive(Args)]
struct Load {
    /// The server's address
    #[arg(long)]
    target: SocketAddr,
    /// Requests a second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// For how long requests are sent
    #[arg(long, default_value = "10s")]
    duration: humantime::Duration,
    /// How the rate changes
    #[arg(long, value_enum, default_value = "steady")]
    pattern: PatternName,
    /// A file with a rate per line, each for a second, that the rate follows instead; `--rate` is then its mean
    #[arg(long, value_name = "FILE", conflicts_with = "pattern")]
    trace: Option<PathBuf>,
    /// From one burst to the next
    #[arg(long, default_value = "1s")]
    burst_every: humantime::Duration,
    /// How long a burst lasts
    #[arg(long, default_value = "200ms")]
    burst_for: humantime::Duration,
    /// By how much a burst multiplies the rate
    #[arg(long, default_value_t = 5.0)]
    burst_factor: f64,
    /// How requests are spread
    #[arg(long, value_enum, default_value = "poisson")]
    spacing: SpacingName,
    /// Connections, used in turn
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long to wait for the last answers
    #[arg(long, default_value = "5s")]
    patience: humantime::Duration,
    /// The same seed sends at the same times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Answer {
    /// How long a request that has arrived is left unread
    #[arg(long, default_value = "0s")]
    late: humantime::Duration,
    /// From reading a request to answering it
    #[arg(long, default_value = "1ms")]
    service: humantime::Duration,
}

#[derive(Args)]
struct Ask {
    /// The server's address
    #[arg(long)]
    target: SocketAddr,
    /// Connections that ask at the same time
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How long to ask
    #[arg(long = "for", default_value = "1s")]
    length: humantime::Duration,
}

#[derive(Args)]
struct Burn {
    /// Threads that burn at the same time
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// CPU time of a burst, per thread; without it, for ever
    #[arg(long = "for", conflicts_with = "duty")]
    burst: Option<humantime::Duration>,
    /// From one burst to the next; without it there is one burst
    #[arg(long)]
    every: Option<humantime::Duration>,
    /// CPU time of a burst as a share of `--every`, such as 80%
    #[arg(long, requires = "every", value_parser = percent)]
    duty: Option<f64>,
    /// How many bursts; without it, for ever
    #[arg(long, requires = "every")]
    bursts: Option<u64>,
    /// How long to wait before the first burst
    #[arg(long, default_value = "0s")]
    after: humantime::Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Burst {
    /// Threads that burn at the same time
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long, on the wall clock
    #[arg(long = "for", default_value = "300ms")]
    length: humantime::Duration,
}

#[derive(Args)]
struct Grow {
    /// Bytes in the end
    #[arg(long)]
    to: ByteSize,
    /// Bytes touched at a time
    #[arg(long, default_value = "1MiB")]
    chunk: ByteSize,
    /// Bytes a second; without it, as fast as it goes
    #[arg(long)]
    rate: Option<ByteSize>,
    /// Let the kernel fill memory while mapping it
    #[arg(long)]
    populate: bool,
    /// How long to keep everything
    #[arg(long, default_value = "0s")]
    hold: humantime::Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Cache {
    /// The file; made when it is shorter than the size
    #[arg(long)]
    file: PathBuf,
    /// Bytes to read
    #[arg(long)]
    size: ByteSize,
    /// How often
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Turns {
    /// How often
    #[arg(long, default_value_t = 10_000)]
    turns: u64,
}

#[derive(Args)]
struct Flood {
    /// Sockets that hear every packet
    #[arg(long, default_value_t = 64)]
    sockets: usize,
}

#[derive(Args)]
struct Direct {
    /// The file; made when it is too short
    #[arg(long)]
    file: PathBuf,
    /// Bytes of a request
    #[arg(long, default_value = "4KiB")]
    size: ByteSize,
    /// How many
    #[arg(long)]
    requests: u64,
    /// Write instead of read
    #[arg(long)]
    write: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Join {
    /// A cgroup's directory; several may be given
    #[arg(long = "group", required = true)]
    groups: Vec<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> Result<()> {
    match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Load(load) => load.run(),
        Command::Answer(answer) => answer.run(),
        Command::Ask(ask) => ask.run(),
        Command::Echo => {
            let listener = listen()?;
            loop {
                turns::answer(&listener)?;
            }
        }
        Command::Burn(burn) => burn.run(),
        Command::Burst(burst) => burst.run(),
        Command::Grow(grow) => grow.run(),
        Command::Cache(cache) => cache.run(),
        Command::Turns(Turns { turns }) => print(&turns::run(turns)?, true),
        Command::Flood(Flood { sockets }) => match flood::flood(sockets)? {},
        Command::Direct(direct) => direct.run(),
        Command::Join(join) => match join::join(&join.groups, &join.command)? {},
    }
}

impl Serve {
    fn run(self) -> Result<()> {
        let work = serve::Work {
            threads: self.threads,
            cpu: self.cpu_per_request.into(),
            memory: usize::try_from(self.memory_per_request.as_u64())?,
        };
        let server = serve::Server::start(self.listen, work)?;
        let mut out = std::io::stdout();
        writeln!(
            out,
            "{}",
            serde_json::json!({ "listen": server.address(), "pid": std::process::id() })
        )?;
        // Whoever started it reads this line to know that it listens.
        out.flush()?;
        loop {
            thread::park();
        }
    }
}

impl Load {
    fn run(self) -> Result<()> {
        ensure!(self.rate > 0.0, "--rate must be above zero");
        let pattern = match self.pattern {
            PatternName::Steady => Pattern::Steady,
            PatternName::Noisy => Pattern::Noisy,
            PatternName::Burst => Pattern::Burst {
                period: self.burst_every.into(),
                length: self.burst_for.into(),
                factor: self.burst_factor,
            },
        };
        let plan = Plan {
            rate: self.rate,
            duration: self.duration.into(),
            pattern,
            spacing: match self.spacing {
                SpacingName::Even => Spacing::Even,
                SpacingName::Poisson => Spacing::Poisson,
            },
            seed: self.seed,
        };
        let load = load::Load {
            target: self.target,
            plan,
            connections: self.connections,
            patience: self.patience.into(),
        };
        let report = match self.trace {
            Some(file) => load.follow(&Rates::per_second(&std::fs::read_to_string(file)?)?)?,
            None => load.run()?,
        };
        print(&report, self.json)
    }
}

impl Answer {
    fn run(self) -> Result<()> {
        let manner = answer::Manner {
            late: self.late.into(),
            service: self.service.into(),
        };
        let listener = listen()?;
        let account = answer::serve(&listener, manner, std::io::stdin().as_fd())?;
        print(&account, true)
    }
}

impl Ask {
    fn run(self) -> Result<()> {
        let answers = answer::ask(self.target, self.connections, self.length.into())?;
        print(&answers, true)
    }
}

impl Burn {
    fn run(self) -> Result<()> {
        let every: Option<Duration> = self.every.map(Into::into);
        let duty = self
            .duty
            .zip(every)
            .map(|(duty, every)| every.mul_f64(duty));
        let burst = self.burst.map(Into::into).or(duty);
        ensure!(
            every.is_none() || burst.is_some(),
            "--every needs --for or --duty"
        );
        let burn = burn::Burn {
            threads: self.threads,
            burst: burst.unwrap_or(Duration::MAX),
            every,
            bursts: self.bursts,
            after: self.after.into(),
        };
        print(&burn.run(&AtomicBool::new(false))?, self.json)
    }
}

impl Burst {
    fn run(self) -> Result<()> {
        ensure!(self.threads > 0, "--threads must be above zero");
        let burst = burst::Burst {
            threads: self.threads,
            length: self.length.into(),
        };
        let report = burst.run(|| {
            let mut out = std::io::stdout();
            writeln!(
                out,
                "{}",
                serde_json::json!({ "waiting": std::process::id() })
            )?;
            out.flush()?;
            Ok(std::io::stdin().read(&mut [0])? == 1)
        })?;
        // The end of the input instead of a byte: whoever started it has gone.
        report.map_or(Ok(()), |report| print(&report, true))
    }
}

impl Grow {
    fn run(self) -> Result<()> {
        let grow = grow::Grow {
            to: self.to.as_u64(),
            chunk: self.chunk.as_u64(),
            rate: self.rate.map(|rate| rate.as_u64()),
            populate: self.populate,
            hold: self.hold.into(),
        };
        print(&grow.run()?, self.json)
    }
}

impl Cache {
    fn run(self) -> Result<()> {
        let cache = cache::Cache {
            file: self.file,
            size: self.size.as_u64(),
            rounds: self.rounds,
        };
        print(&cache.run()?, self.json)
    }
}

/// Listens on any free port of loopback, and says where.
fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = std::io::stdout();
    let listen = listener.local_addr()?;
    writeln!(out, "{}", serde_json::json!({ "listen": listen }))?;
    out.flush()?;
    Ok(listener)
}

impl Direct {
    fn run(self) -> Result<()> {
        let direct = direct::Direct {
            file: self.file,
            size: self.size.as_u64(),
            requests: self.requests,
            write: self.write,
        };
        print(&direct.run()?, self.json)
    }
}

/// One line of JSON, or the same indented for people.
fn print(report: &impl Serialize, json: bool) -> Result<()> {
    let text = if json {
        serde_json::to_string(report)?
    } else {
        serde_json::to_string_pretty(report)?
    };
    println!("{text}");
    Ok(())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    match number {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err(format!("`{text}` is not a share between 0% and 100%")),
    }
}
