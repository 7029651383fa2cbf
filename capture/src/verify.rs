//! `capture verify`: reads every stored file again and reports each difference.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use manifests::{
    Digest, read_log,
    session::{SHOTS_FILE, Shot, ShotFile, UNPLANNED_FILE, Unplanned},
};
use rayon::prelude::*;
use serde_json::json;

use crate::{Error, counter::Counter, plan, session, shoot::UNPLANNED_FOLDER};

/// Verifies a session; an error when anything differs.
pub(crate) fn verify(root: &Path, json: bool) -> Result<(), Error> {
    let session = session::expect(root)?;
    let log = read_log::<Shot>(&root.join(SHOTS_FILE))?;
    let mut differences: Vec<String> = Vec::new();
    if log.torn {
        differences.push(format!("{SHOTS_FILE}: the last line is torn; `capture run` repairs it"));
    }
    let unplanned = read_log::<Unplanned>(&root.join(UNPLANNED_FILE))?;
    if unplanned.torn {
        differences.push(format!("{UNPLANNED_FILE}: the last line is torn; `capture run` repairs it"));
    }
    let files: Vec<&ShotFile> =
        log.rows.iter().flat_map(|s| &s.files).chain(unplanned.rows.iter().flat_map(|u| &u.files)).collect();
    let counter = Counter::new("files read again", files.len());
    let read = |file: &&ShotFile| {
        let found = difference(root, file);
        counter.step();
        found
    };
    differences.extend(files.par_iter().filter_map(read).collect::<Vec<_>>());
    drop(counter);
    differences.extend(doubles(log.rows.iter().map(|s| s.key.as_str()).chain(files.iter().map(|f| f.path.as_str()))));
    differences.extend(strangers(root, &files)?);

    let planned: HashSet<String> = plan::list(&session.plan).into_iter().map(|s| s.key).collect();
    let foreign = log.rows.iter().filter(|s| !planned.contains(&s.key));
    differences.extend(foreign.map(|s| format!("{}: is none of the plan's shots", s.key)));
    let missing = planned.len() - log.rows.iter().filter(|s| planned.contains(&s.key)).count().min(planned.len());
    if json {
        manifests::say!(
            "{}",
            json!({
                "shots": log.rows.len(),
                "unplanned": unplanned.rows.len(),
                "files": files.len(),
                "missing": missing,
                "differences": differences
            })
        );
    } else {
        differences.iter().for_each(|d| manifests::say!("{d}"));
        let rest = if missing == 0 { "all that the plan asks for".into() } else { format!("{missing} still to shoot") };
        let more = match unplanned.rows.len() {
            0 => String::new(),
            n => format!(" and {n} from the body's own button"),
        };
        manifests::say!(
            "{} shots{more}, {} files, {rest}; {} differences",
            log.rows.len(),
            files.len(),
            differences.len()
        );
    }
    match differences.len() {
        0 => Ok(()),
        n => Err(Error::Failed(format!("{}: {n} differences", root.display()))),
    }
}

fn difference(root: &Path, file: &ShotFile) -> Option<String> {
    let path = file.path.under(root);
    let found = match std::fs::metadata(&path) {
        Err(e) => return Some(format!("{}: {e}", file.path)),
        Ok(meta) if meta.len() != file.bytes => {
            return Some(format!("{}: has {} bytes, and {} were stored", file.path, meta.len(), file.bytes));
        }
        Ok(_) => Digest::of_file(&path),
    };
    match found {
        Err(e) => Some(format!("{}: {e}", file.path)),
        Ok(hash) if hash == file.blake3 => None,
        Ok(hash) => {
            Some(format!("{}: has hash {}, and {} was stored", file.path, hash.short(16), file.blake3.short(16)))
        }
    }
}

/// Shots or files that the journal has twice.
fn doubles<'a>(recorded: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    recorded.for_each(|what| *seen.entry(what).or_default() += 1);
    let mut words: Vec<String> =
        seen.into_iter().filter(|s| s.1 > 1).map(|(what, n)| format!("{what}: recorded {n} times")).collect();
    words.sort();
    words
}

/// Files below `shots` and `unplanned` that no line names.
fn strangers(root: &Path, files: &[&ShotFile]) -> Result<Vec<String>, Error> {
    let known: HashSet<PathBuf> = files.iter().map(|f| f.path.under(root)).collect();
    let mut words = Vec::new();
    let mut folders = vec![root.join("shots"), root.join(UNPLANNED_FOLDER)];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(manifests::Error::io(&folder, "list"))?,
        };
        for entry in entries {
            let path = entry.map_err(manifests::Error::io(&folder, "list"))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !known.contains(&path) {
                words.push(format!("{}: is recorded by no shot", path.strip_prefix(root).unwrap_or(&path).display()));
            }
        }
    }
    words.sort();
    Ok(words)
}
