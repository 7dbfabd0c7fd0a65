//! The four functions that run for every request or tick, as raw Node-API callbacks.
//!
//! napi-rs's wrappers cost about 100 ns with two numbers; these cost 10–30 ns. It is the boundary's only `unsafe`.
//!
//! **Invariant:** each function owns one strong count of the [`AppThread`] it points to, given back by its finalizer,
//! so the pointer is valid for as long as JavaScript can call it; all run on the environment's own thread.

#![expect(unsafe_code, reason = "raw Node-API: the hot path cannot afford the generated wrappers")]

use crate::app_thread::{AppThread, Counts};
use crate::probe::Running;
use leakprobe_heap_walk::Question;
use leakprobe_recorder::{FreezeJob, faults};
use leakprobe_shadow::{Frozen, HeapSampler, Interrupter, Isolate, OUTPUT, end};
use napi::bindgen_prelude::{Function, FunctionRef, Object, ToNapiValue};
use napi::{Env, JsValue, sys};
use std::ffi::{CStr, c_void};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

const FUNCTIONS: [(&CStr, Callback); 4] =
    [(c"begin", begin), (c"finish", finish), (c"tick", tick), (c"gc", gc)];

/// Makes the object `{ begin, finish, tick, gc }` when it is returned to JavaScript.
pub struct HotFunctions(pub(crate) Rc<AppThread>);

impl ToNapiValue for HotFunctions {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        let mut object = ptr::null_mut();
        // SAFETY: Node-API calls this with a valid environment, and `object` is writable.
        check(unsafe { sys::napi_create_object(env, &raw mut object) })?;
        for (name, callback) in FUNCTIONS {
            let data = Rc::into_raw(Rc::clone(&value.0)).cast_mut().cast::<c_void>();
            let mut function = ptr::null_mut();
            let length = isize::try_from(name.count_bytes()).unwrap_or(0);
            // SAFETY: `name` lives for ever, `data` is the strong count taken above, `function` is writable.
            let made = unsafe {
                sys::napi_create_function(env, name.as_ptr(), length, Some(callback), data, &raw mut function)
            };
            if let Err(error) = check(made) {
                // SAFETY: `data` came from `Rc::into_raw` above, and no function has taken it over.
                drop(unsafe { Rc::from_raw(data.cast::<AppThread>()) });
                return Err(error);
            }
            // SAFETY: `function` was just made in this environment; `release` gives `data`'s strong count back once.
            check(unsafe {
                sys::napi_add_finalizer(env, function, data, Some(release), ptr::null_mut(), ptr::null_mut())
            })?;
            // SAFETY: both values were made above in this environment.
            check(unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), function) })?;
        }
        Ok(object)
    }
}

/// The event loop of the environment, `None` where libuv does not tell its idle time.
pub(crate) fn event_loop(env: &Env) -> Option<leakprobe_shadow::EventLoop> {
    let handle = NonNull::new(env.get_uv_event_loop().ok()?.cast::<c_void>())?;
    // SAFETY: Node's loop outlives its environment, and the environment's clean-up drops every user of this value.
    unsafe { leakprobe_shadow::EventLoop::new(handle) }
}

/// For the current isolate; `None` where the running node cannot interrupt.
pub(crate) fn interrupter(isolate: Isolate, token: usize) -> Option<Interrupter> {
    // SAFETY: `Running` closes it when it is dropped, which the environment's clean-up does before the isolate goes.
    unsafe { Interrupter::new(isolate, token) }
}

/// V8's sampling heap profiler of the current isolate; `None` where the running node lacks the functions.
pub(crate) fn heap_sampler(isolate: Isolate) -> Option<HeapSampler> {
    // SAFETY: `Running` drops it on its own thread, which the environment's clean-up does before the isolate goes.
    unsafe { HeapSampler::find(isolate) }
}

/// The JavaScript function that answers in a shadow.
pub(crate) struct ShadowMain {
    env: sys::napi_env,
    function: FunctionRef<String, ()>,
}

impl ShadowMain {
    pub(crate) fn new(env: &Env, function: &Function<'_, String, ()>) -> napi::Result<Self> {
        Ok(Self { env: env.raw(), function: function.create_ref()? })
    }

    /// Calls it with the questions; `false` when it threw.
    fn answer(&self, questions: String) -> bool {
        let mut scope = ptr::null_mut();
        // SAFETY: the environment is the one of this thread; the scope is never closed, for the process ends first.
        unsafe { sys::napi_open_handle_scope(self.env, &raw mut scope) };
        let env = Env::from_raw(self.env);
        self.function.borrow_back(&env).is_ok_and(|function| function.call(questions).is_ok())
    }
}

static IN_SHADOW: AtomicBool = AtomicBool::new(false);

/// Whether this process is a shadow of the one that loaded the addon.
pub(crate) fn in_shadow() -> bool {
    IN_SHADOW.load(Ordering::Relaxed)
}

/// Full collections, in a shadow only; `false` where V8's functions are missing.
pub(crate) fn collect_in_shadow() -> bool {
    // SAFETY: in a shadow, called by JavaScript, so on the isolate's thread.
    in_shadow() && unsafe { leakprobe_shadow::collect_garbage() }
}

/// Bytes of V8's heap limit that are room for the young generation, in a shadow only and last of all; `None` where they cannot be told.
pub(crate) fn young_generation_reserve_in_shadow(running: &Running) -> Option<i64> {
    if !in_shadow() {
        return None;
    }
    let reader = running.app_thread.heap_reader()?;
    // SAFETY: in a shadow, called by JavaScript, so on the isolate's thread; `shadow-main.js` asks nothing afterwards.
    let reserve = unsafe { leakprobe_shadow::young_generation_reserve(reader) };
    reserve.and_then(|reserve| i64::try_from(reserve).ok())
}

/// Live objects in the heap, in a shadow only; `None` where V8's functions are missing.
pub(crate) fn count_objects_in_shadow() -> Option<i64> {
    if !in_shadow() {
        return None;
    }
    // SAFETY: in a shadow, called by JavaScript, so on the isolate's thread.
    let objects = unsafe { leakprobe_shadow::count_objects() };
    objects.and_then(|objects| i64::try_from(objects).ok())
}

/// Walks the heap, in a shadow only: a line of JSON with what was found, or why it was not; `None` where there is no walker.
pub(crate) fn walk_in_shadow(running: &Running, question: &str, sample: &Object<'_>) -> Option<String> {
    if !in_shadow() {
        return None;
    }
    let question: Question = serde_json::from_str(question).ok()?;
    let (walker, question) = running.recorder.walk(question)?;
    let sample = tagged(sample);
    // SAFETY: in a shadow, called by JavaScript, so on the isolate's thread; the sample was given by JavaScript.
    let walk = || unsafe { walker.walk(sample, &question) };
    let answer = match catch_unwind(AssertUnwindSafe(walk)) {
        Ok(Ok(census)) => serde_json::json!({ "walk": census }),
        Ok(Err(refusal)) => serde_json::json!({ "noWalk": refusal.to_string() }),
        Err(_) => serde_json::json!({ "noWalk": "the walk panicked" }),
    };
    Some(answer.to_string())
}

/// V8's tagged word of an object.
fn tagged(object: &Object<'_>) -> u64 {
    // SAFETY: a `napi_value` is the address of a handle's slot, and this one's scope is open as long as the object is.
    unsafe { object.raw().cast::<u64>().read() }
}

/// Writes a heap snapshot by the walk to a shadow's output, in a shadow only; `false` where that cannot be.
pub(crate) fn write_heap_snapshot_in_shadow(running: &Running, sample: &Object<'_>, collected: bool) -> bool {
    if !in_shadow() {
        return false;
    }
    let Some((walker, _)) = running.recorder.walk(Question::default()) else { return false };
    // SAFETY: a shadow has its output open there from its beginning to its end, and it is not closed here.
    let mut output = ManuallyDrop::new(unsafe { File::from_raw_fd(OUTPUT) });
    let sample = tagged(sample);
    // SAFETY: in a shadow, called by JavaScript, so on the isolate's thread; the sample was given by JavaScript.
    let write = || unsafe { walker.write_heap_snapshot(sample, collected, &mut *output) };
    matches!(catch_unwind(AssertUnwindSafe(write)), Ok(Ok(())))
}

/// Freezes the process as the job says, for the incident `id`. In the shadow `main` answers, and this never returns.
pub(crate) fn freeze(running: &Running, id: &str, mut job: FreezeJob, main: &ShadowMain) {
    let began = leakprobe_shadow::monotonic();
    running.app_thread.mark(job.mark);
    // SAFETY: on the app thread at a point where JavaScript may run; the child side below answers and ends.
    match unsafe { leakprobe_shadow::freeze(&mut job.preparation, job.output.as_raw_fd(), job.limits) } {
        Ok(Frozen::Child) => {
            IN_SHADOW.store(true, Ordering::Relaxed);
            let questions = std::mem::take(&mut job.questions);
            let answer = || {
                faults::point("shadow");
                // Collections in the shadow are nobody's business, and nobody would read of them.
                running.app_thread.stop();
                main.answer(questions)
            };
            // Whatever happens, a shadow ends here: it must not go on as a second app.
            let answered = catch_unwind(AssertUnwindSafe(answer));
            end(if matches!(answered, Ok(true)) { 0 } else { 3 })
        }
        Ok(Frozen::Parent { pid, pause }) => running.recorder.frozen(id, job.output, Ok((pid, pause))),
        Err(refusal) => {
            let waited = leakprobe_shadow::monotonic().saturating_sub(began);
            running.recorder.add_pause(Duration::from_nanos(waited).as_secs_f64() * 1e3);
            running.recorder.frozen(id, job.output, Err(refusal));
        }
    }
}

unsafe extern "C" fn release(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `data` is the strong count that `to_napi_value` handed to this very function, given back once.
    drop(unsafe { Rc::from_raw(data.cast::<AppThread>()) });
}

unsafe extern "C" fn begin(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let handle = call::<0, _>(env, info, |app_thread, []| app_thread.begin()).unwrap_or(-1);
    let mut value = ptr::null_mut();
    // SAFETY: a valid environment, and `value` is writable; a failure leaves null, which JavaScript sees as undefined.
    unsafe { sys::napi_create_int32(env, handle, &raw mut value) };
    value
}

unsafe extern "C" fn finish(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    call::<4, _>(env, info, |app_thread, [handle, route, status, outcome]| {
        app_thread.finish(int32(env, handle), uint32(env, route), uint32(env, status), uint32(env, outcome));
    });
    ptr::null_mut()
}

unsafe extern "C" fn tick(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    call::<7, _>(env, info, |app_thread, arguments| {
        let [listeners, timers, array_buffers, handles, global_keys, worker_bytes, unread_workers] =
            arguments;
        app_thread.tick(&Counts {
            listeners: int32(env, listeners),
            timers: int32(env, timers),
            array_buffers: double(env, array_buffers),
            handles: int32(env, handles),
            global_keys: int32(env, global_keys),
            worker_bytes: double(env, worker_bytes),
            unread_workers: uint32(env, unread_workers),
        });
    });
    ptr::null_mut()
}

unsafe extern "C" fn gc(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    call::<2, _>(env, info, |app_thread, [kind, pause_ms]| {
        app_thread.gc_seen(int32(env, kind), double(env, pause_ms));
    });
    ptr::null_mut()
}

/// Calls `then` with the app thread's state and the arguments. A panic ends here.
fn call<const N: usize, R: Default>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    then: impl FnOnce(&AppThread, [sys::napi_value; N]) -> R,
) -> Option<R> {
    let mut arguments = [ptr::null_mut(); N];
    let mut count = N;
    let mut data = ptr::null_mut();
    // SAFETY: `info` belongs to the call in progress; `arguments` has room for the `count` values asked for.
    let status = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            &raw mut data,
        )
    };
    let data = NonNull::new(data.cast::<AppThread>())?;
    if status != sys::Status::napi_ok {
        return None;
    }
    // SAFETY: `data` is the strong count that the function being called holds until its finalizer runs.
    let app_thread = unsafe { data.as_ref() };
    let call = || {
        faults::point("hot");
        then(app_thread, arguments)
    };
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// The number, -1 where it is none.
fn int32(env: sys::napi_env, value: sys::napi_value) -> i32 {
    let mut number = -1;
    // SAFETY: `value` is an argument of the call in progress (undefined where missing); `number` is writable.
    unsafe { sys::napi_get_value_int32(env, value, &raw mut number) };
    number
}

/// The number, 0 where it is none.
fn uint32(env: sys::napi_env, value: sys::napi_value) -> u32 {
    u32::try_from(int32(env, value)).unwrap_or(0)
}

/// The number, 0 where it is none.
fn double(env: sys::napi_env, value: sys::napi_value) -> f64 {
    let mut number = 0.0;
    // SAFETY: `value` is an argument of the call in progress (undefined where missing); `number` is writable.
    unsafe { sys::napi_get_value_double(env, value, &raw mut number) };
    number
}

fn check(status: sys::napi_status) -> napi::Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(napi::Error::from_status(status.into())) }
}
