//! The files of a folder, all or those whose path fits a pattern.

use std::path::Path;

use glob::{MatchOptions, Pattern};
use walkdir::WalkDir;

use super::{At, Found, Problem, split_pattern};

/// `*` stays within a folder, `**` crosses folders, as shells have it.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// Files with one of `suffixes` at any depth; hidden ones are left out, symbolic links followed.
pub(super) fn photographs(
    glob: Option<&str>,
    folder: &Path,
    suffixes: &[&str],
    unusable: &mut Vec<String>,
) -> Result<Vec<Found>, Problem> {
    let pattern = glob.map(|glob| Pattern::new(split_pattern(glob).1)).transpose();
    let pattern = pattern.map_err(|e| Problem::Source(format!("is no pattern: {e}")))?;
    let mut found = Vec::new();
    let visible = |e: &walkdir::DirEntry| e.depth() == 0 || !e.file_name().as_encoded_bytes().starts_with(b".");
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_wanted = |path: &Path| {
        !hidden(path) && path.extension().is_some_and(|e| suffixes.iter().any(|k| e.eq_ignore_ascii_case(k)))
    };
    for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(visible) {
        let entry = match entry {
            Ok(entry) => entry,
            // A loop of links leads back to folders that are listed anyway.
            Err(e) if e.loop_ancestor().is_some() => continue,
            // A link that leads nowhere, and would be no photograph if it led somewhere.
            Err(e) if e.path().is_some_and(|path| path.is_symlink() && !is_wanted(path)) => continue,
            Err(e) => {
                let at = e.path().unwrap_or(folder).display().to_string();
                let why = e.io_error().map_or_else(|| e.to_string(), ToString::to_string);
                unusable.push(format!("{at}: cannot be listed ({why})"));
                continue;
            }
        };
        let known = is_wanted(entry.path());
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let fits = pattern.as_ref().is_none_or(|p| p.matches_path_with(below, MATCHING));
        if !entry.file_type().is_file() || !known || !fits {
            continue;
        }
        let parts: Option<Vec<&str>> = below.iter().map(|p| p.to_str()).collect();
        let Some(parts) = parts else {
            unusable.push(format!("{}: has a name that is not UTF-8 text", entry.path().display()));
            continue;
        };
        found.push(Found { path: parts.join("/"), at: At::file(entry.into_path()), scene: None, licence: None });
    }
    Ok(found)
}
