//! What changes about a body and its set, and what changes it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant, SystemTime},
};

use manifests::plan::Subject;

use super::{
    clock,
    codec::Reader,
    codes::{event, prop, rc},
    faults::{Faults, Script},
    lens,
    model::Model,
    properties::{Properties, Value},
    shooting::Target,
    store::Store,
};

/// What is in front of the lens, and how the lens stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set {
    pub(super) scene: String,
    pub(super) subject: Subject,
    pub(super) focal_mm: f64,
    pub(super) focus_m: f64,
}

/// Everything that changes.
pub(super) struct State {
    pub(super) properties: Properties,
    pub(super) store: Store,
    pub(super) set: Set,
    pub(super) script: Script,
    /// Told by operation 90C7.
    pub(super) events: VecDeque<(u16, u32)>,
    /// A client's session is open; every client has another number.
    pub(super) session: Option<u64>,
    pub(super) clients: u64,
    pub(super) exposing: bool,
    /// When the shutter opened for a bulb exposure, and where its picture goes.
    pub(super) bulb: Option<(Instant, Target)>,
    pub(super) live_view: bool,
    /// What the next 90C8 answers once: how the focus drive ended.
    pub(super) outcome: Option<u16>,
    pub(super) battery_flat: bool,
    pub(super) releases: u64,
    /// The body's clock minus the computer's.
    pub(super) clock_ahead: f64,
    /// Faults that wait for the next picture.
    pub(super) truncate_next: bool,
    pub(super) duplicate_next: bool,
    pub(super) swap_next: bool,
}

impl State {
    /// A body that was just switched on, in front of its first scene.
    pub(super) fn new(optics: &super::optics::Optics, store: Store, faults: Faults, model: Model) -> Self {
        let scene = optics.first();
        let mut properties = Properties::new();
        model.strip(&mut properties);
        Self {
            properties,
            store,
            set: Set {
                scene: scene.id.to_string(),
                subject: Subject::Background,
                focal_mm: 35.0,
                focus_m: scene.background.distance_m,
            },
            script: Script::new(faults),
            events: VecDeque::new(),
            session: None,
            clients: 0,
            exposing: false,
            bulb: None,
            live_view: false,
            outcome: None,
            battery_flat: false,
            releases: 0,
            clock_ahead: 0.0,
            truncate_next: false,
            duplicate_next: false,
            swap_next: false,
        }
    }

    pub(super) fn tell(&mut self, code: u16, parameter: u32) {
        self.events.push_back((code, parameter));
        if std::mem::take(&mut self.duplicate_next) {
            self.events.push_back((code, parameter));
        }
    }
    pub(super) fn tell_changed(&mut self, codes: &[u16]) {
        codes.iter().for_each(|c| self.tell(event::PROP_CHANGED, u32::from(*c)));
    }
    /// Turns the mode dial to M or to P, where the body sets the exposure itself and refuses what a client sets.
    pub(super) fn turn_dial(&mut self, manual: bool) {
        self.properties.put(prop::EXPOSURE_PROGRAM, Value::U16(if manual { 1 } else { 2 }));
        self.dial_turned();
    }
    fn dial_turned(&mut self) {
        let manual = self.properties.number(prop::EXPOSURE_PROGRAM) == 1;
        for code in [prop::SHUTTER, prop::EXPOSURE_TIME, prop::F_NUMBER] {
            self.properties.allow(code, manual);
        }
        self.tell_changed(&[prop::EXPOSURE_PROGRAM]);
    }
    pub(super) fn now(&self) -> SystemTime {
        let ahead = Duration::try_from_secs_f64(self.clock_ahead.abs()).unwrap_or_default();
        if self.clock_ahead < 0.0 { SystemTime::now() - ahead } else { SystemTime::now() + ahead }
    }

    /// What a client sets: a response code.
    pub(super) fn set_property(&mut self, code: u32, bytes: &[u8]) -> u16 {
        let Ok(code) = u16::try_from(code) else { return rc::PROPERTY_NOT_SUPPORTED };
        if code == prop::DATE_TIME {
            let Some(time) = Reader(bytes).string().as_deref().and_then(clock::parse_ptp) else {
                return rc::INVALID_VALUE;
            };
            let now = SystemTime::now();
            self.clock_ahead = match time.duration_since(now) {
                Ok(ahead) => ahead.as_secs_f64(),
                Err(behind) => -behind.duration().as_secs_f64(),
            };
            return rc::OK;
        }
        if self.exposing && self.bulb.is_none() {
            return rc::DEVICE_BUSY;
        }
        match self.properties.set(code, bytes) {
            Ok(changed) if changed == [prop::EXPOSURE_PROGRAM] => {
                self.dial_turned();
                rc::OK
            }
            Ok(changed) => {
                self.tell_changed(&changed);
                rc::OK
            }
            Err(refusal) => refusal,
        }
    }

    /// Direction 1 is nearer, 2 farther; the end of the ring is told by the next 90C8.
    pub(super) fn drive_focus(&mut self, direction: u32, steps: u32) -> u16 {
        if !self.live_view {
            return rc::NO_LIVE_VIEW;
        }
        let sign = match direction {
            1 => -1.0,
            2 => 1.0,
            _ => return rc::INVALID_PARAMETER,
        };
        // The motor does not start for less.
        if steps < 5 {
            self.outcome = Some(rc::FOCUS_STEP_TOO_SMALL);
            return rc::OK;
        }
        let (focus_m, ended) = lens::drive_focus(self.set.focus_m, sign * f64::from(steps));
        self.set.focus_m = focus_m;
        self.outcome = ended.then_some(rc::FOCUS_LIMIT);
        rc::OK
    }
}
