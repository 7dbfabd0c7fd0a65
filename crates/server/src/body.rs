//! The bodies of answers: a text in memory, or a file that is read as fast as the client takes it.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::{JoinHandle, spawn_blocking};

/// Read at once.
const CHUNK: u64 = 64 << 10;

/// A body.
pub(crate) enum Answer {
    /// In memory; `None` when it has been taken.
    Text(Option<Bytes>),
    /// So many bytes of a file.
    File { left: u64, state: State },
}

/// Who has the file.
pub(crate) enum State {
    /// We; `None` after a failure.
    Idle(Option<File>),
    /// A thread that reads.
    Reading(JoinHandle<(File, io::Result<Vec<u8>>)>),
}

impl Answer {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// The first `bytes` of a file, which may grow meanwhile.
    pub(crate) fn file(file: File, bytes: u64) -> Self {
        Self::File { left: bytes, state: State::Idle(Some(file)) }
    }
}

fn read(mut file: File, most: u64) -> (File, io::Result<Vec<u8>>) {
    let mut chunk = Vec::new();
    let read = (&mut file).take(most).read_to_end(&mut chunk);
    (file, read.map(|_| chunk))
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Text(text) => {
                Poll::Ready(text.take().filter(|text| !text.is_empty()).map(|text| Ok(Frame::data(text))))
            }
            Self::File { left: 0, .. } => Poll::Ready(None),
            Self::File { left, state } => loop {
                match state {
                    State::Idle(file) => {
                        let Some(file) = file.take() else { return Poll::Ready(None) };
                        let most = CHUNK.min(*left);
                        *state = State::Reading(spawn_blocking(move || read(file, most)));
                    }
                    State::Reading(reading) => {
                        let Poll::Ready(read) = Pin::new(reading).poll(cx) else { return Poll::Pending };
                        let (file, chunk) = match read {
                            Ok((file, chunk)) => (Some(file), chunk),
                            Err(error) => (None, Err(io::Error::other(error))),
                        };
                        *state = State::Idle(file.filter(|_| chunk.is_ok()));
                        let chunk = chunk.and_then(|chunk| match chunk.len() {
                            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                            _ => Ok(chunk),
                        });
                        return Poll::Ready(Some(chunk.map(|chunk| {
                            *left = left.saturating_sub(chunk.len() as u64);
                            Frame::data(Bytes::from(chunk))
                        })));
                    }
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.as_ref().is_none_or(Bytes::is_empty),
            Self::File { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::File { left, .. } => SizeHint::with_exact(*left),
        }
    }
}
