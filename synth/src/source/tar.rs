//! Photographs inside tar files, read in place: nothing is unpacked.

use std::{fs::File, io::BufReader, path::Path};

use super::{At, Found, Problem, at::Member, folder, is_picture};

/// The photographs in the archives below `folder` that fit `pattern`.
pub(super) fn members(pattern: &str, folder: &Path, unusable: &mut Vec<String>) -> Result<Vec<Found>, Problem> {
    let archives = folder::photographs(Some(pattern), folder, &["tar"], unusable)?;
    if archives.is_empty() {
        return Err(Problem::Source(format!("no file ending in .tar fits it below {}", folder.display())));
    }
    let mut found = Vec::new();
    for archive in archives {
        let file = folder.join(&archive.path);
        match index(&file) {
            Ok(members) => {
                for member in members.into_iter().filter(|m| is_picture(&m.name)) {
                    if member.name.contains(char::REPLACEMENT_CHARACTER) {
                        unusable.push(format!("{}/{}: has a name that is not UTF-8 text", file.display(), member.name));
                        continue;
                    }
                    found.push(Found {
                        path: format!("{}/{}", archive.path, member.name),
                        at: At::member(file.clone(), member),
                        scene: None,
                        licence: None,
                    });
                }
            }
            Err(e) => unusable.push(format!("{}: cannot be read as a tar file ({e})", file.display())),
        }
    }
    Ok(found)
}

/// Every regular file of an archive. What is not UTF-8 of a name is U+FFFD.
pub(super) fn index(file: &Path) -> std::io::Result<Vec<Member>> {
    let mut archive = ::tar::Archive::new(BufReader::new(File::open(file)?));
    let mut members = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
            members.push(Member { name, offset: entry.raw_file_position(), length: entry.size() });
        }
    }
    Ok(members)
}
