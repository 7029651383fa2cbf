//! Lists of photographs: plain text, the image sets of PASCAL VOC, and COCO's annotations.
//!
//! A line of text is a path below the source's folder; VOC's leaves the suffix out and may have a second column
//! (`2007_000032 1`). Of COCO's JSON the images' names and licences count.

use std::{collections::HashMap, path::Path};

use manifests::RelPath;
use serde::Deserialize;

use super::{At, Found, Problem, is_picture};
use crate::{decode::SUFFIXES, error::Error};

/// What is read of COCO's annotations; the format has more.
#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    #[serde(default)]
    licenses: Vec<CocoLicence>,
}

#[derive(Deserialize)]
struct CocoImage {
    file_name: String,
    license: Option<i64>,
}

#[derive(Deserialize)]
struct CocoLicence {
    id: i64,
    name: String,
}

/// The photographs that `list` names, below `folder`.
pub(super) fn photographs(list: &Path, folder: &Path, unusable: &mut Vec<String>) -> Result<Vec<Found>, Problem> {
    let bytes = std::fs::read(list).map_err(|e| Problem::File(Error::io(list, "read")(e)))?;
    let bad = |what: String| Problem::File(Error::BadInput(format!("{}{what}", list.display())));
    let text = String::from_utf8(bytes).map_err(|_| bad(": is not UTF-8 text".into()))?;
    let named = if list.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
        coco(&text)
            .map_err(|e| bad(format!(":{}:{}: is no list of images as COCO has it ({e})", e.line(), e.column())))?
    } else {
        plain(&text, folder)
    };
    let mut found = Vec::new();
    for (number, name, licence) in named {
        let at = if number > 0 { format!("{}:{number}", list.display()) } else { list.display().to_string() };
        match name.parse::<RelPath>() {
            Ok(path) if is_picture(&name) => {
                found.push(Found { path: name, at: At::file(path.under(folder)), scene: None, licence });
            }
            Ok(_) => unusable.push(format!("{at}: {name} is no photograph below {}", folder.display())),
            Err(clause) => unusable.push(format!("{at}: {clause}")),
        }
    }
    Ok(found)
}

/// Line (0 where there is none), name and licence of each image.
type Named = Vec<(usize, String, Option<String>)>;

fn coco(text: &str) -> Result<Named, serde_json::Error> {
    let Coco { images, licenses } = serde_json::from_str(text)?;
    let licences: HashMap<i64, String> = licenses.into_iter().map(|l| (l.id, l.name)).collect();
    let licence = |image: &CocoImage| image.license.and_then(|id| licences.get(&id).cloned());
    Ok(images.into_iter().map(|image| (0, image.file_name.clone(), licence(&image))).collect())
}

/// Blank lines, and those that start with #, are none.
fn plain(text: &str, folder: &Path) -> Named {
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(i, line)| (i + 1, name(line, folder), None)).collect()
}

/// What a line names: itself, its first column, or that with the suffix that is there.
fn name(line: &str, folder: &Path) -> String {
    if is_picture(line) {
        return line.to_owned();
    }
    let first = line.split_whitespace().next().unwrap_or(line);
    let suffix = SUFFIXES.iter().find(|suffix| folder.join(format!("{first}.{suffix}")).is_file());
    suffix.filter(|_| !is_picture(first)).map_or_else(|| first.to_owned(), |suffix| format!("{first}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COCO: &str = r#"{"images": [{"id": 9, "file_name": "a.jpg", "license": 2}, {"file_name": "b/ü.png"}],
        "licenses": [{"id": 2, "name": "CC BY 2.0"}]}"#;

    proptest! {
        #[test]
        fn any_text_is_a_list(text in any::<String>()) {
            for (number, name, _) in plain(&text, Path::new("nowhere")) {
                prop_assert!(number > 0 && !name.is_empty());
            }
            let _ = coco(&text);
        }

        #[test]
        fn damaged_annotations_are_images_or_a_place_in_the_text(at in any::<prop::sample::Index>(), new in any::<char>()) {
            let mut text: Vec<char> = COCO.chars().collect();
            let at = at.index(text.len());
            text[at] = new;
            match coco(&text.into_iter().collect::<String>()) {
                Ok(images) => prop_assert!(images.len() <= 2),
                Err(e) => prop_assert!(e.line() >= 1),
            }
        }
    }
}
