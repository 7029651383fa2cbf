//! Folders of pictures as people keep them: links are followed, what is hidden is nothing, and a link that leads nowhere, or back
//! to a folder above it, hinders nobody.

use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::Error;

/// Whether a file's name is hidden, as the notes are (`._1.png`) that macOS leaves beside files.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// What lies below `root`, itself included, in the order of names; only what `enters` is looked into.
pub(crate) fn walk<'a>(
    root: &'a Path,
    enters: impl Fn(&DirEntry) -> bool + 'a,
) -> impl Iterator<Item = Result<DirEntry, Error>> + 'a {
    let wanted = move |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry.path()) && enters(entry);
    let entries = WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter().filter_entry(wanted);
    entries.filter_map(move |entry| match entry {
        Ok(entry) => Some(Ok(entry)),
        Err(e) if e.loop_ancestor().is_some() || e.path().is_some_and(Path::is_symlink) => None,
        Err(e) => Some(Err(Error::input_at(root, format!("cannot read the folder: {e}")))),
    })
}
