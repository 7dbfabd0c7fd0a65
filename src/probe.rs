//! The class that JavaScript's `lib/probe.js` drives: one per started probe.

use crate::app_thread::{AppThread, GcWatch, HeapSource};
use crate::caught::caught;
use crate::error::{coded, from_recorder};
use crate::events::Events;
use crate::ffi::{self, HotFunctions, ShadowMain};
use crate::stuck::{self, NearLimit};
use crate::witnesses::HeapSamples;
use leakprobe_core::event::Nanos;
use leakprobe_recorder::{Recorder, RecorderConfig, panics};
use leakprobe_server::Server;
use leakprobe_shadow::{
    GcCallbacks, HeapLimitCallback, HeapReader, HeapReading, Interrupter, Isolate, monotonic, thread_id,
};
use napi::Env;
use napi::bindgen_prelude::{Float64Array, FnArgs, Function, Object};
use napi_derive::napi;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// What has to be undone once; dropping it undoes it, and frees the queue and the windows at once.
pub(crate) struct Running {
    token: usize,
    interrupter: Option<Arc<Interrupter>>,
    heap_limit: Option<HeapLimitCallback<NearLimit>>,
    server: Option<Server>,
    limit_reached: Rc<Cell<bool>>,
    gc: Option<GcCallbacks<GcWatch>>,
    pub(crate) heap_samples: HeapSamples,
    pub(crate) app_thread: Rc<AppThread>,
    pub(crate) recorder: Arc<Recorder>,
}

impl Drop for Running {
    fn drop(&mut self) {
        stuck::leave(self.token);
        if let Some(interrupter) = &self.interrupter {
            interrupter.close();
        }
        self.heap_limit = None;
        self.app_thread.stop();
        self.gc = None;
        self.heap_samples.stop();
        self.server = None;
        self.recorder.stop();
    }
}

/// A started probe: the recorder's thread and the app thread's side of it.
#[napi]
pub struct NativeProbe {
    running: Rc<RefCell<Option<Running>>>,
    main: RefCell<Option<Rc<ShadowMain>>>,
    heap_native: bool,
    gc_native: bool,
}

#[napi]
impl NativeProbe {
    /// Starts. `options` is the JSON of the complete options; `cells` has 8 numbers, of which 1 to 5 hold what
    /// `v8.getHeapStatistics()` says now (used, external, total, limit, malloced), against which the native reading
    /// is checked. `on_event` gets `finding`, `incident`, `error`, `heap-snapshot`, `investigate` and
    /// `restart-advised` with JSON.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        options: String,
        cells: Float64Array,
        on_event: Function<'_, FnArgs<(String, String)>, ()>,
    ) -> napi::Result<Self> {
        panics::keep_quiet();
        caught(|| Self::started(env, &options, cells, &on_event))
    }

    fn started(
        env: Env,
        options: &str,
        cells: Float64Array,
        on_event: &Function<'_, FnArgs<(String, String)>, ()>,
    ) -> napi::Result<Self> {
        let options: Value = serde_json::from_str(options)
            .map_err(|error| coded("LEAKPROBE_ERR_OPTION", &format!("options: {error}")))?;
        let mut config: RecorderConfig = serde_json::from_value(options.clone())
            .map_err(|error| coded("LEAKPROBE_ERR_OPTION", &format!("options: {error}")))?;
        config.main_thread_id = thread_id();
        let without = |name: &str| {
            options
                .get("without")
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().any(|item| item == name))
        };

        let isolate = Isolate::current();
        let token = stuck::token();
        let interrupter = isolate
            .filter(|_| !without("interrupt"))
            .and_then(|isolate| ffi::interrupter(isolate, token))
            .map(Arc::new);
        let events = Events::new(on_event, interrupter.clone())?;
        let recorder =
            Recorder::start(config, || Nanos(monotonic()), Box::new(events)).map_err(from_recorder)?;
        let recorder = Arc::new(recorder);
        let (state, because) = match interrupter {
            Some(_) => ("native", "v8::Isolate::RequestInterrupt by symbol"),
            None => ("off", "a freeze waits for the event loop: RequestInterrupt is missing or switched off"),
        };
        recorder.set_capability("interrupt", state, because);
        let reader = match isolate {
            _ if without("native-heap-statistics") => Err("switched off by the option `without`".to_owned()),
            None => Err("v8::Isolate::GetCurrent is not exported by this node".to_owned()),
            Some(isolate) => HeapReader::calibrated(isolate, public_statistics(&cells))
                .map_err(|mismatch| mismatch.to_string()),
        };
        let heap_native = reader.is_ok();
        let (state, because) = match &reader {
            Ok(_) => ("native", "v8::Isolate::GetHeapStatistics by symbol".to_owned()),
            Err(why) => ("fallback", format!("v8.getHeapStatistics() at each request: {why}")),
        };
        recorder.set_capability("heapStatistics", state, &because);
        let event_loop = if without("loop-idle-time") { None } else { ffi::event_loop(&env) };
        let (state, because) = match event_loop {
            Some(_) => ("native", "uv_metrics_idle_time of the event loop"),
            None => (
                "fallback",
                "wall-clock time, idle time included: uv_metrics_idle_time is missing or switched off",
            ),
        };
        recorder.set_capability("appThreadTime", state, because);

        let heap = reader.map_or_else(|_| HeapSource::Cells(cells), HeapSource::Native);
        let app_thread = Rc::new(AppThread::new(heap, event_loop, recorder.sender()));

        // Inside a collection JavaScript cannot write the cells, so without native statistics perf_hooks has to do.
        let gc = match isolate {
            Some(isolate) if heap_native && !without("native-gc") => {
                GcCallbacks::register(isolate, GcWatch::new(Rc::clone(&app_thread)))
            }
            _ => None,
        };
        if gc.is_some() {
            recorder.set_capability("gc", "native", "V8's GC prologue and epilogue callbacks by symbol");
        } else {
            recorder.set_capability(
                "gc",
                "fallback",
                "perf_hooks: heap after a collection is read when the observer runs, heap before it is unknown",
            );
        }

        let mut limit_reached = Rc::default();
        let heap_limit = match (isolate, &interrupter) {
            (Some(isolate), Some(interrupter)) if !without("heap-limit") => {
                let told = Arc::downgrade(&recorder);
                let tell = move |reached| {
                    if let Some(recorder) = told.upgrade() {
                        recorder.heap_limit(reached);
                    }
                };
                let near = NearLimit::new(Arc::clone(interrupter), Box::new(tell));
                limit_reached = Rc::clone(&near.reached);
                HeapLimitCallback::register(isolate, near)
            }
            _ => None,
        };
        let (state, because) = match heap_limit {
            Some(_) => ("native", "v8::Isolate::AddNearHeapLimitCallback by symbol"),
            None => ("off", "AddNearHeapLimitCallback is missing, or it or the interrupt is switched off"),
        };
        recorder.set_capability("heapLimit", state, because);

        let server = serve(&options, &recorder)?;
        let gc_native = gc.is_some();
        let heap_samples = HeapSamples::find(isolate, without("native-heap-samples"));
        let running = Running {
            token,
            interrupter,
            heap_limit,
            server,
            limit_reached,
            gc,
            heap_samples,
            app_thread,
            recorder,
        };
        let running = Rc::new(RefCell::new(Some(running)));
        Ok(Self { running, main: RefCell::default(), heap_native, gc_native })
    }

    /// Whether heap statistics are read natively; else JavaScript has to go on writing the cells.
    #[napi(getter)]
    pub fn heap_native(&self) -> bool {
        self.heap_native
    }

    /// Whether collections are seen natively; else JavaScript has to tell of them.
    #[napi(getter)]
    pub fn gc_native(&self) -> bool {
        self.gc_native
    }

    /// Whether JavaScript has to collect for floors.
    #[napi(getter)]
    pub fn forces_floors(&self) -> bool {
        self.with(|running| Ok(running.recorder.forces_floors())).unwrap_or(false)
    }

    /// The functions of the hot path: `{ begin, finish, tick, gc }`.
    #[napi(ts_return_type = "HotFunctions")]
    pub fn hot(&self) -> napi::Result<HotFunctions> {
        self.with(|running| Ok(HotFunctions(Rc::clone(&running.app_thread))))
    }

    /// The id of a route, 0 (`other`) when the table is full.
    #[napi]
    pub fn route(&self, name: String) -> napi::Result<u32> {
        self.with(|running| Ok(u32::from(running.recorder.intern(&name).0)))
    }

    /// Records what works and by which source.
    #[napi]
    pub fn set_capability(&self, name: String, state: String, because: String) -> napi::Result<()> {
        self.with(|running| {
            running.recorder.set_capability(&name, &state, &because);
            Ok(())
        })
    }

    /// Adds measured time of the probe's own, ns, over `requests` requests.
    #[napi]
    pub fn add_cost(&self, ns: f64, requests: f64) -> napi::Result<()> {
        self.with(|running| {
            running.recorder.add_cost(ns, convert(requests));
            Ok(())
        })
    }

    /// Adds a pause of the app thread that the probe caused, ms.
    #[napi]
    pub fn add_pause(&self, ms: f64) -> napi::Result<()> {
        self.with(|running| {
            running.recorder.add_pause(ms);
            Ok(())
        })
    }

    /// The stats as JSON.
    #[napi]
    pub fn stats(&self) -> napi::Result<String> {
        self.with(|running| {
            running.app_thread.flush();
            running.recorder.set_in_flight_bytes(running.app_thread.bytes());
            running.recorder.stats_json().map_err(from_recorder)
        })
    }

    /// The report as JSON.
    #[napi]
    pub fn report(&self) -> napi::Result<String> {
        self.with(|running| {
            running.app_thread.flush();
            running.recorder.report_json().map_err(from_recorder)
        })
    }

    /// Asks for an incident; its id. The event `incident` tells when it is complete.
    #[napi]
    pub fn capture(&self, reason: String, heap_snapshot: bool, floor: bool) -> napi::Result<String> {
        self.with(|running| {
            running.app_thread.flush();
            running.recorder.capture(&reason, heap_snapshot, floor).map_err(from_recorder)
        })
    }

    /// The write end of the pipe into which V8 writes the heap snapshot of this incident.
    #[napi]
    pub fn begin_heap_snapshot(&self, id: String) -> napi::Result<i32> {
        self.with(|running| running.recorder.begin_heap_snapshot(&id).map_err(from_recorder))
    }

    /// Sets the function that answers questions (JSON) on descriptor 3 in every shadow. Once, before anything is asked.
    #[napi]
    pub fn set_shadow_main(&self, env: Env, main: Function<'_, String, ()>) -> napi::Result<()> {
        let main = Rc::new(ShadowMain::new(&env, &main)?);
        *self.main.borrow_mut() = Some(Rc::clone(&main));
        self.with(|running| {
            stuck::enter(
                running.token,
                Rc::downgrade(&self.running),
                main,
                Rc::clone(&running.limit_reached),
            );
            Ok(())
        })
    }

    /// Freezes the process into a shadow that answers for this incident. Returns in the app only. The incident tells
    /// what came of it.
    #[napi]
    pub fn freeze(&self, id: String) -> napi::Result<()> {
        let Some(main) = self.main.borrow().clone() else { return Ok(()) };
        self.with(|running| {
            let job = running.recorder.begin_freeze(&id).map_err(from_recorder)?;
            ffi::freeze(running, &id, job, &main);
            Ok(())
        })
    }

    /// Collects everything, in a shadow only; `false` where that is not one, or V8's functions are missing.
    #[napi]
    pub fn collect_in_shadow(&self) -> napi::Result<bool> {
        self.with(|_| Ok(ffi::collect_in_shadow()))
    }

    /// How many objects the heap holds, in a shadow only; `null` where that is not one, or V8's functions are missing.
    #[napi]
    pub fn count_objects_in_shadow(&self) -> napi::Result<Option<i64>> {
        self.with(|_| Ok(ffi::count_objects_in_shadow()))
    }

    /// Bytes of V8's heap limit that are room for the young generation. In a shadow only, and last of all, for its own limit is low
    /// afterwards; `null` where they cannot be told.
    #[napi]
    pub fn young_generation_reserve_in_shadow(&self) -> napi::Result<Option<i64>> {
        self.with(|running| Ok(ffi::young_generation_reserve_in_shadow(running)))
    }

    /// Walks the heap, in a shadow only. `question` is JSON with what was planted; `sample` is one of the planted objects.
    /// A line of JSON with what was found or why not; `null` where that is no shadow, or nothing can be walked.
    #[napi]
    pub fn walk_in_shadow(&self, question: String, sample: Object<'_>) -> napi::Result<Option<String>> {
        self.with(|running| Ok(ffi::walk_in_shadow(running, &question, &sample)))
    }

    /// Writes a heap snapshot by the walk to a shadow's output, in a shadow only. `sample` is any small object; `collected` says that
    /// full collections came before. `false` where that is no shadow, or it could not be written to its end.
    #[napi]
    pub fn write_heap_snapshot_in_shadow(&self, sample: Object<'_>, collected: bool) -> napi::Result<bool> {
        self.with(|running| Ok(ffi::write_heap_snapshot_in_shadow(running, &sample, collected)))
    }

    /// V8 has written it, or could not.
    #[napi]
    pub fn end_heap_snapshot(&self, id: String, pause_ms: f64, error: Option<String>) -> napi::Result<()> {
        self.with(|running| {
            running.recorder.end_heap_snapshot(&id, pause_ms, error.as_deref());
            Ok(())
        })
    }

    /// Undoes everything, joins the thread and frees what it held. Again: nothing. An environment that is torn down
    /// without it does the same when it frees this object.
    #[napi]
    pub fn stop(&self) {
        // What did not come to an end is given up: nobody could do more about it.
        let _ = caught(|| {
            let running = self.running.borrow_mut().take();
            drop(running);
            Ok(())
        });
        *self.main.borrow_mut() = None;
    }

    pub(crate) fn with<R>(&self, call: impl FnOnce(&Running) -> napi::Result<R>) -> napi::Result<R> {
        caught(|| match self.running.borrow().as_ref() {
            Some(running) => call(running),
            None => Err(from_recorder(leakprobe_recorder::Error::Stopped)),
        })
    }
}

/// The HTTP server, where the option `serve` asks for one.
fn serve(options: &Value, recorder: &Recorder) -> napi::Result<Option<Server>> {
    let Some(wanted) = options.get("serve").filter(|wanted| !wanted.is_null()) else {
        recorder.set_capability("server", "off", "nobody asked for it: the option `serve`");
        return Ok(None);
    };
    let config = serde_json::from_value(wanted.clone())
        .map_err(|error| coded("LEAKPROBE_ERR_OPTION", &format!("options.serve: {error}")))?;
    Ok(Some(Server::start(config, recorder.reader())))
}

fn public_statistics(cells: &Float64Array) -> HeapReading {
    let cells: &[f64] = cells.as_ref();
    let cell = |index: usize| cells.get(index).copied().map_or(0, convert);
    HeapReading { used: cell(1), external: cell(2), total: cell(3), limit: cell(4), malloced: cell(5) }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; counts and bytes are whole numbers below 2^53"
)]
pub(crate) fn convert(value: f64) -> u64 {
    value as u64
}
