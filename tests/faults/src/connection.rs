//! One connection through the proxy: two sockets, and between them what the plan and the rules make of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
};

use crate::{
    Deed, Leg, Plan,
    frame::{Garbled, Replies, Requests},
    pipe::{
        Ending, Inlet, Load, Outlet, Pick, Piece, READ, fin, passable, pipe, read, reset_at_close,
    },
    proxy::Shared,
    talk::{Called, Exchange, Talk},
    tally::Event,
};

/// What is done to an open connection by hand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Orders {
    /// The client is told that no more comes.
    pub(crate) fin_to_client: bool,
    /// The server is told that no more comes.
    pub(crate) fin_to_server: bool,
    /// It ends.
    pub(crate) end: Option<Ending>,
}

/// A connection.
struct Connection {
    shared: Arc<Shared>,
    client: TcpStream,
    server: TcpStream,
    talk: Mutex<Talk>,
    orders: watch::Sender<Orders>,
    seed: u64,
}

/// What came of the bytes that were read.
struct Sorted {
    bytes: BytesMut,
    answers: Vec<Called>,
    then: Then,
}

/// How it goes on.
enum Then {
    More,
    /// Nothing more comes this way.
    Silence,
    End(Ending),
}

fn there(plan: &Plan) -> Leg {
    plan.there
}

fn back(plan: &Plan) -> Leg {
    plan.back
}

/// Serves a client until its connection is over.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    client: TcpStream,
    orders: watch::Sender<Orders>,
    number: u64,
) {
    let mut told = orders.subscribe();
    let dialled = tokio::select! {
        dialled = dial(&shared) => dialled,
        _ = told.wait_for(|orders| orders.end.is_some()) => Err(std::io::ErrorKind::ConnectionReset.into()),
    };
    let Ok(server) = dialled else {
        reset_at_close(&client);
        return;
    };
    let _ = client.set_nodelay(true);
    let connection = Connection {
        seed: shared.seed ^ number.rotate_left(32),
        shared,
        client,
        server,
        talk: Mutex::default(),
        orders,
    };
    let ending = tokio::select! {
        () = connection.pass() => Ending::Close,
        ending = connection.obey(told) => ending,
    };
    if ending == Ending::Reset {
        reset_at_close(&connection.client);
        reset_at_close(&connection.server);
    }
}

/// Connects to the server, when there is a way.
async fn dial(shared: &Shared) -> std::io::Result<TcpStream> {
    passable(&mut shared.plans.subscribe(), there).await;
    let server = TcpStream::connect(shared.upstream).await?;
    server.set_nodelay(true)?;
    Ok(server)
}

impl Connection {
    /// Both directions, until both are over.
    async fn pass(&self) {
        let plans = &self.shared.plans;
        let (to_server, for_server) = pipe(plans, there, self.seed);
        let (to_client, for_client) = pipe(plans, back, !self.seed);
        tokio::join!(
            self.read_requests(to_server),
            self.deliver(for_server, &self.server, there),
            self.read_replies(to_client),
            self.deliver(for_client, &self.client, back),
        );
    }

    /// Does what is ordered, until that is to end.
    async fn obey(&self, mut told: watch::Receiver<Orders>) -> Ending {
        loop {
            let orders = *told.borrow_and_update();
            if orders.fin_to_client {
                fin(&self.client);
            }
            if orders.fin_to_server {
                fin(&self.server);
            }
            if let Some(ending) = orders.end {
                return ending;
            }
            if told.changed().await.is_err() {
                return Ending::Close;
            }
        }
    }

    async fn deliver(&self, mut pieces: mpsc::Receiver<Piece>, to: &TcpStream, pick: Pick) {
        let mut outlet = Outlet::new(to, &self.shared.plans, pick);
        // Nobody reads there any more. What that side sent is still on its way, and so is its end: this one does not know.
        let mut gone = false;
        while let Some(piece) = pieces.recv().await {
            match outlet.arrival(piece).await {
                Load::Bytes(bytes, answers) => {
                    let told = || self.shared.note(&answers, Event::Answered);
                    gone = gone || outlet.write(bytes, told).await.is_err();
                }
                Load::Fin => fin(to),
                Load::Ending(ending) => {
                    self.orders.send_modify(|orders| orders.end = Some(ending));
                }
            }
        }
    }

    async fn read_requests(&self, mut inlet: Inlet) {
        let mut requests = Requests::default();
        let mut buffer = vec![0; READ];
        loop {
            let last = match read(&self.client, &mut buffer).await {
                Ok(0) => Load::Fin,
                Ok(count) => {
                    requests.push(&buffer[..count]);
                    if !forward(&mut inlet, self.sort_requests(&mut requests)).await {
                        return;
                    }
                    continue;
                }
                Err(_) => Load::Ending(Ending::Reset),
            };
            // Half a request of a client that died over it.
            inlet.send(Load::Bytes(requests.rest(), Vec::new())).await;
            return inlet.send(last).await;
        }
    }

    async fn read_replies(&self, mut inlet: Inlet) {
        let mut replies = Replies::default();
        let mut buffer = vec![0; READ];
        let mut silent = false;
        loop {
            let last = match read(&self.server, &mut buffer).await {
                Ok(0) => Load::Fin,
                Ok(_) if silent => continue,
                Ok(count) => {
                    replies.push(&buffer[..count]);
                    let sorted = self.sort_replies(&mut replies);
                    silent = matches!(sorted.then, Then::Silence);
                    if !forward(&mut inlet, sorted).await {
                        return;
                    }
                    continue;
                }
                Err(_) => Load::Ending(Ending::Reset),
            };
            if !silent {
                inlet.send(Load::Bytes(replies.rest(), Vec::new())).await;
                inlet.send(last).await;
            }
            return;
        }
    }

    fn sort_requests(&self, requests: &mut Requests) -> Sorted {
        let mut talk = self.talk();
        let mut sorted = Sorted::new();
        while !talk.is_unpaired() {
            let request = match requests.next() {
                Ok(Some(request)) => request,
                Ok(None) => return sorted,
                Err(Garbled) => return self.garbled(sorted),
            };
            if let Some(name) = self.shared.names.of(&request.words) {
                let called = talk.call(name);
                let deed = self.shared.judge(&called);
                if let Some(Deed::Cut(after)) = deed {
                    let after = after.min(request.bytes.len());
                    sorted.bytes.extend_from_slice(&request.bytes[..after]);
                    self.shared.note(&[called], Event::Cut);
                    return sorted.then(Then::End(Ending::Close));
                }
                talk.asked(Exchange { called, deed });
            }
            sorted.bytes.extend_from_slice(&request.bytes);
        }
        sorted.bytes.extend_from_slice(&requests.rest());
        sorted
    }

    fn sort_replies(&self, replies: &mut Replies) -> Sorted {
        let mut talk = self.talk();
        let mut sorted = Sorted::new();
        while !talk.is_over() {
            let reply = match replies.next() {
                Ok(Some(reply)) => reply,
                Ok(None) => return sorted,
                Err(Garbled) => return self.garbled(sorted),
            };
            let exchange = if reply.push { None } else { talk.answered() };
            if let Some(Exchange { called, deed }) = exchange {
                if deed.is_some() {
                    self.shared.note(&[called], Event::Dropped);
                } else {
                    sorted.answers.push(called);
                }
                match deed {
                    None => {}
                    Some(Deed::Swallow) => continue,
                    Some(Deed::Mute) => return sorted.then(Then::Silence),
                    Some(Deed::Lose | Deed::Cut(_)) => {
                        return sorted.then(Then::End(Ending::Close));
                    }
                }
            }
            sorted.bytes.extend_from_slice(&reply.bytes);
        }
        sorted.bytes.extend_from_slice(&replies.rest());
        sorted
    }

    fn garbled(&self, sorted: Sorted) -> Sorted {
        self.shared.tally().garbled += 1;
        sorted.then(Then::End(Ending::Close))
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sorted {
    fn new() -> Self {
        Self {
            bytes: BytesMut::new(),
            answers: Vec::new(),
            then: Then::More,
        }
    }

    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

/// Sends it on its way. `false`: nothing is to follow.
async fn forward(inlet: &mut Inlet, sorted: Sorted) -> bool {
    if !sorted.bytes.is_empty() {
        let bytes = sorted.bytes.freeze();
        inlet.send(Load::Bytes(bytes, sorted.answers)).await;
    }
    match sorted.then {
        Then::More | Then::Silence => true,
        Then::End(ending) => {
            inlet.send(Load::Ending(ending)).await;
            false
        }
    }
}
