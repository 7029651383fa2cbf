//! A capture session: its camera, its figures and a contact sheet.

use std::{collections::BTreeMap, path::Path};

use manifests::{
    plan::Subject,
    session::{SESSION_FILE, SHOTS_FILE, Session, Shot},
};
use maud::{Markup, html};

use super::{
    Section,
    page::{figure, figures},
    picture,
};
use crate::Error;

/// Photographs of one subject on the contact sheet.
const SHOWN: usize = 18;
/// Longest side of a thumbnail in pixels.
const THUMBNAIL: u32 = 340;

pub(super) fn section(folder: &Path) -> Result<Section, Error> {
    let session: Session = manifests::read_yaml(&folder.join(SESSION_FILE))?;
    let shots: Vec<Shot> = manifests::read_log(&folder.join(SHOTS_FILE))?.rows;
    let mut subjects: BTreeMap<Subject, Vec<&Shot>> = BTreeMap::new();
    for shot in &shots {
        subjects.entry(shot.subject).or_default().push(shot);
    }
    let sheets: Vec<(String, Markup)> = subjects
        .iter()
        .map(|(subject, shots)| {
            let title = match shots.len() {
                n if n > SHOWN => format!("{subject}: {SHOWN} of {n} photographs"),
                n => format!("{subject}: {n} photographs"),
            };
            Ok((title, sheet(folder, shots)?))
        })
        .collect::<Result<_, Error>>()?;
    let count = |subject| subjects.get(&subject).map_or(0, Vec::len).to_string();
    let disagreeing = shots.iter().filter(|s| !s.disagreements.is_empty()).count();
    let camera = &session.camera;
    let body = html! {
        (figures(&[
            ("photographs", shots.len().to_string()),
            ("reflections", count(Subject::Reflection)),
            ("backgrounds", count(Subject::Background)),
            ("mixtures", count(Subject::Mixture)),
            ("scenes", session.plan.scenes.len().to_string()),
            ("settings that differ", disagreeing.to_string()),
        ]))
        p { (camera.manufacturer) " " (camera.model) ", serial " (camera.serial) ", firmware " (camera.firmware) "; begun " (session.begun) "; " (session.program) "." }
        @for (title, sheet) in &sheets {
            h3 { (title) }
            (sheet)
        }
    };
    Ok(Section { kind: "session", title: session.plan.name.to_string(), body })
}

/// Thumbnails spread over the shots, with settings and figures.
fn sheet(folder: &Path, shots: &[&Shot]) -> Result<Markup, Error> {
    let n = shots.len().min(SHOWN);
    let spread = (0..n).map(|i| shots[i * shots.len() / n]);
    let cells: Vec<Markup> = spread
        .filter_map(|shot| {
            let file = shot.files.iter().find(|f| {
                let name = f.path.as_str().to_ascii_lowercase();
                [".jpg", ".jpeg", ".png"].iter().any(|e| name.ends_with(e))
            })?;
            Some((shot, file))
        })
        .map(|(shot, file)| {
            let uri = picture::photograph(&folder.join(file.path.as_str()), THUMBNAIL)?;
            let s = &shot.read_back;
            let focal = s.focal_length_mm.map(|f| format!(" {f} mm")).unwrap_or_default();
            let caption = html! {
                b { (s.shutter) " s  f/" (s.f_number) } "  ISO " (s.iso) (focal) br;
                (shot.scene)
                @if let Some(q) = &shot.quality {
                    " · level " (format!("{:.2}", q.level)) " · clipped " (format!("{:.1} %", 100.0 * q.clipped))
                }
            };
            Ok(figure(&uri, &format!("{} in {}", shot.subject, shot.scene), caption))
        })
        .collect::<Result<_, Error>>()?;
    Ok(html! { div.sheet { @for cell in &cells { (cell) } } })
}
