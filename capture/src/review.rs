//! `capture review`: a contact sheet as one HTML file, sorted and filtered in the page, outliers marked.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use manifests::{
    Name,
    plan::{Light, Subject},
    read_log,
    session::{SHOTS_FILE, Session, Settings, Shot, ShotFile, ShotQuality, UNPLANNED_FILE, Unplanned},
    write_atomic,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rayon::prelude::*;
use serde_json::json;

use crate::{Error, counter::Counter, session, thumbnail};

/// Clipped fraction of a photograph that is too bright to be of use.
const CLIPPED: f64 = 0.05;
/// Fraction of black pixels in a photograph that is too dark to be of use.
const BLACK: f64 = 0.9;
/// A sharpness this many times below the median of its scene and subject is an outlier.
const BLURRED: f64 = 8.0;
/// Luma of the black paper in a reflection shot from which something shines through or onto it.
const PAPER: f64 = 0.2;

/// A photograph of the sheet.
struct Card<'a> {
    /// Place in the plan; none for one that nobody planned.
    index: Option<u32>,
    key: &'a str,
    scene: Option<&'a Name>,
    subject: Option<Subject>,
    settings: Option<Settings>,
    files: &'a [ShotFile],
    quality: Option<ShotQuality>,
    remarks: Vec<String>,
}

/// Writes the page.
pub(crate) fn write(root: &Path, out: Option<PathBuf>, json: bool) -> Result<(), Error> {
    let session = session::expect(root)?;
    let shots = read_log::<Shot>(&root.join(SHOTS_FILE))?.rows;
    let unplanned = read_log::<Unplanned>(&root.join(UNPLANNED_FILE))?.rows;
    let usual = usual_sharpness(&shots);
    let planned = shots.iter().map(|s| Card {
        index: Some(s.index),
        key: &s.key,
        scene: Some(&s.scene),
        subject: Some(s.subject),
        settings: Some(s.read_back),
        files: &s.files,
        quality: s.quality,
        remarks: remarks(s, usual.get(&(&s.scene, s.subject)).copied()),
    });
    let nobodys = unplanned.iter().map(|u| Card {
        index: None,
        key: &u.key,
        scene: u.scene.as_ref(),
        subject: u.subject,
        settings: u.exif,
        files: &u.files,
        quality: u.quality,
        remarks: Vec::new(),
    });
    let all: Vec<Card<'_>> = planned.chain(nobodys).collect();
    let counter = Counter::new("photographs read", all.len());
    let show = |one: &Card<'_>| {
        let shown = card(root, one);
        counter.step();
        shown
    };
    let cards: Vec<Markup> = all.par_iter().map(show).collect();
    drop(counter);
    let marked = all.iter().filter(|c| !c.remarks.is_empty()).count();
    let path = out.unwrap_or_else(|| root.join("review.html"));
    write_atomic(&path, page(&session, &cards, shots.len(), marked).into_string().as_bytes())?;
    if json {
        let line = json!({ "page": path, "shots": shots.len(), "unplanned": unplanned.len(), "remarks": marked });
        manifests::say!("{line}");
        return Ok(());
    }
    let more = if unplanned.is_empty() { String::new() } else { format!(", {} unplanned", unplanned.len()) };
    manifests::say!("{}: {} shots{more}, {marked} with remarks", path.display(), shots.len());
    Ok(())
}

/// Median sharpness of each scene and subject; none for three shots or fewer, which say nothing about each other.
fn usual_sharpness(shots: &[Shot]) -> HashMap<(&Name, Subject), f64> {
    let mut kinds: HashMap<(&Name, Subject), Vec<f64>> = HashMap::new();
    for (shot, q) in shots.iter().filter_map(|s| Some((s, s.quality?))) {
        kinds.entry((&shot.scene, shot.subject)).or_default().push(q.sharpness);
    }
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    kinds.into_iter().filter(|(_, all)| all.len() > 3).map(|(kind, all)| (kind, median(all))).collect()
}

/// What is odd about a shot, in words; `usual` is the sharpness of its kind, where that is known.
pub(crate) fn remarks(shot: &Shot, usual: Option<f64>) -> Vec<String> {
    let mut words = shot.disagreements.clone();
    let Some(q) = shot.quality else { return words };
    if q.clipped > CLIPPED {
        words.push(format!("{:.0} % clipped", 100.0 * q.clipped));
    }
    if q.black > BLACK {
        words.push(format!("{:.0} % black", 100.0 * q.black));
    }
    if let Some(paper) = q.darkest.filter(|level| shot.subject == Subject::Reflection && *level > PAPER) {
        words.push(format!("the paper is at level {paper:.2}: is it black, and in the shade?"));
    }
    if usual.is_some_and(|usual| q.sharpness * BLURRED < usual) {
        words.push("much less sharp than the others of its kind".into());
    }
    words
}

fn card(root: &Path, card: &Card<'_>) -> Markup {
    let q = card.quality;
    let figure = |f: fn(&ShotQuality) -> f64| q.as_ref().map_or(-1.0, f);
    let name = card.files.first().map_or("", |f| f.path.as_str());
    let scene = card.scene.map_or("no scene", Name::as_str);
    let subject = card.subject.map_or_else(String::new, |s| s.to_string());
    html! {
        figure class=(if card.remarks.is_empty() { "shot" } else { "shot odd" })
            data-index=(card.index.unwrap_or(u32::MAX)) data-level=(figure(|q| q.level))
            data-clipped=(figure(|q| q.clipped)) data-sharpness=(figure(|q| q.sharpness))
            data-subject=(if card.index.is_some() { subject.as_str() } else { "unplanned" }) data-scene=(scene)
        {
            @match thumbnail::kept(root, card.files) {
                Some(jpeg) => img src=(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg))) alt=(card.key) loading="lazy" decoding="async";,
                None => div class="none" { "no picture" },
            }
            figcaption {
                @match card.index {
                    Some(index) => b { (index) " " (scene) ", " (subject) },
                    None => b { "unplanned: the body's own button, " (scene) },
                }
                @if let Some(s) = card.settings {
                    div { @if let Some(mm) = s.focal_length_mm { (format!("{:.0} mm, ", mm.get())) }
                        "f/" (s.f_number) ", " (s.shutter) " s, ISO " (s.iso) }
                }
                @if let Some(q) = q {
                    div { "level " (format!("{:.3}", q.level)) ", clipped " (format!("{:.1}", 100.0 * q.clipped)) " %" }
                    div { "sharpness " (format!("{:.5}", q.sharpness)) }
                    @if let Some(darkest) = q.darkest {
                        div { (if subject == "reflection" { "paper " } else { "darkest " }) (format!("{darkest:.3}"))
                            @if let Some(class) = q.class { ", " (class_name(class)) } }
                    }
                    @if let Some(histogram) = &q.histogram { (curves(histogram)) }
                }
                div class="path" { (name) }
                @for words in &card.remarks { div class="remark" { (words) } }
            }
        }
    }
}

fn class_name(class: Light) -> &'static str {
    match class {
        Light::Bright => "bright",
        Light::Dark => "dark",
    }
}

/// Histograms of the three channels, each a line; square roots, so that small counts are seen.
fn curves(histogram: &[[u16; 16]; 3]) -> Markup {
    let most = histogram.iter().flatten().copied().max().unwrap_or(1).max(1);
    let height = |n: u16| 20 - (20.0 * (f64::from(n) / f64::from(most)).sqrt()).round() as i32;
    let points = |counts: &[u16; 16]| {
        let at: Vec<String> = counts.iter().enumerate().map(|(i, n)| format!("{},{}", 4 * i, height(*n))).collect();
        at.join(" ")
    };
    html! {
        svg viewBox="0 0 60 20" preserveAspectRatio="none" {
            @for (counts, colour) in histogram.iter().zip(["#c22", "#292", "#22c"]) {
                // Closed: an open one would hold the next as its child, which nobody draws.
                polyline points=(points(counts)) stroke=(colour) {}
            }
        }
    }
}

fn page(session: &Session, cards: &[Markup], planned: usize, marked: usize) -> Markup {
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
                p { (planned) " shots, " @if cards.len() > planned { (cards.len() - planned) " unplanned, " } (marked) " with remarks. " (camera.manufacturer) " " (camera.model)
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
                        @for subject in ["reflection", "background", "mixture", "unplanned"] { option { (subject) } }
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
svg{display:block;width:100%;height:28px;margin:2px 0}polyline{fill:none;vector-effect:non-scaling-stroke}\
figure{content-visibility:auto;contain-intrinsic-size:auto 330px;margin:0;background:#fff;border:1px solid #ddd;border-radius:4px;overflow:hidden}\
figure.odd{border-color:#c60}img{display:block;width:100%}.none{padding:4rem 1rem;text-align:center;color:#888}\
figcaption{padding:.5rem .7rem;font-size:12px}.path{color:#777;word-break:break-all}.remark{color:#b40;font-weight:600}";

const SCRIPT: &str = "const sheet=document.getElementById('sheet'),by=id=>document.getElementById(id);\
function show(){const key=by('sort').value;const all=[...sheet.children];\
all.sort((a,b)=>a.dataset[key]-b.dataset[key]);\
for(const f of all){const d=f.dataset;f.hidden=(by('scene').value&&d.scene!==by('scene').value)||\
(by('subject').value&&d.subject!==by('subject').value)||(by('odd').checked&&!f.classList.contains('odd'));sheet.append(f)}}\
document.querySelector('form').addEventListener('input',show);";

#[cfg(test)]
mod tests {
    use super::*;

    /// A shot of a scene with a sharpness, and nothing odd about it.
    fn shot(scene: &str, sharpness: f64) -> Shot {
        let settings = json!({ "shutter": "1/60", "f_number": 8, "iso": 100 });
        let quality = json!({ "mean": [0.3, 0.3, 0.3], "level": 0.3, "darkest": 0.1, "clipped": 0, "black": 0,
                              "sharpness": sharpness });
        serde_json::from_value(json!({
            "index": 0, "key": "k", "scene": scene, "place": "indoor", "light": "bright", "subject": "reflection",
            "requested": settings, "read_back": settings, "quality": quality, "files": [], "stored": "now",
        }))
        .unwrap()
    }

    fn said(shots: &[Shot], one: &Shot) -> String {
        remarks(one, usual_sharpness(shots).get(&(&one.scene, one.subject)).copied()).join("; ")
    }

    #[test]
    fn a_blurred_shot_is_marked_beside_its_own_kind_only() {
        let mut shots = vec![shot("hall", 9.0), shot("hall", 8.0), shot("hall", 10.0), shot("hall", 1.0)];
        // Another scene has less to be sharp about, and three shots are too few.
        shots.extend([shot("roof", 0.9), shot("roof", 0.01), shot("roof", 1.0)]);
        let marked: Vec<String> = shots.iter().map(|s| said(&shots, s)).collect();
        let blurred = "much less sharp than the others of its kind";
        assert_eq!(marked, ["", "", "", blurred, "", "", ""]);
    }

    #[test]
    fn clipping_blackness_and_grey_paper_are_marked() {
        let mut odd = shot("hall", 1.0);
        let quality = odd.quality.as_mut().unwrap();
        (quality.clipped, quality.black, quality.darkest) = (0.06, 0.91, Some(0.21));
        odd.disagreements.push("ISO differs".into());
        let paper = "the paper is at level 0.21: is it black, and in the shade?";
        assert_eq!(said(&[], &odd), format!("ISO differs; 6 % clipped; 91 % black; {paper}"));
        odd.subject = Subject::Background;
        assert!(!said(&[], &odd).contains("paper"));
    }
}
