//! The process from outside: `/proc` and the cgroup, read on the background thread. Every number is optional.

use leakprobe_core::Nanos;
use leakprobe_core::hypothesis::SystemReading;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// One reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessReading {
    /// When, RFC 3339.
    pub(crate) at: String,
    /// Resident memory, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rss: Option<u64>,
    /// Its anonymous, file and shared parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rss_anon: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rss_file: Option<u64>,
    /// Of the anonymous part, what neither V8's heap nor external memory takes; heap that was never touched makes it too small.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) private_native: Option<u64>,
    /// Swapped out, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swap: Option<u64>,
    /// Address space left below `RLIMIT_AS`, bytes; `None` without such a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address_space_left: Option<u64>,
    /// Page faults since the process began, without and with I/O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) minor_faults: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) major_faults: Option<u64>,
    /// CPU time since the process began, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_ms: Option<u64>,
    /// CPU time of the app thread alone, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) app_thread_cpu_ms: Option<u64>,
    /// Time the app thread was ready but had no CPU, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) app_thread_queued_ms: Option<u64>,
    /// Memory that malloc has given out, and that it holds besides, bytes; as of the last time it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) malloc_used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) malloc_free: Option<u64>,
    /// Context switches of the app thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) voluntary_switches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) involuntary_switches: Option<u64>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<u64>,
    /// Open descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) descriptors: Option<u64>,
    /// Memory that the machine can still give, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine_available: Option<u64>,
    /// The cgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cgroup: Option<CgroupReading>,
}

/// The cgroup's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CgroupReading {
    /// 1 or 2.
    pub(crate) version: u8,
    /// Memory limit, bytes; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_limit: Option<u64>,
    /// Memory in use, bytes, the page cache of files included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_usage: Option<u64>,
    /// Of it, cache of files that were not used lately, bytes: the kernel gives it up when memory is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inactive_file: Option<u64>,
    /// CPU periods in which it was throttled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) throttled_periods: Option<u64>,
    /// Time it was throttled, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) throttled_ms: Option<u64>,
    /// Share of the last 10 s in which something waited for memory, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_pressure: Option<f64>,
}

/// Where the cgroup's files are; found once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cgroup {
    version: u8,
    memory: PathBuf,
    cpu: PathBuf,
}

impl Cgroup {
    /// Finds it; `None` outside any, or where it is not mounted.
    pub(crate) fn find() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::from_text(&text, Path::new("/sys/fs/cgroup"), &|path| path.exists())
    }

    /// `text` is `/proc/self/cgroup`. Inside a container the path may be the host's: then the root is ours.
    fn from_text(text: &str, root: &Path, exists: &dyn Fn(&Path) -> bool) -> Option<Self> {
        let path_of = |controller: &str| {
            text.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let (controllers, path) = (parts.next()?, parts.next()?);
                controllers.split(',').any(|name| name == controller).then(|| path.trim_start_matches('/'))
            })
        };
        let place = |base: PathBuf, path: &str, file: &str| {
            [base.join(path), base].into_iter().find(|directory| exists(&directory.join(file)))
        };
        if let Some(path) = path_of("memory") {
            let memory = place(root.join("memory"), path, "memory.limit_in_bytes")?;
            let cpu = place(root.join("cpu"), path_of("cpu").unwrap_or(""), "cpu.stat").unwrap_or_default();
            return Some(Self { version: 1, memory, cpu });
        }
        let memory = place(root.to_path_buf(), path_of("")?, "memory.current")?;
        Some(Self { version: 2, cpu: memory.clone(), memory })
    }

    fn read(&self) -> CgroupReading {
        let text =
            |directory: &Path, file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
        let (limit, usage) = if self.version == 1 {
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
        } else {
            ("memory.max", "memory.current")
        };
        let inactive = if self.version == 1 { "total_inactive_file" } else { "inactive_file" };
        let cpu = text(&self.cpu, "cpu.stat");
        let per_ms = if self.version == 1 { 1_000_000 } else { 1_000 };
        let throttled = field(&cpu, if self.version == 1 { "throttled_time" } else { "throttled_usec" });
        CgroupReading {
            version: self.version,
            memory_limit: memory_limit(&text(&self.memory, limit)),
            memory_usage: text(&self.memory, usage).trim().parse().ok(),
            inactive_file: field(&text(&self.memory, "memory.stat"), inactive),
            throttled_periods: field(&cpu, "nr_throttled"),
            throttled_ms: throttled.map(|time| time / per_ms),
            memory_pressure: pressure(&text(&self.memory, "memory.pressure")),
        }
    }
}

/// `max` (v2) and a number beyond any machine (v1) mean no limit.
fn memory_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < 1 << 60)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn pressure(text: &str) -> Option<f64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10=")?.parse().ok())
}

/// Reads what can be read elsewhere than on Linux: hardly anything.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read(at: String, cgroup: Option<&Cgroup>, _: Option<i32>) -> ProcessReading {
    ProcessReading { at, cgroup: cgroup.map(Cgroup::read), ..ProcessReading::default() }
}

/// Reads everything that can be read.
#[cfg(target_os = "linux")]
pub(crate) fn read(at: String, cgroup: Option<&Cgroup>, main_thread: Option<i32>) -> ProcessReading {
    use procfs::process::{LimitValue, Process};
    use procfs::{Current, Meminfo};

    let mut reading = ProcessReading { at, cgroup: cgroup.map(Cgroup::read), ..ProcessReading::default() };
    reading.machine_available =
        Meminfo::current().ok().and_then(|memory| memory.mem_available.or(Some(memory.mem_free)));
    let Ok(process) = Process::myself() else { return reading };
    let tick_ms = 1_000 / procfs::ticks_per_second().max(1);
    if let Ok(stat) = process.stat() {
        reading.minor_faults = Some(stat.minflt);
        reading.major_faults = Some(stat.majflt);
        reading.cpu_ms = Some((stat.utime + stat.stime) * tick_ms);
        reading.threads = u64::try_from(stat.num_threads).ok();
    }
    if let Ok(status) = process.status() {
        let bytes = |kilobytes: Option<u64>| kilobytes.map(|kilobytes| kilobytes * 1024);
        reading.rss = bytes(status.vmrss);
        reading.rss_anon = bytes(status.rssanon);
        reading.rss_file = bytes(status.rssfile);
        reading.swap = bytes(status.vmswap);
        // A shadow inherits RLIMIT_AS, and counts against it what it shares.
        let limit = process.limits().ok().map(|limits| limits.max_address_space.soft_limit);
        if let (Some(LimitValue::Value(limit)), Some(size)) = (limit, bytes(status.vmsize)) {
            reading.address_space_left = Some(limit.saturating_sub(size));
        }
        reading.voluntary_switches = status.voluntary_ctxt_switches;
        reading.involuntary_switches = status.nonvoluntary_ctxt_switches;
    }
    reading.descriptors = process.fd_count().ok().and_then(|count| u64::try_from(count).ok());
    let app_thread = main_thread.and_then(scheduled);
    reading.app_thread_cpu_ms = app_thread.map(|scheduled| scheduled.cpu_ms);
    reading.app_thread_queued_ms = app_thread.map(|scheduled| scheduled.queued_ms);
    reading
}

/// What the scheduler gave a thread since it began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Scheduled {
    /// CPU time, ms.
    pub(crate) cpu_ms: u64,
    /// Ready to run, but no CPU was free, ms.
    pub(crate) queued_ms: u64,
}

/// From `/proc/self/task/<thread>/schedstat` of one thread of this process.
pub(crate) fn scheduled(thread: i32) -> Option<Scheduled> {
    parse_schedstat(&fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?)
}

fn parse_schedstat(text: &str) -> Option<Scheduled> {
    let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
    let mut ms = || Some(fields.next()?? / 1_000_000);
    Some(Scheduled { cpu_ms: ms()?, queued_ms: ms()? })
}

/// CPU time of the calling thread, ns.
pub(crate) fn own_cpu_ns() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// CPU time of the calling thread, ms.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds stay below 2^53")]
pub(crate) fn own_cpu_ms() -> Option<f64> {
    own_cpu_ns().map(|ns| ns as f64 / 1e6)
}

impl ProcessReading {
    /// Memory that can still be had, bytes, cache that can be given up included: the machine's, the cgroup's, or what `RLIMIT_AS` leaves, the smallest.
    pub(crate) fn available(&self) -> Option<u64> {
        let cgroup = self.cgroup.as_ref().and_then(|cgroup| {
            let usage = cgroup.memory_usage.unwrap_or(0).saturating_sub(cgroup.inactive_file.unwrap_or(0));
            Some(cgroup.memory_limit?.saturating_sub(usage))
        });
        [cgroup, self.machine_available, self.address_space_left].into_iter().flatten().min()
    }

    /// What the hypotheses are judged by.
    pub(crate) fn system(&self, at: Nanos) -> SystemReading {
        let cgroup = self.cgroup.as_ref();
        SystemReading {
            at,
            rss: self.rss,
            rss_anon: self.rss_anon,
            swap: self.swap,
            major_faults: self.major_faults,
            minor_faults: self.minor_faults,
            app_cpu_ms: self.app_thread_cpu_ms,
            queued_ms: self.app_thread_queued_ms,
            throttled_ms: cgroup.and_then(|cgroup| cgroup.throttled_ms),
            memory_limit: self.memory_limit(),
            memory_usage: cgroup.and_then(|cgroup| {
                Some(cgroup.memory_usage?.saturating_sub(cgroup.inactive_file.unwrap_or(0)))
            }),
            memory_pressure: cgroup.and_then(|cgroup| cgroup.memory_pressure),
            descriptors: self.descriptors,
            malloc_used: self.malloc_used,
            malloc_free: self.malloc_free,
            young_generation: None,
        }
    }

    /// The cgroup's memory limit, bytes.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.cgroup.as_ref().and_then(|cgroup| cgroup.memory_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, existing: &[&str]) -> Option<Cgroup> {
        Cgroup::from_text(text, Path::new("/cg"), &|path| {
            existing.iter().any(|known| Path::new(known) == path)
        })
    }

    #[test]
    fn version_2_is_found_by_its_path_or_at_the_root() {
        let own =
            find("0::/app.slice/x\n", &["/cg/app.slice/x/memory.current", "/cg/memory.current"]).unwrap();
        assert_eq!((own.version, own.memory.as_path()), (2, Path::new("/cg/app.slice/x")));
        let container = find("0::/docker/abc\n", &["/cg/memory.current"]).unwrap();
        assert_eq!(container.memory, Path::new("/cg"));
    }

    #[test]
    fn version_1_is_found_by_controller() {
        let text = "5:cpu,cpuacct:/a\n4:memory:/b\n0::/\n";
        let cgroup = find(text, &["/cg/memory/b/memory.limit_in_bytes", "/cg/cpu/cpu.stat"]).unwrap();
        assert_eq!(
            (cgroup.version, cgroup.memory.as_path(), cgroup.cpu.as_path()),
            (1, Path::new("/cg/memory/b"), Path::new("/cg/cpu"))
        );
    }

    #[test]
    fn without_a_cgroup_there_is_none() {
        assert_eq!(find("", &[]), None);
        assert_eq!(find("0::/x\n", &[]), None);
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert_eq!(memory_limit("max\n"), None);
        assert_eq!(memory_limit("9223372036854771712\n"), None);
        assert_eq!(memory_limit("536870912\n"), Some(536_870_912));
    }

    #[test]
    fn recorded_texts_are_read() {
        let stat = "usage_usec 5\nnr_periods 10\nnr_throttled 3\nthrottled_usec 4500\n";
        assert_eq!(
            (field(stat, "nr_throttled"), field(stat, "throttled_usec"), field(stat, "nr")),
            (Some(3), Some(4_500), None)
        );
        assert_eq!(pressure("some avg10=1.25 avg60=0.1 avg300=0.0 total=9\nfull avg10=0.00\n"), Some(1.25));
        assert_eq!(pressure(""), None);
    }

    #[test]
    fn the_smaller_room_counts() {
        let cgroup = CgroupReading {
            version: 2,
            memory_limit: Some(100),
            memory_usage: Some(90),
            inactive_file: Some(60),
            ..CgroupReading::default()
        };
        let reading = ProcessReading {
            machine_available: Some(1_000),
            cgroup: Some(cgroup),
            ..ProcessReading::default()
        };
        assert_eq!(reading.available(), Some(70));
        assert_eq!(ProcessReading { address_space_left: Some(9), ..reading }.available(), Some(9));
        assert_eq!(ProcessReading::default().available(), None);
    }

    #[test]
    fn a_thread_that_queues_for_a_cpu_is_seen() {
        let scheduled = parse_schedstat("72445886 47555407 203\n");
        assert_eq!(scheduled, Some(Scheduled { cpu_ms: 72, queued_ms: 47 }));
        assert_eq!((parse_schedstat("12"), parse_schedstat("a b c")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_read() {
        let reading = read(String::new(), None, i32::try_from(std::process::id()).ok());
        assert!(reading.rss.is_some_and(|rss| rss > 1 << 20));
        assert!(reading.threads.is_some_and(|threads| threads >= 1) && reading.descriptors.is_some());
        assert!(reading.app_thread_cpu_ms.is_some() && own_cpu_ms().is_some());
    }
}
