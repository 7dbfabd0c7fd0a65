//! Files that are whole or absent: written under another name, synced, renamed. Directories 0700, files 0600.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes `path` and what is missing above it, for the owner only.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Bytes that the file system of `path` still gives to this user; `None` where it does not tell.
pub(crate) fn free_space(path: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(path).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Below this share of the file system nothing is captured, but not above or below these bytes.
const FLOOR_SHARE: u64 = 20;
const LEAST_FLOOR: u64 = 256 << 20;
const MOST_FLOOR: u64 = 4 << 30;

/// Why nothing may be captured into `path`: less is free than `least`, or than a twentieth of the file system, which counts
/// as 256 MiB at least and 4 GiB at most. `None` where enough is free, or the file system does not tell.
pub(crate) fn too_full(path: &Path, least: Option<u64>) -> Option<String> {
    let system = rustix::fs::statvfs(path).ok()?;
    let (free, all) =
        (system.f_bavail.saturating_mul(system.f_frsize), system.f_blocks.saturating_mul(system.f_frsize));
    let floor = least.unwrap_or_else(|| (all / FLOOR_SHARE).clamp(LEAST_FLOOR, MOST_FLOOR));
    (free < floor).then(|| {
        format!(
            "{} MB are free on the disk, and below {} MB nothing is captured",
            free / 1_000_000,
            floor / 1_000_000
        )
    })
}

/// A new file for the owner only, under a temporary name beside `path`.
pub(crate) fn create_temporary(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".tmp-{}-{name}", std::process::id()));
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    Ok((file, temporary))
}

/// Puts a written temporary file under its final name, on disk.
pub(crate) fn publish(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Writes a whole file; on failure the old one stays and nothing else is left.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = create_temporary(path)?;
    let written = file.write_all(bytes).and_then(|()| publish(&file, &temporary, path));
    if written.is_err() {
        // The error that matters is the one above; a leftover is removed at the next start.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Makes a rename or a removal in `path` durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_private_whole_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        make_directory(&inner).unwrap();
        let path = inner.join("x.json");

        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_told() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(too_full(directory.path(), Some(0)), None);
        let why = too_full(directory.path(), Some(u64::MAX)).unwrap();
        assert!(why.contains("MB are free on the disk, and below 18446744073709 MB nothing"), "{why}");
        assert_eq!(too_full(Path::new("/nonexistent/x"), Some(u64::MAX)), None);
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gone/x.json");
        assert!(write(&path, b"one").is_err());

        // A directory stands where the file should go: the rename fails after the writing.
        let taken = directory.path().join("taken");
        make_directory(&taken.join("child")).unwrap();
        assert!(write(&taken, b"one").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
