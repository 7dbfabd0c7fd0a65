//! The loop that takes connections, and the table of those that are open.

use crate::body::Answer;
use crate::handle::{Context as Server, answer};
use crate::limits;
use crate::rate::Rate;
use crate::watched::{Progress, Watched, milliseconds};
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot::Receiver;
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

/// Stalled connections are looked for this often.
const SWEEP: Duration = Duration::from_secs(1);
/// A failure to accept is mostly a want of descriptors, which passes.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

enum Event {
    Stop,
    Sweep,
    Accepted(io::Result<TcpStream>),
}

/// Serves until it is told to stop.
pub(crate) async fn serve(listener: TcpListener, server: Arc<Server>, stop: &mut Receiver<()>) {
    let mut connections = Connections::new(server);
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rate = Rate::new(limits::CONNECTIONS_PER_SECOND, Instant::now());
    let mut pause = Duration::ZERO;
    loop {
        match next(&listener, pause, &mut sweep, stop).await {
            Event::Stop => return,
            Event::Sweep => connections.sweep(),
            Event::Accepted(Ok(stream)) => {
                connections.add(stream);
                pause = rate.take(Instant::now()).err().unwrap_or_default();
            }
            Event::Accepted(Err(_)) => pause = AFTER_FAILURE,
        }
    }
}

async fn next(
    listener: &TcpListener,
    pause: Duration,
    sweep: &mut Interval,
    stop: &mut Receiver<()>,
) -> Event {
    let mut pause = pin!(sleep(pause));
    poll_fn(|cx| {
        if Future::poll(std::pin::Pin::new(&mut *stop), cx).is_ready() {
            return Poll::Ready(Event::Stop);
        }
        if sweep.poll_tick(cx).is_ready() {
            return Poll::Ready(Event::Sweep);
        }
        if pause.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        listener.poll_accept(cx).map(|accepted| Event::Accepted(accepted.map(|(stream, _)| stream)))
    })
    .await
}

struct Connection {
    task: AbortHandle,
    progress: Arc<Progress>,
}

/// The open ones; at most [`limits::CONNECTIONS`].
struct Connections {
    server: Arc<Server>,
    http: http1::Builder,
    started: Instant,
    open: Vec<Connection>,
}

impl Connections {
    fn new(server: Arc<Server>) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD_TIME)
            .max_buf_size(limits::HEAD_BYTES)
            .max_headers(limits::HEADERS)
            // Bodies are sent as they are, not copied behind their headers first.
            .writev(true);
        Self { server, http, started: Instant::now(), open: Vec::new() }
    }

    fn add(&mut self, stream: TcpStream) {
        self.open.retain(|connection| !connection.task.is_finished());
        while self.open.len() >= limits::CONNECTIONS {
            let oldest =
                self.open.iter().enumerate().min_by_key(|(_, connection)| connection.progress.last_ms());
            let Some((index, _)) = oldest else { break };
            self.open.swap_remove(index).task.abort();
        }
        // Small answers must not wait for an acknowledgement; without it they are merely slower.
        let _ = stream.set_nodelay(true);
        let progress = Arc::new(Progress::default());
        progress.note(milliseconds(self.started));
        let watched = Watched::new(stream, Arc::clone(&progress), self.started);
        let server = Arc::clone(&self.server);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<Response<Answer>, Infallible>(answer(&server, request).await) }
        });
        let connection = self.http.serve_connection(TokioIo::new(watched), service);
        let task = tokio::spawn(async move {
            // A client that breaks off or speaks no HTTP is the client's matter.
            let _ = connection.await;
        });
        self.open.push(Connection { task: task.abort_handle(), progress });
    }

    /// Closes those that have stalled; once a second.
    fn sweep(&mut self) {
        self.server.reader.note_server_cpu();
        let now = milliseconds(self.started);
        let limit = u64::try_from(limits::STALL.as_millis()).unwrap_or(u64::MAX);
        self.open.retain(|connection| {
            let stalled = now.saturating_sub(connection.progress.last_ms()) > limit;
            if stalled {
                connection.task.abort();
            }
            !stalled && !connection.task.is_finished()
        });
    }
}
