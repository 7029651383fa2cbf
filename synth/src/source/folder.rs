//! The files of a folder, all or those whose path fits a pattern.

use std::path::Path;

use glob::{MatchOptions, Pattern};
use walkdir::WalkDir;

use super::{At, Found, Problem, split_pattern};

/// `*` stays within a folder, `**` crosses folders, as shells have it.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// A pattern of paths, and its parts, which say where not to look.
pub(crate) struct Glob {
    whole: Pattern,
    /// Those of folders, up to a `**`.
    folders: Vec<Pattern>,
    /// Whether there is a `**`, which crosses any number of folders.
    any_depth: bool,
    /// How every name that fits ends, as far as that is given.
    end: String,
}

impl Glob {
    /// A pattern below the folder that it starts in.
    pub(crate) fn new(pattern: &str) -> Result<Self, glob::PatternError> {
        let whole = Pattern::new(pattern)?;
        let mut parts = pattern.split('/').collect::<Vec<_>>();
        let any_depth = parts.contains(&"**");
        // The last part is a file's name.
        let name = parts.pop().unwrap_or_default();
        let end = name.rsplit(['*', '?', '[', ']']).next().unwrap_or_default().to_owned();
        let folders = parts.into_iter().take_while(|part| *part != "**").map(Pattern::new).collect::<Result<_, _>>()?;
        Ok(Self { whole, folders, any_depth, end })
    }

    /// Whether a file that fits may lie in the folder `below` the one that the pattern starts in, at any depth.
    pub(crate) fn enters(&self, below: &Path) -> bool {
        let fit = self.folders.iter().zip(below.iter()).all(|(part, name)| {
            // What is not UTF-8 is told where it is a photograph's, so it is looked at.
            name.to_str().is_none_or(|name| part.matches_with(name, MATCHING))
        });
        fit && (self.any_depth || below.iter().count() <= self.folders.len())
    }

    /// Whether a file that fits may have a name with such an end.
    pub(crate) fn may_end_in(&self, end: &str) -> bool {
        self.end.ends_with(end) || end.ends_with(&self.end)
    }
}

/// Files with one of `suffixes` at any depth; hidden ones are left out, symbolic links followed.
pub(super) fn photographs(
    glob: Option<&str>,
    folder: &Path,
    suffixes: &[&str],
    unusable: &mut Vec<String>,
) -> Result<Vec<Found>, Problem> {
    let pattern = glob.map(|glob| Glob::new(split_pattern(glob).1)).transpose();
    let pattern = pattern.map_err(|e| Problem::Source(format!("is no pattern: {e}")))?;
    let below = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_path_buf();
    // A name that is not UTF-8 fits what its readable part does, so that it is told.
    let fits =
        |path: &Path| pattern.as_ref().is_none_or(|p| p.whole.matches_with(&below(path).to_string_lossy(), MATCHING));
    let mut found = Vec::new();
    let visible = |e: &walkdir::DirEntry| e.depth() == 0 || !e.file_name().as_encoded_bytes().starts_with(b".");
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_wanted = |path: &Path| {
        !hidden(path) && path.extension().is_some_and(|e| suffixes.iter().any(|k| e.eq_ignore_ascii_case(k)))
    };
    let entered = |e: &walkdir::DirEntry| {
        e.depth() == 0 || !e.file_type().is_dir() || pattern.as_ref().is_none_or(|p| p.enters(&below(e.path())))
    };
    for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(|e| visible(e) && entered(e)) {
        let entry = match entry {
            Ok(entry) => entry,
            // A loop of links leads back to folders that are listed anyway.
            Err(e) if e.loop_ancestor().is_some() => continue,
            // A link that leads nowhere, and would be no photograph of these if it led somewhere.
            Err(e) if e.path().is_some_and(|path| path.is_symlink() && !(is_wanted(path) && fits(path))) => continue,
            Err(e) => {
                let at = e.path().unwrap_or(folder).display().to_string();
                let why = e.io_error().map_or_else(|| e.to_string(), ToString::to_string);
                unusable.push(format!("{at}: cannot be listed ({why})"));
                continue;
            }
        };
        if !entry.file_type().is_file() || !is_wanted(entry.path()) || !fits(entry.path()) {
            continue;
        }
        let below = below(entry.path());
        let parts: Option<Vec<&str>> = below.iter().map(|p| p.to_str()).collect();
        let Some(parts) = parts else {
            unusable.push(format!("{}: has a name that is not UTF-8 text", entry.path().display()));
            continue;
        };
        found.push(Found { path: parts.join("/"), at: At::file(entry.into_path()), scene: None, licence: None });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_names_end_in_is_known_as_far_as_the_pattern_says() {
        let may = |pattern: &str| Glob::new(pattern).unwrap().may_end_in(".png");
        assert!(["*.png", "a/*", "**", "0*.background.png", "*g", "*.p[nm]g", "*.pn?"].into_iter().all(may));
        assert!(!["*.jpg", "**/*.jpeg", "photograph.tif", "*.PNG", "a.png/b*.NEF"].into_iter().any(may));
    }

    #[test]
    fn only_folders_that_may_hold_what_fits_are_entered() {
        for (pattern, entered, passed) in [
            ("*.jpg", &[""][..], &["a", "out", "out/train"][..]),
            ("2*/raw/*.jpg", &["2024", "2024/raw"], &["1999", "2024/x", "2024/raw/deeper"]),
            ("2*/**/*.jpg", &["2024", "2024/a/b/c"], &["1999", "1999/a"]),
            ("**/*.jpg", &["a", "a/b"], &[]),
        ] {
            let glob = Glob::new(pattern).unwrap();
            entered.iter().for_each(|folder| assert!(glob.enters(Path::new(folder)), "{pattern} {folder}"));
            passed.iter().for_each(|folder| assert!(!glob.enters(Path::new(folder)), "{pattern} {folder}"));
        }
    }
}
