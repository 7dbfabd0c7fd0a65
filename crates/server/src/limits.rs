//! What a client can have.

use std::time::Duration;

/// Connections at once. When there are so many, the one without progress for the longest gives way.
pub const CONNECTIONS: usize = 32;
/// Connections a second, in the long run; more wait in the kernel's queue.
pub const CONNECTIONS_PER_SECOND: f64 = 250.0;
/// Requests a second, in the long run; more are answered 429.
pub const REQUESTS_PER_SECOND: f64 = 250.0;
/// Answers a second that have to be computed or read from the disk; beyond that what was computed last is sent, or 429.
pub const COMPUTED_PER_SECOND: f64 = 30.0;
/// Captures in a row, and an hour in the long run: each may freeze the app, and takes the place of an older incident.
pub const CAPTURES: f64 = 5.0;
/// See [`CAPTURES`].
pub const CAPTURES_PER_HOUR: f64 = 12.0;
/// Looks at the disk that may wait for one another.
pub const DISK_WAITING: usize = 8;
/// A question to the history may take so long to be read, from when it is its turn.
pub const HISTORY_TIME: Duration = Duration::from_millis(500);
/// Windows of an answer from the history.
pub const HISTORY_WINDOWS: i64 = 1_500;
/// Findings, incidents, lives and deployments of such an answer, the newest of each; and names of routes, ten times as many.
pub const HISTORY_LISTED: usize = 100;
/// A request line with its headers, bytes.
pub const HEAD_BYTES: usize = 16 << 10;
/// Headers of a request.
pub const HEADERS: usize = 64;
/// A request's body, bytes.
pub const BODY_BYTES: usize = 4 << 10;
/// Time for a request's headers, and between two requests on a connection.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// Time for a request's body.
pub const BODY_TIME: Duration = Duration::from_secs(5);
/// A connection on which nothing moves for so long is closed.
pub const STALL: Duration = Duration::from_secs(15);
/// What was computed is sent again for so long.
pub const FRESH: Duration = Duration::from_millis(250);
/// How long a computation waits for the recorder before what was computed last is sent.
pub const WAIT: Duration = Duration::from_millis(5);
/// Longer answers than this are not kept to be sent again, bytes.
pub const KEPT_BYTES: usize = 1 << 20;
/// How long stopping may take.
pub const STOP: Duration = Duration::from_secs(1);
/// An address that is taken is tried again this often.
pub const TRY_AGAIN: Duration = Duration::from_secs(5);
