//! What tells whose code it was: the boundary's part of sites, heap samples and watched requests.

use crate::ffi;
use crate::probe::{NativeProbe, Running, convert};
use leakprobe_core::event::{RouteId, SiteCount};
use leakprobe_core::observation::{Frame, SiteInfo, SiteKind, Watched};
use leakprobe_shadow::{HeapSampler, Isolate};
use napi::bindgen_prelude::{Float64Array, Uint32Array};
use napi_derive::napi;

/// V8's sampling heap profiler as the running node offers it.
pub(crate) struct HeapSamples(Option<HeapSampler>);

impl HeapSamples {
    pub(crate) fn find(isolate: Option<Isolate>, switched_off: bool) -> Self {
        Self(isolate.filter(|_| !switched_off).and_then(ffi::heap_sampler))
    }

    /// Undoes [`HeapSamples`]'s start, if nobody has.
    pub(crate) fn stop(&self) {
        if let Some(sampler) = &self.0 {
            sampler.stop();
        }
    }
}

/// What came of starting the sampling heap profiler.
#[napi(string_enum = "lowercase")]
pub enum HeapSampling {
    /// It runs, and is ours.
    Started,
    /// Somebody else's runs.
    Taken,
    /// The running node lacks V8's functions.
    Absent,
}

/// A place in the code, of the source where there is a source map.
#[napi(object, object_to_js = false)]
pub struct SiteFrame {
    /// Function; absent at a module's top level.
    pub function: Option<String>,
    /// File or URL.
    pub file: Option<String>,
    /// Line from 1; 0 when it is not known.
    pub line: u32,
    /// Package; absent for the application's own files.
    pub package: Option<String>,
}

#[napi]
impl NativeProbe {
    /// A site: `what` is `listener`, `timer` or `heap-sample`, `of` says what of, `stack` has the innermost frame first.
    /// `false` when it could not be told, for what waits is too much.
    #[napi]
    pub fn site(
        &self,
        id: u32,
        what: String,
        of: Option<String>,
        stack: Vec<SiteFrame>,
    ) -> napi::Result<bool> {
        let what = match what.as_str() {
            "listener" => SiteKind::Listener,
            "timer" => SiteKind::Timer,
            _ => SiteKind::HeapSample,
        };
        let stack = stack.into_iter().map(frame).collect();
        self.with(|running: &Running| Ok(running.app_thread.site(id, SiteInfo { what, of, stack })))
    }

    /// Pairs of a site's number and how much of what it made is there.
    #[napi]
    pub fn sites(&self, pairs: Float64Array) -> napi::Result<()> {
        let pairs: &[f64] = pairs.as_ref();
        let count = |pair: &[f64]| match *pair {
            [site, count] => {
                Some(SiteCount { site: u32::try_from(convert(site)).ok()?, count: convert(count) })
            }
            _ => None,
        };
        let counts = pairs.chunks_exact(2).filter_map(count).collect();
        self.with(|running: &Running| {
            running.app_thread.sites(counts);
            Ok(())
        })
    }

    /// Everything has been collected in this process: bytes of array buffers, below 0 where not read, and triples of a
    /// route, its watched requests, and those of them that are alive.
    #[napi]
    pub fn forced_floor(&self, array_buffers: f64, watched: Uint32Array) -> napi::Result<()> {
        let triples: &[u32] = watched.as_ref();
        let watched = triples.chunks_exact(3).filter_map(|triple| match *triple {
            [route, watched, alive] => {
                Some(Watched { route: RouteId(u16::try_from(route).ok()?), watched, alive })
            }
            _ => None,
        });
        let watched = watched.collect();
        self.with(|running: &Running| {
            running.app_thread.forced_floor(array_buffers, watched);
            Ok(())
        })
    }

    /// Starts V8's sampling heap profiler with a sample about every `interval` bytes; the inspector reads its samples.
    #[napi]
    pub fn start_heap_samples(&self, interval: u32, depth: u16) -> napi::Result<HeapSampling> {
        self.with(|running: &Running| {
            let Some(sampler) = &running.heap_samples.0 else { return Ok(HeapSampling::Absent) };
            let started = sampler.start(u64::from(interval), depth);
            Ok(if started { HeapSampling::Started } else { HeapSampling::Taken })
        })
    }

    /// Stops what `startHeapSamples` started. `taken`: somebody else's runs by now, and goes on.
    #[napi]
    pub fn stop_heap_samples(&self, taken: bool) -> napi::Result<()> {
        self.with(|running: &Running| {
            if let Some(sampler) = running.heap_samples.0.as_ref().filter(|_| taken) {
                sampler.disown();
            }
            running.heap_samples.stop();
            Ok(())
        })
    }
}

fn frame(frame: SiteFrame) -> Frame {
    Frame {
        function: frame.function,
        file: frame.file.unwrap_or_default(),
        line: frame.line,
        package: frame.package,
    }
}
