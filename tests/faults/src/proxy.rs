//! The proxy: where it listens, what it is told, and what it tells.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

use crate::{
    Deed, Names, Plan, Tally,
    connection::{Orders, serve},
    fault::Umpire,
    pipe::Ending,
    talk::Called,
    tally::Event,
};

/// Below every system's range for outgoing connections: while nobody listens there, no client may be given the port.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// For a free port to be found, or the old one to be had again.
const PATIENCE: Duration = Duration::from_secs(10);

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who connected to the proxy.
    Client,
    /// Redis.
    Server,
}

/// A proxy before a Redis on this machine, on a port and a thread of its own. It ends, and with it all its connections,
/// when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the proxy's connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) upstream: SocketAddr,
    pub(crate) names: Names,
    pub(crate) plans: watch::Sender<Plan>,
    umpire: Mutex<Umpire>,
    tally: Mutex<Tally>,
    open: Mutex<HashMap<u64, watch::Sender<Orders>>>,
    listens: Mutex<bool>,
    listening: Condvar,
}

impl Proxy {
    /// Starts one before the Redis at this port of 127.0.0.1. Chance is drawn from `seed`.
    ///
    /// # Errors
    /// No port, thread or runtime can be had.
    pub fn start(redis: u16, names: Names, seed: u64) -> io::Result<Self> {
        let listener = bind()?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            seed,
            upstream: (Ipv4Addr::LOCALHOST, redis).into(),
            names,
            plans: watch::Sender::default(),
            umpire: Mutex::new(Umpire::new(seed, Vec::new())),
            tally: Mutex::default(),
            open: Mutex::default(),
            listens: Mutex::new(true),
            listening: Condvar::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let taking = take_in(Arc::clone(&shared), listener);
        let thread = std::thread::Builder::new()
            .name("gandy-faults".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = taking => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            port,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT/0`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// What chance is drawn from: print it, so that a failure can be repeated.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Puts a plan into force, for open connections too. Its rules count from here on.
    ///
    /// # Panics
    /// When the port cannot be had again, after a plan that refused connections.
    pub fn set(&self, plan: Plan) {
        let listens = !plan.refuse;
        *lock(&self.shared.umpire) = Umpire::new(self.shared.seed, plan.rules.clone());
        self.shared.plans.send_replace(plan);
        let now = lock(&self.shared.listens);
        let (now, waited) = self
            .shared
            .listening
            .wait_timeout_while(now, PATIENCE, |now| *now != listens)
            .unwrap_or_else(PoisonError::into_inner);
        drop(now);
        assert!(
            !waited.timed_out(),
            "the proxy cannot have its port {} back",
            self.port
        );
    }

    /// Breaks nothing from here on. What a hole held back comes through.
    pub fn heal(&self) {
        self.set(Plan::default());
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// Ends all connections as a crashed machine does: both sides get a reset (RST). How many there were.
    pub fn reset(&self) -> usize {
        self.order(|orders| orders.end = Some(Ending::Reset))
    }

    /// Tells this side of every connection that no more comes (FIN), while the other side knows nothing and may go on to
    /// send. How many connections there were.
    pub fn half_close(&self, side: Side) -> usize {
        self.order(|orders| match side {
            Side::Client => orders.fin_to_client = true,
            Side::Server => orders.fin_to_server = true,
        })
    }

    /// What it saw and did so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    fn order(&self, change: impl Fn(&mut Orders)) -> usize {
        let open = lock(&self.shared.open);
        open.values().for_each(|orders| orders.send_modify(&change));
        open.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Counts a request, and says what is to be done to it.
    pub(crate) fn judge(&self, called: &Called) -> Option<Deed> {
        self.tally().note(called, Event::Requested);
        lock(&self.umpire).judge(called)
    }

    pub(crate) fn note(&self, called: &[Called], event: Event) {
        let mut tally = self.tally();
        called.iter().for_each(|names| tally.note(names, event));
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// Enters a connection: its number, and where it is told what to do.
    fn enter(&self) -> (u64, watch::Sender<Orders>) {
        let mut tally = self.tally();
        tally.connections += 1;
        let orders = watch::Sender::default();
        lock(&self.open).insert(tally.connections, orders.clone());
        (tally.connections, orders)
    }

    fn tell(&self, listens: bool) {
        *lock(&self.listens) = listens;
        self.listening.notify_all();
    }
}

/// Takes clients in for ever.
async fn take_in(shared: Arc<Shared>, listener: StdListener) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let mut listener = TcpListener::from_std(listener).ok();
    let mut plans = shared.plans.subscribe();
    loop {
        let refuse = plans.borrow_and_update().refuse;
        if refuse {
            listener = None;
        } else if listener.is_none() {
            listener = listen(port).await;
        }
        shared.tell(listener.is_some());
        let client = tokio::select! {
            biased;
            _ = plans.changed() => continue,
            client = accept(listener.as_ref()) => client,
        };
        let (number, orders) = shared.enter();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            serve(Arc::clone(&shared), client, orders, number).await;
            lock(&shared.open).remove(&number);
        });
    }
}

/// The next client; never one while nobody listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            None => std::future::pending().await,
            Some(listener) => match listener.accept().await {
                Ok((client, _)) => return client,
                // Too many open files, or a client that was gone at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
        }
    }
}

/// Listens on the port again.
async fn listen(port: u16) -> Option<TcpListener> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Some(listener),
            Err(_) if tokio::time::Instant::now() > end => return None,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// A listener on a free port.
fn bind() -> io::Result<StdListener> {
    let mut attempts = 0;
    loop {
        let port = fastrand::u16(PORTS);
        let bound = StdListener::bind((Ipv4Addr::LOCALHOST, port));
        attempts += 1;
        if bound.is_ok() || attempts == 100 {
            let listener = bound?;
            listener.set_nonblocking(true)?;
            return Ok(listener);
        }
    }
}

/// A panic of a test in another thread must not hide the first failure behind a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
