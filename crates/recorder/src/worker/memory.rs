//! Memory maps: taken now and then, kept as a series, and written beside the report.

use super::{SECOND_NS, Worker};
use crate::config::Preset;
use crate::files;
use crate::registration::{MAPS, keep_newest};
use leakprobe_core::Nanos;
use leakprobe_core::memory_map::{MallocBytes, MemoryMap};
use leakprobe_shadow::Malloc;
use serde_json::json;
use std::sync::Arc;

/// The form of the file.
const SCHEMA: &str = "leakprobe.memory-map/1";
/// It is written this often, with preset `test` each time that there is a new map.
const WRITE_EVERY_NS: u64 = 60 * SECOND_NS;
/// The first map waits so long for V8's own numbers, which come with the loop's first turn.
const WAIT_FOR_SPACES_NS: u64 = 5 * SECOND_NS;

impl Worker {
    pub(super) fn tell_memory(&self) {
        let (state, because) = match self.memory.obstacle() {
            None => ("native", "/proc/self/smaps by kind of mapping, V8's spaces, malloc".to_owned()),
            Some(error) => ("absent", format!("/proc/self/smaps cannot be read: {error}")),
        };
        self.shared.set_capability("memoryMap", state, &because);
    }

    /// Takes a map when it is time.
    pub(super) fn map_memory(&mut self, now: Nanos, malloc: Option<Malloc>) {
        let shared = Arc::clone(&self.shared);
        let spaces = *shared.heap_spaces.lock();
        if spaces.is_none() && now.since(shared.started) < WAIT_FOR_SPACES_NS {
            return;
        }
        let resident = match self.memory.read(shared.now) {
            None => return,
            Some(Ok(resident)) => resident,
            Some(Err(error)) => {
                let because = format!("/proc/self/smaps cannot be read: {error}");
                shared.set_capability("memoryMap", "off", &because);
                return shared.fault("reading the memory map");
            }
        };
        let buffers = spaces.map_or(0, |spaces| spaces.array_buffers);
        let malloc = malloc.map(|malloc| self.without_buffers(malloc, buffers));
        let (at, at_ms) = {
            let monitor = shared.monitor.lock();
            (monitor.wall(now), monitor.wall_ms(now))
        };
        let map = MemoryMap::of(at, &resident, spaces.as_ref(), malloc);
        shared.monitor.lock().memory_map(&map);
        shared.memory.lock().add(at_ms, map);
        let test = shared.config.preset == Preset::Test;
        if test || now.since(self.memory_written) >= WRITE_EVERY_NS {
            self.memory_written = now;
            self.write_memory_map();
        }
    }

    /// malloc's numbers may be old: what buffers have taken and given back since is not in them.
    fn without_buffers(&mut self, malloc: Malloc, buffers: u64) -> MallocBytes {
        if self.malloc_mapped.is_none_or(|(known, _)| known != malloc) {
            self.malloc_mapped = Some((malloc, buffers));
        }
        let then = self.malloc_mapped.map_or(buffers, |(_, buffers)| buffers);
        MallocBytes { used: malloc.used.saturating_sub(then), free: malloc.free }
    }

    /// Writes all maps so far, into the file of this process.
    pub(super) fn write_memory_map(&mut self) {
        let Some(home) = self.shared.config.home() else { return };
        let text = {
            let series = self.shared.memory.lock();
            let Some(last) = series.last() else { return };
            let identity = self.shared.identity();
            json!({
                "schema": SCHEMA,
                "process": {
                    "pid": identity.pid, "startedAt": identity.started_at, "uptimeMs": identity.uptime_ms,
                    "node": identity.node, "service": identity.service,
                },
                "last": last,
                "series": series.columns(),
            })
            .to_string()
        };
        let folder = home.join(MAPS);
        let path = folder.join(format!("{}.json", self.shared.key));
        let new = !path.exists();
        match files::make_directory(&folder).and_then(|()| files::write(&path, text.as_bytes())) {
            Ok(()) if new => keep_newest(&folder),
            Ok(()) => {}
            Err(error) => self.disk_failed("writing the memory map", &error),
        }
    }
}
