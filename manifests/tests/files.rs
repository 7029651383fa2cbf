//! Files under faults: torn lines, full disks, crashes between two writes.

use std::fs;

use manifests::{
    Digest, LogWriter,
    io::{set_mode, sync_folder, write_atomic},
    read_log,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    index: u64,
    text: String,
}

fn rows(n: u64) -> Vec<Row> {
    (0..n).map(|index| Row { index, text: format!("line\n{index} \"é\u{2028}") }).collect()
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_line_and_takes_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.jsonl");
    let mut log = LogWriter::open(&path).unwrap();
    rows(5).iter().for_each(|r| log.append(r).unwrap());
    drop(log);
    let text = fs::read(&path).unwrap();
    for end in 0..=text.len() {
        fs::write(&path, &text[..end]).unwrap();
        let whole = text[..end].iter().filter(|b| **b == b'\n').count();
        let read = read_log::<Row>(&path).unwrap();
        assert_eq!(read.rows, rows(5)[..whole]);
        assert_eq!(read.torn, end > 0 && text[end - 1] != b'\n');
        let mut log = LogWriter::open(&path).unwrap();
        log.append(&rows(9)[8]).unwrap();
        let again = read_log::<Row>(&path).unwrap();
        assert!(!again.torn);
        assert_eq!(again.rows.len(), whole + 1, "cut at byte {end}");
        assert_eq!(again.rows.last(), Some(&rows(9)[8]));
    }
}

#[test]
fn a_bad_line_in_the_middle_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.jsonl");
    fs::write(&path, "{\"index\":0,\"text\":\"a\"}\n{\"index\":1,\"txt\":\"b\"}\n{\"index\":2,\"text\":\"c\"}\n")
        .unwrap();
    let error = read_log::<Row>(&path).unwrap_err().to_string();
    assert!(error.ends_with("log.jsonl:2:16: unknown key `txt`; did you mean `text`?"), "{error}");
}

#[test]
fn a_missing_log_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let log = read_log::<Row>(&dir.path().join("none.jsonl")).unwrap();
    assert!(log.rows.is_empty() && !log.torn);
}

#[test]
fn atomic_writes_leave_one_file_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    write_atomic(&path, b"one").unwrap();
    write_atomic(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = write_atomic(&dir.path().join("no/such/folder.yaml"), b"x").unwrap_err().to_string();
    assert!(error.contains("folder.yaml: cannot write: No such file"), "{error}");
}

/// What /proc answers to syncing its folders (EINVAL) and to changing modes (EPERM), some network file systems and exFAT do.
#[test]
#[cfg(target_os = "linux")]
fn file_systems_without_modes_or_synced_folders_are_written_to() {
    let folder = std::path::Path::new("/proc/self");
    assert_eq!(fs::File::open(folder).unwrap().sync_all().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    sync_folder(folder).unwrap();
    let file = fs::File::open("/proc/self/status").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    assert_eq!(file.set_permissions(mode).unwrap_err().raw_os_error(), Some(1));
    set_mode(&file, 0o444).unwrap();
    // A folder that is not there is an error all the same.
    assert!(sync_folder(std::path::Path::new("/proc/none")).is_err());
}

/// `/dev/full` answers every write as a full disk does; a log reached through a link to it must say so.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let error = match LogWriter::<Row>::open(&path) {
        Ok(mut log) => log.append(&rows(1)[0]).unwrap_err(),
        Err(e) => e,
    };
    assert!(!error.is_bad_input());
    assert!(error.to_string().contains("log.jsonl: cannot"), "{error}");
}

proptest! {
    #[test]
    fn any_rows_come_back(texts in proptest::collection::vec(any::<String>(), 0..20)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let rows: Vec<Row> = texts.into_iter().enumerate().map(|(i, text)| Row { index: i as u64, text }).collect();
        let mut log = LogWriter::open(&path).unwrap();
        log.append_all(&rows).unwrap();
        prop_assert_eq!(read_log::<Row>(&path).unwrap().rows, rows);
    }

    #[test]
    fn any_bytes_as_a_log_are_rows_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        fs::write(&path, &bytes).unwrap();
        let _ = read_log::<Row>(&path);
    }

    #[test]
    fn a_file_hashes_as_its_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100_000)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(Digest::of_file(&path).unwrap(), Digest::of(&bytes));
    }
}
