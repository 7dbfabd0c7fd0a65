//! What a thread of this process waits for in the kernel.

use std::fmt;

/// A system call that a thread is in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Blocked {
    /// Its name, or its number where the name is not known here.
    pub call: String,
    /// What its descriptor is, where the first argument is one: a path, `pipe:[…]`, `socket:[…]`.
    pub descriptor: Option<String>,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.descriptor {
            Some(descriptor) => write!(f, "{}({descriptor})", self.call),
            None => f.write_str(&self.call),
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::blocked_in;

#[cfg(target_os = "linux")]
mod linux {
    use super::Blocked;
    use std::ffi::c_long;
    use std::fs;

    /// The system call that `thread` waits in, `None` when it runs, when it only polls its event loop, or when the kernel
    /// does not tell.
    pub fn blocked_in(thread: i32) -> Option<Blocked> {
        let text = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).ok()?;
        let (number, first) = parse(&text)?;
        if POLLS.contains(&number) {
            return None;
        }
        let name = NAMES.iter().find(|(known, ..)| *known == number);
        let descriptor = name
            .filter(|(.., takes_descriptor)| *takes_descriptor)
            .and_then(|_| fs::read_link(format!("/proc/self/fd/{first}")).ok())
            .map(|path| path.to_string_lossy().into_owned());
        let call = name.map_or_else(|| format!("system call {number}"), |(_, name, _)| (*name).to_owned());
        Some(Blocked { call, descriptor })
    }

    /// Number and first argument; `None` for `running`.
    fn parse(text: &str) -> Option<(c_long, u64)> {
        let mut fields = text.split_ascii_whitespace();
        let number = fields.next()?.parse().ok().filter(|number| *number >= 0)?;
        let first = u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()?;
        Some((number, first))
    }

    /// An event loop that waits for events is not blocked.
    #[cfg(target_arch = "x86_64")]
    const POLLS: [c_long; 3] = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2];
    #[cfg(not(target_arch = "x86_64"))]
    const POLLS: [c_long; 2] = [libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2];

    /// Number, name, and whether the first argument is a descriptor.
    const NAMES: [(c_long, &str, bool); 18] = [
        (libc::SYS_read, "read", true),
        (libc::SYS_readv, "readv", true),
        (libc::SYS_pread64, "pread64", true),
        (libc::SYS_write, "write", true),
        (libc::SYS_writev, "writev", true),
        (libc::SYS_fsync, "fsync", true),
        (libc::SYS_fdatasync, "fdatasync", true),
        (libc::SYS_flock, "flock", true),
        (libc::SYS_connect, "connect", true),
        (libc::SYS_recvfrom, "recvfrom", true),
        (libc::SYS_recvmsg, "recvmsg", true),
        (libc::SYS_sendto, "sendto", true),
        (libc::SYS_openat, "openat", false),
        (libc::SYS_futex, "futex (a lock, or Atomics.wait)", false),
        (libc::SYS_wait4, "wait4 (a child process)", false),
        (libc::SYS_nanosleep, "nanosleep", false),
        (libc::SYS_clock_nanosleep, "clock_nanosleep", false),
        (libc::SYS_ppoll, "ppoll", false),
    ];

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_line_of_the_kernel_is_read() {
            assert_eq!(parse("0 0x13 0x7ffa 0x20000 0x0 0x0 0x0 0x7ffe 0x7ffa\n"), Some((0, 0x13)));
            assert_eq!(parse("running\n"), None);
            assert_eq!(parse("-1 0x7ffe 0x7ffa\n"), None);
            assert_eq!(parse(""), None);
        }

        #[test]
        fn a_thread_that_reads_a_pipe_is_blocked_in_it() {
            use std::io::Read as _;
            let (mut reader, writer) = std::io::pipe().unwrap();
            let (tell, told) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                tell.send(crate::thread_id().unwrap()).unwrap();
                let _ = reader.read(&mut [0]);
            });
            let id = told.recv().unwrap();

            let blocked = loop {
                match blocked_in(id) {
                    Some(blocked) if blocked.call == "read" => break blocked,
                    _ => std::thread::yield_now(),
                }
            };
            drop(writer);
            thread.join().unwrap();

            assert!(blocked.to_string().starts_with("read(pipe:["), "{blocked}");
        }
    }
}
