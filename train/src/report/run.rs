//! A training run: scores, pictures before and after, curves, configuration and command.

use std::path::{Path, PathBuf};

use candle_core::Device;
use manifests::{
    dataset::Split,
    run::{METRICS_FILE, RUN_FILE, Record, Run, TrainRecord},
};
use maud::{Markup, html};

use super::{
    Section,
    activations::maps,
    curve::{Axes, Line, chart},
    gradients::gradients,
    page::figures,
    scenes::{best_and_worst, rows},
    scores::table,
};
use crate::{
    Error,
    checkpoint::{self, BEST, CHECKPOINTS},
    data::Sources,
    eval::{How, Known, Scored},
    fit::folder::ENVIRONMENT_FILE,
    metrics::{Profile, Rescale},
    net::Corrn,
};

/// Samples of the run's own data that are scored for the page; of a folder all are.
const SCORED: usize = 200;
/// Pictures shown, of the best and of the worst.
const EACH: usize = 3;

/// A run with the scores of its best checkpoint.
pub(super) struct Fitted {
    pub(super) folder: PathBuf,
    pub(super) run: Run,
    pub(super) records: Vec<Record>,
    pub(super) best: Option<Best>,
}

/// The best checkpoint and what it was scored on.
pub(super) struct Best {
    net: Corrn,
    known: Known,
    pub(super) scored: Scored,
}

impl Fitted {
    /// Reads a run and scores its best checkpoint, if it has one already.
    ///
    /// # Errors
    /// Files that are not valid, pictures that cannot be read.
    pub(super) fn open(folder: &Path, data: Option<(&Path, Split)>, profile: Profile) -> Result<Self, Error> {
        let run: Run = manifests::read_yaml(&folder.join(RUN_FILE))?;
        let records: Vec<Record> = manifests::read_log(&folder.join(METRICS_FILE))?.rows;
        let best = folder.join(CHECKPOINTS).join(BEST);
        let best = if best.is_file() { Some(Best::of(&run, &best, data, profile)?) } else { None };
        Ok(Self { folder: folder.to_path_buf(), run, records, best })
    }

    /// Mean images a second over the records.
    pub(super) fn images_per_s(&self) -> f64 {
        let speed: Vec<f64> = self.records.iter().filter_map(|r| Some(r.train.as_ref()?.images_per_s)).collect();
        // Of no record the sum is -0.
        (speed.iter().sum::<f64>() + 0.0) / speed.len().max(1) as f64
    }

    /// Seconds of training, over all resumptions.
    pub(super) fn seconds(&self) -> f64 {
        self.records.last().map_or(0.0, |r| r.seconds)
    }

    /// Its part of the page.
    ///
    /// # Errors
    /// Pictures that cannot be read any more.
    pub(super) fn section(&self, profile: Profile) -> Result<Section, Error> {
        let Self { folder, run, records, best } = self;
        let last = records.last();
        let pictures = best.as_ref().map(|best| best.pictures(profile)).transpose()?;
        let configuration = std::fs::read_to_string(folder.join(RUN_FILE)).map_err(Error::io(folder, "read"))?;
        let body = html! {
            (figures(&[
                ("steps", last.map_or(0, |r| r.step).to_string()),
                ("epochs", last.map_or(0, |r| r.epoch + 1).to_string()),
                ("training time", duration(self.seconds())),
                ("images/s", format!("{:.1}", self.images_per_s())),
                ("width", run.model.width.to_string()),
                ("batch", run.schedule.batch.to_string()),
            ]))
            @if let Some(best) = best {
                h3 { "Scores on " (best.known.title()) }
                (table(&best.scored, profile))
            }
            @if let Some(pictures) = &pictures { (pictures) }
            h3 { "Curves" }
            div.pair {
                (loss(records)) (terms(records))
                (validation(records, "validation SSIM", |s| s.ssim)) (validation(records, "validation PSNR, dB", |s| s.psnr))
                (speed(records)) (memory(records))
            }
            h3 { "Reproduce" }
            pre { (command(folder)) }
            details { summary { "Configuration" } pre { (configuration) } }
        };
        Ok(Section { kind: "run", title: run.name.to_string(), body })
    }
}

impl Best {
    /// On the folder that was given, else on the test split, or where there is none on the validation split.
    fn of(run: &Run, best: &Path, data: Option<(&Path, Split)>, profile: Profile) -> Result<Self, Error> {
        let known = match data {
            Some((data, split)) => Known::at(data, split)?,
            None => {
                let sources = Sources::open(&run.data, None)?;
                let (split, samples) = match sources.split(Split::Test) {
                    Ok(samples) => (Split::Test, samples),
                    Err(_) => (Split::Validation, sources.split(Split::Validation)?),
                };
                Known::Samples(samples.first(SCORED), split)
            }
        };
        let net = checkpoint::network(best, &Device::Cpu)?;
        let how = How { profile, rescale: Rescale::No, region: None };
        let scored = Scored::of(Some(&net), &known, how, &Device::Cpu)?;
        Ok(Self { net, known, scored })
    }

    fn pictures(&self, profile: Profile) -> Result<Markup, Error> {
        let (net, known, scored, device) = (&self.net, &self.known, &self.scored, &Device::Cpu);
        let rows = rows(net, known, scored, profile, &best_and_worst(scored, EACH), device)?;
        let maps = maps(net, known, profile, &best_and_worst(scored, 1), device)?;
        Ok(html! {
            h3 { "Best and worst" }
            (rows)
            h3 { "Gradients" }
            (gradients(&scored.gradients, "network"))
            details { summary { "Activations of the encoder" } (maps) }
        })
    }
}

/// (step, value) of the records that have one.
pub(super) fn series(records: &[Record], of: impl Fn(&Record) -> Option<f64>) -> Vec<(f64, f64)> {
    records.iter().filter_map(|r| Some((r.step as f64, of(r)?))).collect()
}

fn loss(records: &[Record]) -> Markup {
    let points = series(records, |r| Some(r.train.as_ref()?.loss));
    chart("training loss", Axes::STEPS, &[Line { name: "loss".into(), colour: 0, points }])
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
    chart("its terms, unweighted", Axes::STEPS, &lines)
}

fn validation(records: &[Record], title: &str, of: fn(&manifests::run::Scores) -> f64) -> Markup {
    let output = Line { name: "network".into(), colour: 0, points: series(records, |r| r.validation.as_ref().map(of)) };
    let points = series(records, |r| r.validation_input.as_ref().map(of));
    chart(title, Axes::STEPS, &[output, Line { name: "input".into(), colour: 6, points }])
}

fn speed(records: &[Record]) -> Markup {
    let points = series(records, |r| Some(r.train.as_ref()?.images_per_s));
    chart("images a second", Axes::STEPS, &[Line { name: "images/s".into(), colour: 0, points }])
}

fn memory(records: &[Record]) -> Markup {
    let points = series(records, |r| Some(r.train.as_ref()?.memory_mib? / 1024.0));
    chart("memory, GiB", Axes::STEPS, &[Line { name: "memory".into(), colour: 0, points }])
}

/// The command that the run was last started with.
pub(super) fn command(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join(ENVIRONMENT_FILE)).unwrap_or_default();
    let environment: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let words = environment["command"].as_array().map_or(&[][..], Vec::as_slice);
    let quoted = |w: &str| if w.contains([' ', '*', '[', '$']) { format!("'{w}'") } else { w.to_owned() };
    let words: Vec<String> = words.iter().filter_map(|w| w.as_str()).map(quoted).collect();
    if words.is_empty() { format!("train fit {} --out DIR", folder.join(RUN_FILE).display()) } else { words.join(" ") }
}

pub(super) fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}
