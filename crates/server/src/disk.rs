//! Looks at the disk, on another thread, so that a slow one holds up nobody else; and not too many, so that a disk that hangs is not
//! waited for by ever more.

use crate::limits::DISK_WAITING;
use crate::respond::{BUSY, Refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::spawn_blocking;

/// How many look, or wait to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<AtomicUsize>);

/// One of them; gone when it has looked, also where nobody waits for it any more.
struct Place(Disk);

impl Disk {
    /// What `look` finds.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let place = self.enter().ok_or(BUSY)?;
        let looked = spawn_blocking(move || {
            let found = look();
            drop(place);
            found
        });
        looked.await.map_err(|_| BUSY)
    }

    fn enter(&self) -> Option<Place> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= DISK_WAITING {
            self.0.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_hangs_is_waited_for_by_few() {
        let disk = Disk::default();
        let waiting: Vec<_> = (0..20).filter_map(|_| disk.enter()).collect();
        assert_eq!(waiting.len(), DISK_WAITING);
        assert!(disk.enter().is_none());
        drop(waiting);
        assert!(disk.enter().is_some());
    }
}
