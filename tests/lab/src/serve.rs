//! A server whose requests cost a set amount of CPU time and memory.
//!
//! A request is eight bytes of the client's choosing; the answer is the same eight bytes.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::cpu;

/// The length of requests and answers, in bytes.
pub const MESSAGE: usize = 8;
const PAGE: usize = 4096;

/// What a request costs, and how many are served at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Threads that serve requests.
    pub threads: usize,
    /// CPU time of each request.
    pub cpu: Duration,
    /// Bytes allocated, touched and freed by each request.
    pub memory: usize,
}

/// A running server; dropping it closes its connections and ends its threads.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    served: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
}

/// One request, and the connection that waits for its answer.
struct Request {
    message: [u8; MESSAGE],
    connection: Arc<TcpStream>,
}

impl Server {
    /// Listens, on any free port if the address has port 0, and serves in threads of its own.
    ///
    /// # Errors
    /// When the address is taken or a thread cannot be started.
    pub fn start(address: SocketAddr, work: Work) -> Result<Self> {
        let listener =
            TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (send, receive) = mpsc::channel::<Request>();
        let receive = Arc::new(Mutex::new(receive));
        for _ in 0..work.threads {
            let (receive, shared) = (Arc::clone(&receive), Arc::clone(&shared));
            thread::Builder::new()
                .name("serve".into())
                .spawn(move || serve(work, &receive, &shared))?;
        }
        let server = Self {
            address,
            shared: Arc::clone(&shared),
        };
        thread::Builder::new()
            .name("accept".into())
            .spawn(move || accept(&listener, &send, &shared))?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests answered so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for connection in self
            .shared
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            // The client may have closed it before.
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Accepting blocks until somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, send: &mpsc::Sender<Request>, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        // Whatever is wrong with one client is that client's matter.
        let _ = connection.and_then(|connection| attend(connection, send.clone(), shared));
    }
}

/// Reads one client's requests in a thread that is nearly always asleep.
fn attend(
    connection: TcpStream,
    send: mpsc::Sender<Request>,
    shared: &Shared,
) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    shared
        .connections
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(connection.try_clone()?);
    thread::Builder::new().name("read".into()).spawn(move || {
        let connection = Arc::new(connection);
        let mut message = [0; MESSAGE];
        while (&*connection).read_exact(&mut message).is_ok() {
            let connection = Arc::clone(&connection);
            if send
                .send(Request {
                    message,
                    connection,
                })
                .is_err()
            {
                return;
            }
        }
    })?;
    Ok(())
}

fn serve(work: Work, receive: &Mutex<mpsc::Receiver<Request>>, shared: &Shared) {
    loop {
        let request = receive
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(request) = request else {
            return;
        };
        let mut memory = vec![0_u8; work.memory];
        for page in memory.chunks_mut(PAGE) {
            page[0] = 1;
        }
        std::hint::black_box(&memory);
        cpu::spend(work.cpu);
        let mut connection = &*request.connection;
        match connection.write_all(&request.message) {
            Ok(()) => {
                shared.served.fetch_add(1, Ordering::Relaxed);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => eprintln!("cannot answer: {error}"),
        }
    }
}
