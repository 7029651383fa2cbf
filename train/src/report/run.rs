//! A training run: curves, scores of input and output, pictures before and after, configuration and command.

use std::path::Path;

use candle_core::Device;
use image::RgbImage;
use manifests::{
    dataset::Split,
    run::{METRICS_FILE, RUN_FILE, Record, Run, TrainRecord},
};
use maud::{Markup, html};

use super::{
    Section,
    curve::{Line, chart},
    page::{figure, figures},
    picture,
};
use crate::{
    Error, checkpoint,
    data::{Layers, Sources},
    eval,
    fit::folder::ENVIRONMENT_FILE,
    metrics::{FIGURES, Mean, Profile, Score},
};

/// Samples scored for the page.
const SCORED: usize = 200;
/// Samples shown before and after.
const SHOWN: usize = 5;

pub(super) fn section(folder: &Path) -> Result<Section, Error> {
    let run: Run = manifests::read_yaml(&folder.join(RUN_FILE))?;
    let records: Vec<Record> = manifests::read_log(&folder.join(METRICS_FILE))?.rows;
    let last = records.last();
    let speed: Vec<f64> = records.iter().filter_map(|r| Some(r.train.as_ref()?.images_per_s)).collect();
    let best = checkpoint::named(folder);
    let scored = if best.is_file() { Some(Scored::of(&run, &best)?) } else { None };
    let configuration = std::fs::read_to_string(folder.join(RUN_FILE)).map_err(Error::io(folder, "read"))?;
    let body = html! {
        (figures(&[
            ("steps", last.map_or(0, |r| r.step).to_string()),
            ("epochs", last.map_or(0, |r| r.epoch + 1).to_string()),
            ("training time", duration(last.map_or(0.0, |r| r.seconds))),
            ("images/s", format!("{:.1}", speed.iter().sum::<f64>() / speed.len().max(1) as f64)),
            ("width", run.model.width.to_string()),
            ("batch", run.schedule.batch.to_string()),
        ]))
        @if let Some(scored) = &scored {
            h3 { "Scores on " (scored.n()) " " (scored.split) " samples" }
            (scored.table())
            h3 { "Before and after" }
            (scored.pictures()?)
        }
        h3 { "Curves" }
        div.pair { (loss(&records)) (terms(&records)) (validation(&records, "validation SSIM", |s| s.ssim)) (validation(&records, "validation PSNR, dB", |s| s.psnr)) }
        h3 { "Reproduce" }
        pre { (command(folder)) }
        details { summary { "Configuration" } pre { (configuration) } }
    };
    Ok(Section { kind: "run", title: run.name.to_string(), body })
}

/// A sample with what the network made of it.
struct Scene {
    mixture: RgbImage,
    found: RgbImage,
    truth: RgbImage,
    reflection: RgbImage,
    input: Score,
    output: Score,
}

/// The best checkpoint on a split.
struct Scored {
    split: Split,
    scenes: Vec<Scene>,
}

impl Scored {
    /// On the test split, or where there is none on the validation split.
    fn of(run: &Run, best: &Path) -> Result<Self, Error> {
        let sources = Sources::open(&run.data, None)?;
        let (split, samples) = match sources.split(Split::Test) {
            Ok(samples) => (Split::Test, samples),
            Err(_) => (Split::Validation, sources.split(Split::Validation)?),
        };
        let net = checkpoint::network(best, &Device::Cpu)?;
        let scene = |i: usize| -> Result<Scene, Error> {
            let Layers { mixture, background: truth, .. } = samples.read(i)?;
            let (found, reflection) = eval::separate(&net, &mixture, &Device::Cpu)?;
            let profile = Profile::Corrn;
            let score = |p: &RgbImage| profile.score(&profile.resize(p), &profile.resize(&truth), None);
            let (input, output) = (score(&mixture), score(&found));
            Ok(Scene { mixture, found, truth, reflection, input, output })
        };
        Ok(Self { split, scenes: (0..samples.len().min(SCORED)).map(scene).collect::<Result<_, _>>()? })
    }

    fn n(&self) -> usize {
        self.scenes.len()
    }

    fn table(&self) -> Markup {
        let mean = |of: fn(&Scene) -> Score| Mean::of(&self.scenes.iter().map(of).collect::<Vec<_>>());
        let (Some(input), Some(output)) = (mean(|s| s.input), mean(|s| s.output)) else { return html! {} };
        let rows = FIGURES.iter().filter(|f| (f.of)(&input.score).is_some());
        let rows = rows.map(|f| (f.title, (f.of)(&input.score), (f.of)(&output.score), f.digits));
        let figure = |v: Option<f64>, digits: usize| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"));
        html! {
            div.scroll { table {
                tr { th { "profile " (Profile::Corrn) " (224x288)" } th { "unprocessed input" } th { "network" } th { "difference" } }
                @for (name, input, output, digits) in rows {
                    @let gain = output.zip(input).map(|(o, i)| o - i);
                    @let class = if gain.is_some_and(|g| g < 0.0) { "down" } else { "up" };
                    tr {
                        td { (name) } td { (figure(input, digits)) } td { (figure(output, digits)) }
                        td class=(class) { (gain.map_or_else(|| "-".to_owned(), |g| format!("{g:+.digits$}"))) }
                    }
                }
            } }
        }
    }

    /// From the largest gain in SSIM to the largest loss.
    fn pictures(&self) -> Result<Markup, Error> {
        let mut order: Vec<&Scene> = self.scenes.iter().collect();
        let gain = |s: &Scene| s.output.ssim - s.input.ssim;
        order.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
        let n = order.len().min(SHOWN);
        let spread = (0..n).map(|i| order[if n > 1 { i * (order.len() - 1) / (n - 1) } else { 0 }]);
        let row = |s: &Scene| -> Result<Markup, Error> {
            let score = |s: &Score| {
                let psnr = s.psnr.map_or_else(|| "infinite".to_owned(), |v| format!("{v:.2} dB"));
                format!(" SSIM {:.3}, PSNR {psnr}", s.ssim)
            };
            Ok(html! {
                div.row.four {
                    (figure(&picture::png(&s.mixture)?, "mixture", html! { b { "I" } (score(&s.input)) }))
                    (figure(&picture::png(&s.found)?, "the network's background", html! { b { "B, network" } (score(&s.output)) }))
                    (figure(&picture::png(&s.truth)?, "the true background", html! { b { "B, truth" } }))
                    (figure(&picture::png(&s.reflection)?, "the network's reflection", html! { b { "R, network" } }))
                }
            })
        };
        let rows: Vec<Markup> = spread.map(row).collect::<Result<_, _>>()?;
        Ok(html! {
            p { "Spread over all scored samples, from the largest gain in SSIM to the smallest." }
            @for row in &rows { (row) }
        })
    }
}

/// (step, value) of the records that have one.
fn series(records: &[Record], of: impl Fn(&Record) -> Option<f64>) -> Vec<(f64, f64)> {
    records.iter().filter_map(|r| Some((r.step as f64, of(r)?))).collect()
}

fn loss(records: &[Record]) -> Markup {
    let points = series(records, |r| Some(r.train.as_ref()?.loss));
    chart("training loss", &[Line { name: "loss".into(), colour: 0, points }])
}

/// A term of a training record.
type Term = fn(&TrainRecord) -> Option<f64>;

fn terms(records: &[Record]) -> Markup {
    let all: [(&str, Term); 6] = [
        ("1-SSIM(B)", |t| t.ssim_b),
        ("SL(B)", |t| t.statistic_b),
        ("L1(B)", |t| t.l1_b),
        ("1-SSIM(R)", |t| t.ssim_r),
        ("SL(R)", |t| t.statistic_r),
        ("1-SI(grad B)", |t| t.si_gradient),
    ];
    let lines: Vec<Line> = all
        .iter()
        .enumerate()
        .map(|(colour, (name, of))| Line {
            name: (*name).into(),
            colour,
            points: series(records, |r| of(r.train.as_ref()?)),
        })
        .collect();
    chart("its terms, unweighted", &lines)
}

fn validation(records: &[Record], title: &str, of: fn(&manifests::run::Scores) -> f64) -> Markup {
    let output = Line { name: "network".into(), colour: 0, points: series(records, |r| r.validation.as_ref().map(of)) };
    let points = series(records, |r| r.validation_input.as_ref().map(of));
    chart(title, &[output, Line { name: "input".into(), colour: 6, points }])
}

/// The command that the run was last started with.
fn command(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join(ENVIRONMENT_FILE)).unwrap_or_default();
    let environment: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let words = environment["command"].as_array().map_or(&[][..], Vec::as_slice);
    let quoted = |w: &str| if w.contains([' ', '*', '[', '$']) { format!("'{w}'") } else { w.to_owned() };
    let words: Vec<String> = words.iter().filter_map(|w| w.as_str()).map(quoted).collect();
    if words.is_empty() { format!("train fit {} --out DIR", folder.join(RUN_FILE).display()) } else { words.join(" ") }
}

fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}
