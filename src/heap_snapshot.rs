//! Heap snapshots read for JavaScript, on a thread of libuv's pool.

use crate::error::coded;
use leakprobe_cli::{Unread, analyze_file, diff_files};
use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the readings that it was given to.
#[napi]
pub struct Cancellation {
    cancelled: Arc<AtomicBool>,
}

#[napi]
impl Cancellation {
    /// One that has not happened.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self { cancelled: Arc::default() }
    }

    /// The readings end within a megabyte.
    #[napi]
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// One file to analyse, or several to compare.
pub struct Reading {
    files: Vec<PathBuf>,
    rows: usize,
    cancelled: Arc<AtomicBool>,
}

impl Reading {
    fn read(&self) -> Result<String, Unread> {
        let mut watch = |_: &std::path::Path, _, _| !self.cancelled.load(Ordering::Relaxed);
        match self.files.as_slice() {
            [file] => analyze_file(file, self.rows, &mut watch),
            files => diff_files(files, self.rows, &mut watch),
        }
    }
}

impl Task for Reading {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<String> {
        let failed = |why: &str| coded("LEAKPROBE_ERR_HEAP_SNAPSHOT", why);
        // A panic must not cross into libuv's thread.
        catch_unwind(AssertUnwindSafe(|| self.read()))
            .map_err(|_| failed("a fault of leakprobe's own"))?
            .map_err(|unread| failed(&unread.to_string()))
    }

    fn resolve(&mut self, _env: Env, output: String) -> napi::Result<String> {
        Ok(output)
    }
}

/// The JSON of one file's analysis, or of several files' growth; lists have at most `rows` entries.
#[napi(ts_return_type = "Promise<string>")]
pub fn read_heap_snapshots(files: Vec<String>, rows: u32, cancellation: &Cancellation) -> AsyncTask<Reading> {
    AsyncTask::new(Reading {
        files: files.into_iter().map(PathBuf::from).collect(),
        rows: rows as usize,
        cancelled: Arc::clone(&cancellation.cancelled),
    })
}
