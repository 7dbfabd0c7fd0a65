//! The thread `leakprobe-http`: begins, tries again where its address is taken, and ends when it is told to.

use crate::accept::serve;
use crate::config::ServerConfig;
use crate::handle::Context;
use crate::limits;
use crate::listen::{because, listen, url};
use leakprobe_core::stats::ServerStats;
use leakprobe_recorder::Reader;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot::{self, Receiver, Sender};
use tokio::time::sleep;

/// What is left at the end (a file or a history that is being read) has so long.
const LEFT_OVER: Duration = Duration::from_millis(200);

/// A server that runs; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and starts the thread. An address that cannot be had, or a thread that cannot be started, is told in the stats
    /// and in the capability `server`; the app goes on without. Returns at once.
    pub fn start(config: ServerConfig, reader: Reader) -> Self {
        let address = config.address();
        let listener = listen(address);
        tell(&reader, address, listener.as_ref().map(|(_, bound)| *bound));
        let (stop, stopped) = oneshot::channel();
        let told = reader.clone();
        let spawned = thread::Builder::new().name("leakprobe-http".to_owned()).spawn(move || {
            let run = || run(&config, &reader, listener.ok().map(|(listener, _)| listener), stopped);
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                refuse(&reader, "the thread of the server panicked".to_owned());
            }
        });
        match spawned {
            Ok(thread) => Self { stop: Some(stop), thread: Some(thread) },
            Err(error) => {
                refuse(&told, format!("the thread of the server cannot be started: {error}"));
                Self { stop: None, thread: None }
            }
        }
    }

    /// Ends all connections and the thread, within a second. Again: nothing.
    pub fn stop(&mut self) {
        // A thread that has ended needs no telling.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let Some(thread) = self.thread.take() else { return };
        let deadline = Instant::now() + limits::STOP;
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            // A panic was told when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(config: &ServerConfig, reader: &Reader, mut listener: Option<TcpListener>, mut stop: Receiver<()>) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(reader, format!("the server cannot be started: {error}")),
    };
    let server = Arc::new(Context::new(config, reader.clone()));
    let ending = Arc::clone(&server.ending);
    runtime.block_on(async {
        while wait_for(&mut listener, config, reader, &mut stop).await {
            let Some(socket) = listener.take() else { continue };
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => return serve(socket, server, &mut stop).await,
                Err(error) => refuse(reader, because(config.address(), &error)),
            }
        }
    });
    ending.store(true, Ordering::Relaxed);
    runtime.shutdown_timeout(LEFT_OVER);
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(1)
        .thread_name("leakprobe-file")
        .thread_keep_alive(Duration::from_secs(1))
        .build()
}

/// Waits until there is a socket; `false` when it was stopped first.
async fn wait_for(
    listener: &mut Option<TcpListener>,
    config: &ServerConfig,
    reader: &Reader,
    stop: &mut Receiver<()>,
) -> bool {
    while listener.is_none() {
        let mut pause = pin!(sleep(limits::TRY_AGAIN));
        let stopped = poll_fn(|cx| match Pin::new(&mut *stop).poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => pause.as_mut().poll(cx).map(|()| false),
        });
        if stopped.await {
            return false;
        }
        let found = listen(config.address());
        tell(reader, config.address(), found.as_ref().map(|(_, bound)| *bound));
        *listener = found.ok().map(|(socket, _)| socket);
    }
    true
}

fn tell(reader: &Reader, address: SocketAddr, bound: Result<SocketAddr, &io::Error>) {
    match bound {
        Ok(bound) => reader.set_server(ServerStats { address: Some(url(bound)), because: None }),
        Err(error) => refuse(reader, because(address, error)),
    }
}

fn refuse(reader: &Reader, because: String) {
    reader.set_server(ServerStats { address: None, because: Some(because) });
}
