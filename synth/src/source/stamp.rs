//! Whether a file is the one that it was, without reading it.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime},
};

/// What a file system says of a file: length, inode number, when its bytes were last written and when anything of it last
/// changed. Of the last no program can say what it likes, so a file that keeps its stamp keeps its bytes, but for changes
/// within the same tick of the file system's clock. The device's number is left out: machines that share a file system
/// have different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Bytes.
    pub(crate) length: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    written: [i64; 2],
    changed: [i64; 2],
}

impl Stamp {
    /// A tick of the coarsest file systems (FAT) is two seconds.
    const TICK: Duration = Duration::from_secs(3);

    pub(super) fn of(about: &Metadata) -> Self {
        Self {
            length: about.len(),
            inode: about.ino(),
            written: [about.mtime(), about.mtime_nsec()],
            changed: [about.ctime(), about.ctime_nsec()],
        }
    }

    /// Whether changes from `now` on give the file another stamp.
    pub(crate) fn settled(&self, now: SystemTime) -> bool {
        let [seconds, nanoseconds] = self.changed;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else { return false };
        let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds));
        changed.is_some_and(|changed| now.duration_since(changed).is_ok_and(|age| age > Self::TICK))
    }

    /// All of it, for keeping.
    pub(crate) fn bytes(&self) -> [u8; 48] {
        let [a, b] = [self.length, self.inode].map(u64::to_le_bytes);
        let [[c, d], [e, f]] = [self.written, self.changed].map(|time| time.map(i64::to_le_bytes));
        let mut bytes = [0; 48];
        bytes.as_chunks_mut().0.copy_from_slice(&[a, b, c, d, e, f]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::{fs::FileTimes, io::Write};

    use super::*;

    #[test]
    fn a_file_changed_behind_its_time_of_writing_has_another_stamp() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"photograph").unwrap();
        let stamp = || Stamp::of(&file.path().metadata().unwrap());
        let before = stamp();
        assert_eq!(before, stamp());
        let written = file.path().metadata().unwrap().modified().unwrap();
        // Longer than any tick of a file system that tests run on.
        std::thread::sleep(Duration::from_millis(50));
        std::fs::write(file.path(), b"phonograph").unwrap();
        file.as_file().set_times(FileTimes::new().set_modified(written)).unwrap();
        assert_eq!(file.path().metadata().unwrap().modified().unwrap(), written);
        assert_ne!(before, stamp());
        assert_ne!(before.bytes(), stamp().bytes());
    }

    #[test]
    fn what_has_just_changed_may_change_unseen() {
        let changed = SystemTime::now();
        let since = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let changed_at = [since.as_secs() as i64, i64::from(since.subsec_nanos())];
        let stamp = Stamp { length: 1, inode: 1, written: [0, 0], changed: changed_at };
        assert!(!stamp.settled(changed) && !stamp.settled(changed + Stamp::TICK));
        assert!(stamp.settled(changed + Stamp::TICK + Duration::from_millis(1)));
        // A clock that goes wrong.
        assert!(!stamp.settled(changed - Duration::from_secs(60)));
        assert!(!Stamp { changed: [-1, 0], ..stamp }.settled(changed));
    }
}
