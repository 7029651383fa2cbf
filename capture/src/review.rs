//! `capture review`: a contact sheet as one HTML file, sorted and filtered in the page, outliers marked.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ImageFormat, imageops::FilterType};
use manifests::{
    read_log,
    session::{SHOTS_FILE, Session, Shot, ShotQuality},
    write_atomic,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rayon::prelude::*;

use crate::{Error, qc, session};

/// Width of a thumbnail in pixels.
const THUMBNAIL: u32 = 240;
/// Clipped fraction of a photograph that is too bright to be of use.
const CLIPPED: f64 = 0.05;
/// Fraction of black pixels in a photograph that is too dark to be of use.
const BLACK: f64 = 0.9;
/// A sharpness this many times below the median of its scene and subject is an outlier.
const BLURRED: f64 = 8.0;

/// Writes the page.
pub(crate) fn write(root: &Path, out: Option<PathBuf>) -> Result<(), Error> {
    let session = session::expect(root)?;
    let shots = read_log::<Shot>(&root.join(SHOTS_FILE))?.rows;
    let cards: Vec<Markup> = shots.par_iter().map(|s| card(root, s, &remarks(s, &shots))).collect();
    let marked = shots.iter().filter(|s| !remarks(s, &shots).is_empty()).count();
    let path = out.unwrap_or_else(|| root.join("review.html"));
    write_atomic(&path, page(&session, &cards, marked).into_string().as_bytes())?;
    println!("{}: {} shots, {marked} with remarks", path.display(), shots.len());
    Ok(())
}

/// What is odd about a shot, in words.
pub(crate) fn remarks(shot: &Shot, all: &[Shot]) -> Vec<String> {
    let mut words = shot.disagreements.clone();
    let Some(q) = shot.quality else { return words };
    if q.clipped > CLIPPED {
        words.push(format!("{:.0} % clipped", 100.0 * q.clipped));
    }
    if q.black > BLACK {
        words.push(format!("{:.0} % black", 100.0 * q.black));
    }
    let same = |s: &&Shot| s.scene == shot.scene && s.subject == shot.subject;
    let mut sharpness: Vec<f64> = all.iter().filter(same).filter_map(|s| s.quality.map(|q| q.sharpness)).collect();
    sharpness.sort_by(f64::total_cmp);
    let median = sharpness.get(sharpness.len() / 2).copied().unwrap_or(0.0);
    // Three shots say nothing about each other.
    if sharpness.len() > 3 && q.sharpness * BLURRED < median {
        words.push("much less sharp than the others of its kind".into());
    }
    words
}

fn card(root: &Path, shot: &Shot, remarks: &[String]) -> Markup {
    let s = &shot.read_back;
    let q = shot.quality;
    let figure = |f: fn(&ShotQuality) -> f64| q.as_ref().map_or(-1.0, f);
    let zoom = s.focal_length_mm.map_or(String::new(), |mm| format!("{:.0} mm, ", mm.get()));
    let file = shot.files.first();
    let name = file.map_or("", |f| f.path.as_str());
    html! {
        figure class=(if remarks.is_empty() { "shot" } else { "shot odd" })
            data-index=(shot.index) data-level=(figure(|q| q.level)) data-clipped=(figure(|q| q.clipped))
            data-sharpness=(figure(|q| q.sharpness)) data-subject=(shot.subject) data-scene=(shot.scene)
        {
            @match thumbnail(root, shot, THUMBNAIL) {
                Some(jpeg) => img src=(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg))) alt=(shot.key) loading="lazy";,
                None => div class="none" { "no picture" },
            }
            figcaption {
                b { (shot.index) " " (shot.scene) ", " (shot.subject) }
                div { (zoom) "f/" (s.f_number) ", " (s.shutter) " s, ISO " (s.iso) }
                @if let Some(q) = q {
                    div { "level " (format!("{:.3}", q.level)) ", clipped " (format!("{:.1}", 100.0 * q.clipped)) " %" }
                    div { "sharpness " (format!("{:.5}", q.sharpness)) }
                }
                div class="path" { (name) }
                @for words in remarks { div class="remark" { (words) } }
            }
        }
    }
}

/// A small JPEG of a shot, `width` pixels wide; none where its file cannot be read or shown.
pub(crate) fn thumbnail(root: &Path, shot: &Shot, width: u32) -> Option<Vec<u8>> {
    let path = &shot.files.first()?.path;
    let (picture, _) = qc::picture(&std::fs::read(path.under(root)).ok()?, path.as_str().ends_with(".nef")).ok()?;
    let height = (width * picture.height()).div_ceil(picture.width().max(1)).max(1);
    // Two steps: a box filter by whole factors is as good here as a wide kernel, and much faster.
    let small = image::imageops::thumbnail(&picture, 2 * width, 2 * height);
    let small = image::imageops::resize(&small, width, height, FilterType::Triangle);
    let mut bytes = Cursor::new(Vec::new());
    small.write_to(&mut bytes, ImageFormat::Jpeg).ok()?;
    Some(bytes.into_inner())
}

fn page(session: &Session, cards: &[Markup], marked: usize) -> Markup {
    let camera = &session.camera;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (session.plan.name) " - contact sheet" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (session.plan.name) }
                p { (cards.len()) " shots, " (marked) " with remarks. " (camera.manufacturer) " " (camera.model)
                    ", serial " (camera.serial) ". Begun " (session.begun) "." }
                form {
                    label { "Sort by " select id="sort" {
                        @for key in ["index", "level", "clipped", "sharpness"] { option { (key) } }
                    } }
                    label { "Scene " select id="scene" {
                        option value="" { "all" }
                        @for scene in &session.plan.scenes { option { (scene.id) } }
                    } }
                    label { "Subject " select id="subject" {
                        option value="" { "all" }
                        @for subject in ["reflection", "background", "mixture"] { option { (subject) } }
                    } }
                    label { input type="checkbox" id="odd"; " with remarks only" }
                }
                main id="sheet" { @for card in cards { (card) } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#222;background:#fafafa}\
h1{font-size:1.4rem;margin:0}form{display:flex;flex-wrap:wrap;gap:1.5rem;margin:1rem 0}\
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:1rem}\
figure{margin:0;background:#fff;border:1px solid #ddd;border-radius:4px;overflow:hidden}\
figure.odd{border-color:#c60}img{display:block;width:100%}.none{padding:4rem 1rem;text-align:center;color:#888}\
figcaption{padding:.5rem .7rem;font-size:12px}.path{color:#777;word-break:break-all}.remark{color:#b40;font-weight:600}";

const SCRIPT: &str = "const sheet=document.getElementById('sheet'),by=id=>document.getElementById(id);\
function show(){const key=by('sort').value;const all=[...sheet.children];\
all.sort((a,b)=>a.dataset[key]-b.dataset[key]);\
for(const f of all){const d=f.dataset;f.hidden=(by('scene').value&&d.scene!==by('scene').value)||\
(by('subject').value&&d.subject!==by('subject').value)||(by('odd').checked&&!f.classList.contains('odd'));sheet.append(f)}}\
document.querySelector('form').addEventListener('input',show);";
