//! The list of shots of a plan: the product (or zip) of its sweeps, in the order that spares the operator.

mod allowed;
mod stops;

use std::{cmp::Ordering, collections::HashMap, fmt};

use manifests::{
    FNumber, FocalLength, Name, Shutter,
    plan::{Combine, Field, Light, Piece, Place, Plan, Quality, Scene, Subject, Sweep},
    session::Settings,
};

pub use allowed::check;
pub(crate) use stops::Metered;

/// One photograph that a plan asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedShot {
    /// Place in the list, from 0.
    pub index: u32,
    /// Identifies the shot whatever the order: scene, subject, settings and repeat.
    pub key: String,
    /// Place of the scene in [`Plan::scenes`].
    pub scene: usize,
    /// What stands in front of the lens.
    pub subject: Subject,
    /// The settings asked for; with `metered`, the shutter speed is not known yet and a placeholder.
    pub settings: Settings,
    /// Stops from the shutter speed that is metered in the setup.
    pub metered: Option<f64>,
    /// Which of the repeats, from 1.
    pub repeat: u32,
    /// Where the plan asks for it, for messages.
    origin: Origin,
}

/// Places in a plan's lists that a shot came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Origin {
    sweep: usize,
    shutter: usize,
    f_number: usize,
    iso: usize,
    focal_length: usize,
    focus: usize,
    /// Whether `shutter` is a place in the sweep's stops.
    by_stops: bool,
}

/// What the operator must have set up for a shot: where, what is in front of the lens, and the zoom.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Scene id.
    pub scene: Name,
    /// What stands in front of the lens.
    pub subject: Subject,
    /// Focal length in millimetres; none leaves the zoom alone.
    pub focal_length: Option<FocalLength>,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.scene, self.subject)?;
        self.focal_length.map_or(Ok(()), |mm| write!(f, ", {mm} mm"))
    }
}

impl PlannedShot {
    /// What the operator must have set up.
    pub fn setup(&self, plan: &Plan) -> Setup {
        Setup { scene: self.scene(plan).id.clone(), subject: self.subject, focal_length: self.settings.focal_length_mm }
    }

    /// The scene.
    pub fn scene<'a>(&self, plan: &'a Plan) -> &'a Scene {
        &plan.scenes[self.scene]
    }

    /// The shot at the metered exposure itself.
    pub(crate) fn unstepped(&self) -> Self {
        Self { metered: Some(0.0), ..self.clone() }
    }

    /// Where the photograph is stored below the session's folder, without the extension.
    pub fn stem(&self, plan: &Plan) -> String {
        let (scene, s) = (self.scene(plan), &self.settings);
        let repeat = if self.repeat > 1 { format!("_r{}", self.repeat) } else { String::new() };
        let field = |field: &Field| match field {
            Field::Scene => scene.id.to_string(),
            Field::Place => match scene.place {
                Place::Indoor => "indoor".into(),
                Place::Outdoor => "outdoor".into(),
            },
            Field::Light => match scene.light {
                Light::Bright => "bright".into(),
                Light::Dark => "dark".into(),
            },
            Field::Subject => self.subject.to_string(),
            Field::Index => format!("{:04}", self.index),
            Field::Settings => settings_name(s, self.metered) + &repeat,
            Field::FocalLength => s.focal_length_mm.map_or("zoom".into(), |mm| format!("{mm}mm")),
            Field::FNumber => s.f_number.to_string(),
            Field::Shutter => shutter_name(s, self.metered),
            Field::Iso => s.iso.to_string(),
            Field::Focus => format!("{:+}", s.focus.unwrap_or(0)),
            Field::Repeat => self.repeat.to_string(),
        };
        let pieces = plan.naming.pieces().iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(named) => field(named),
        });
        format!("shots/{}", pieces.collect::<String>())
    }
}

/// Settings as part of a file name: `35mm_f8_1-60_iso100`, with motor steps `35mm_focus+40_f8_1-60_iso100`.
fn settings_name(s: &Settings, metered: Option<f64>) -> String {
    let zoom = s.focal_length_mm.map(|mm| format!("{mm}mm_")).unwrap_or_default();
    let focus = s.focus.map(|steps| format!("focus{steps:+}_")).unwrap_or_default();
    format!("{zoom}{focus}f{}_{}_iso{}", s.f_number, shutter_name(s, metered), s.iso)
}

/// `1-60`, or `metered+1` where the plan gives stops and no speed.
fn shutter_name(s: &Settings, metered: Option<f64>) -> String {
    metered.map_or_else(|| s.shutter.to_string().replace('/', "-"), |stops| format!("metered{stops:+}"))
}

/// Lists a plan's shots in shooting order, each once: what two sweeps both ask for is one shot.
///
/// Scenes come in the plan's order. Within a scene the paper changes least often (glass with paper, glass alone, no
/// glass), then the zoom, which goes up for one subject and down for the next; the focus motor, f-number, ISO, shutter
/// speed and repeats cost no walk.
pub fn list(plan: &Plan) -> Vec<PlannedShot> {
    let mut seen = HashMap::new();
    let mut shots: Vec<PlannedShot> = Vec::new();
    for (i, sweep) in plan.sweeps.iter().enumerate() {
        let scenes =
            (0..plan.scenes.len()).filter(|s| sweep.scenes.is_empty() || sweep.scenes.contains(&plan.scenes[*s].id));
        for scene in scenes {
            for origin in combinations(sweep, i) {
                let (settings, metered) = settings(sweep, origin);
                for repeat in 1..=sweep.repeats {
                    let id = &plan.scenes[scene].id;
                    let key = format!("{id}/{}/{}/{repeat}", sweep.subject, settings_name(&settings, metered));
                    if seen.insert(key.clone(), ()).is_none() {
                        shots.push(PlannedShot {
                            index: 0,
                            key,
                            scene,
                            subject: sweep.subject,
                            settings,
                            metered,
                            repeat,
                            origin,
                        });
                    }
                }
            }
        }
    }
    sort(&mut shots);
    shots
}

fn combinations(sweep: &Sweep, i: usize) -> Vec<Origin> {
    // No focal length means one pass with the zoom as it is.
    let (zooms, focus) = (sweep.focal_length_mm.len().max(1), sweep.focus.len().max(1));
    let lens = [sweep.exposures(), sweep.f_number.len(), sweep.iso.len(), zooms, focus];
    let by_stops = sweep.stops.is_some();
    let origin = |[shutter, f_number, iso, focal_length, focus]: [usize; 5]| Origin {
        sweep: i,
        shutter,
        f_number,
        iso,
        focal_length,
        focus,
        by_stops,
    };
    match sweep.combine {
        Combine::Zip => {
            let longest = lens.iter().copied().max().unwrap_or(0);
            (0..longest).map(|k| origin(lens.map(|n| if n == 1 { 0 } else { k }))).collect()
        }
        Combine::Product => {
            let total: usize = lens.iter().product();
            (0..total)
                .map(|mut k| {
                    origin(lens.map(|n| {
                        let place = k % n;
                        k /= n;
                        place
                    }))
                })
                .collect()
        }
    }
}

/// The settings of a place in a sweep's lists, and the stops from a metered shutter speed.
fn settings(sweep: &Sweep, at: Origin) -> (Settings, Option<f64>) {
    let (shutter, metered) = match &sweep.stops {
        None => (sweep.shutter[at.shutter], None),
        Some(stops) => {
            let step = stops.steps[at.shutter];
            let around = stops.around.unwrap_or(stops::PLACEHOLDER);
            (stops::nearest(around.seconds() * step.exp2()), stops.around.is_none().then_some(step))
        }
    };
    let settings = Settings {
        shutter,
        f_number: sweep.f_number[at.f_number],
        iso: sweep.iso[at.iso],
        focal_length_mm: sweep.focal_length_mm.get(at.focal_length).copied(),
        focus: sweep.focus.get(at.focus).copied(),
    };
    (settings, metered)
}

fn sort(shots: &mut [PlannedShot]) {
    let paper = |s: Subject| match s {
        Subject::Reflection => 0,
        Subject::Mixture => 1,
        Subject::Background => 2,
    };
    let mm = |s: &PlannedShot| s.settings.focal_length_mm.map_or(0.0, FocalLength::get);
    let settings = |a: &PlannedShot, b: &PlannedShot| {
        (a.settings.focus.cmp(&b.settings.focus))
            .then(a.settings.f_number.get().total_cmp(&b.settings.f_number.get()))
            .then(a.settings.iso.cmp(&b.settings.iso))
            .then(a.settings.shutter.seconds().total_cmp(&b.settings.shutter.seconds()))
            .then(a.repeat.cmp(&b.repeat))
    };
    shots.sort_by(|a, b| {
        (a.scene.cmp(&b.scene))
            .then(paper(a.subject).cmp(&paper(b.subject)))
            .then(mm(a).total_cmp(&mm(b)))
            .then_with(|| settings(a, b))
    });
    // The zoom ends one subject where it starts the next.
    let mut zoom = 0.0;
    for group in shots.chunk_by_mut(|a, b| a.scene == b.scene && a.subject == b.subject) {
        let (low, high) = (group.first().map_or(0.0, mm), group.last().map_or(0.0, mm));
        if (zoom - high).abs() < (zoom - low).abs() {
            group.sort_by(|a, b| mm(b).total_cmp(&mm(a)).then_with(|| settings(a, b)));
        }
        zoom = group.last().map_or(zoom, mm);
    }
    for (i, shot) in (0..).zip(shots) {
        shot.index = i;
    }
}

/// Time and space that shots take.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// Photographs.
    pub shots: usize,
    /// Times that the operator is called.
    pub prompts: usize,
    /// Seconds, the operator's own not counted.
    pub seconds: f64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// Seconds for setting, storing and transferring a photograph over USB, beside its exposure.
const OVERHEAD_SECONDS: f64 = 0.6;

/// Estimates time and space; `bytes_each` is the camera's own figure for one photograph where it has one.
pub fn estimate(plan: &Plan, shots: &[&PlannedShot], bytes_each: Option<u64>) -> Estimate {
    let exposures: f64 = shots.iter().map(|s| s.settings.shutter.seconds() + OVERHEAD_SECONDS).sum();
    let each = bytes_each.unwrap_or_else(|| typical_bytes(plan.camera.quality));
    let prompts = shots.chunk_by(|a, b| a.setup(plan) == b.setup(plan)).count();
    Estimate {
        shots: shots.len(),
        prompts,
        seconds: exposures + prompts as f64 * plan.camera.settle_seconds,
        bytes: each * shots.len() as u64,
    }
}

/// Bytes of one photograph of 24 megapixels, rounded up from what such bodies write of detailed scenes.
fn typical_bytes(quality: Quality) -> u64 {
    match quality {
        Quality::JpegBasic => 4_000_000,
        Quality::JpegNormal => 8_000_000,
        Quality::JpegFine => 14_000_000,
        Quality::Nef => 24_000_000,
        Quality::NefJpegFine => 38_000_000,
    }
}

/// Whether two shutter speeds are the same duration: the body's `10/25` is a plan's `2/5`.
pub fn same_shutter(a: Shutter, b: Shutter) -> bool {
    u64::from(a.numerator) * u64::from(b.denominator) == u64::from(b.numerator) * u64::from(a.denominator)
}

/// Whether two f-numbers are the same stop; bodies store hundredths, EXIF tenths.
pub fn same_f_number(a: FNumber, b: FNumber) -> bool {
    (a.get() / b.get()).log2().abs() < 0.03
}

/// Whether the zoom stands where the plan wants it: within 3 % or 1 mm, as lenses report encoder steps.
pub fn same_focal_length(a: FocalLength, b: FocalLength) -> bool {
    (a.get() - b.get()).abs() <= (0.03 * a.get()).max(1.0)
}

/// The value nearest to `wanted` on a logarithmic scale, as exposures are compared.
fn nearest<T: Copy>(wanted: f64, choices: &[T], value: impl Fn(T) -> f64) -> Option<T> {
    let stops = |c: T| (value(c) / wanted).log2().abs();
    choices.iter().copied().min_by(|a, b| stops(*a).partial_cmp(&stops(*b)).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests;
