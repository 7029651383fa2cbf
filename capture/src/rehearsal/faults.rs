//! Scripted faults: what goes wrong, at which operation, how often. A YAML file, or values built by a test.

use std::path::Path;

use manifests::{CheckError, Manifest, Seed};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde::{Deserialize, Serialize};

use super::codes::op;

/// `faults.yaml`: everything that will go wrong in a rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// Format version, 1.
    pub version: u32,
    /// Seed of the faults that come by chance.
    #[serde(default = "seed_0")]
    pub seed: Seed,
    /// The faults; where several hit one operation, the first of them happens.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

fn seed_0() -> Seed {
    Seed(0)
}
fn once() -> u32 {
    1
}
/// The longest hang or sleep: longer than anybody waits, and no trouble to a clock.
const MOST_SECONDS: f64 = 1e6;

fn an_hour() -> f64 {
    3600.0
}

impl Default for Faults {
    fn default() -> Self {
        Self { version: 1, seed: Seed(0), faults: Vec::new() }
    }
}

impl Faults {
    /// Reads a file of faults.
    ///
    /// # Errors
    /// A sentence with file, line and column, as for every manifest.
    pub fn read(path: &Path) -> Result<Self, manifests::Error> {
        manifests::read_yaml(path)
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The operation that it happens at.
    pub on: Operation,
    /// What happens.
    #[serde(rename = "do")]
    pub action: Action,
    /// At the how-manieth such operation since the body was switched on, from 1.
    #[serde(default = "once")]
    pub nth: u32,
    /// At how many operations in a row.
    #[serde(default = "once")]
    pub times: u32,
    /// Again after so many such operations, for ever; once only when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u32>,
    /// By chance instead: the probability at each such operation from the `nth` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// How long a hang or a sleep lasts, seconds.
    #[serde(default = "an_hour")]
    pub seconds: f64,
}

impl Fault {
    /// `action` at the `nth` operation of a kind, once.
    pub fn at(on: Operation, nth: u32, action: Action) -> Self {
        Self { on, action, nth, times: 1, every: None, chance: None, seconds: an_hour() }
    }
}

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Whatever the client asks.
    Any,
    /// The session's opening.
    OpenSession,
    /// Asking what the body is.
    DeviceInfo,
    /// Asking for storage and free space.
    Storage,
    /// Listing the card.
    ObjectHandles,
    /// Asking for a file's size and date.
    ObjectInfo,
    /// Downloading a file, whole or in parts.
    Object,
    /// Deleting a file.
    Delete,
    /// Asking for a property's choices.
    DescribeProperty,
    /// Reading a property.
    ReadProperty,
    /// Setting a property.
    SetProperty,
    /// Releasing the shutter.
    Capture,
    /// Asking whether the body is done.
    DeviceReady,
    /// Asking for events.
    Events,
    /// Beginning live view.
    LiveView,
    /// Asking for a live-view frame.
    LiveViewImage,
    /// Moving the focus.
    Focus,
    /// Autofocus.
    Autofocus,
}

impl Operation {
    fn covers(self, code: u16) -> bool {
        match self {
            Self::Any => true,
            Self::OpenSession => code == op::OPEN_SESSION,
            Self::DeviceInfo => code == op::GET_DEVICE_INFO,
            Self::Storage => matches!(code, op::GET_STORAGE_IDS | op::GET_STORAGE_INFO),
            Self::ObjectHandles => matches!(code, op::GET_OBJECT_HANDLES | op::GET_NUM_OBJECTS),
            Self::ObjectInfo => code == op::GET_OBJECT_INFO,
            Self::Object => matches!(code, op::GET_OBJECT | op::GET_PARTIAL_OBJECT),
            Self::Delete => matches!(code, op::DELETE_OBJECT | op::DELETE_SDRAM_IMAGE),
            Self::DescribeProperty => code == op::GET_PROP_DESC,
            Self::ReadProperty => code == op::GET_PROP_VALUE,
            Self::SetProperty => code == op::SET_PROP_VALUE,
            Self::Capture => {
                matches!(code, op::CAPTURE_TO | op::CAPTURE | op::AF_CAPTURE_SDRAM | op::INITIATE_CAPTURE)
            }
            Self::DeviceReady => code == op::DEVICE_READY,
            Self::Events => code == op::CHECK_EVENT,
            Self::LiveView => code == op::START_LIVE_VIEW,
            Self::LiveViewImage => code == op::GET_LIVE_VIEW_IMAGE,
            Self::Focus => code == op::MF_DRIVE,
            Self::Autofocus => code == op::AF_DRIVE,
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The body answers that it is busy and does nothing.
    Busy,
    /// The body answers a general error and does nothing.
    GeneralError,
    /// The body refuses the value.
    Refuse,
    /// The body does it, but answers only `seconds` later.
    Hang,
    /// The cable falls out before the body has the request.
    DropBefore,
    /// The cable falls out in the middle of the data, or of the answer where there are none.
    DropDuring,
    /// The cable falls out after the data, before the response.
    DropAfter,
    /// Half of the file: on the card at a capture, in transfer at a download.
    Truncate,
    /// The card is full from here on.
    CardFull,
    /// The battery is flat: the body answers busy to every release until it gets another one.
    LowBattery,
    /// Someone turned the mode dial away from M.
    WrongDial,
    /// Someone presses the body's own shutter button.
    PressShutter,
    /// The body goes to sleep instead of answering: it drops the connection and takes none for `seconds`.
    Sleep,
    /// Instead of an answer, packets that are none: of impossible length, kind or order.
    Malformed,
    /// The next event arrives twice.
    DuplicateEvent,
    /// The next picture's completion is told before the picture itself.
    SwapEvents,
}

impl Manifest for Faults {
    const KIND: &'static str = "faults file";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        for (i, fault) in self.faults.iter().enumerate() {
            let fail = |key: &str, message: &str| Err(CheckError::new(format!("faults[{i}].{key}"), message));
            if fault.nth == 0 {
                return fail("nth", "counts from 1");
            }
            if fault.times == 0 {
                return fail("times", "must be at least 1");
            }
            if fault.every.is_some_and(|n| n < fault.times) {
                return fail("every", "must be at least `times`");
            }
            if fault.chance.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
                return fail("chance", "must be from 0 to 1");
            }
            if !(0.0..=MOST_SECONDS).contains(&fault.seconds) {
                return fail("seconds", "must be from 0 to 1000000");
            }
        }
        Ok(())
    }
}

/// When the connection falls, relative to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    During,
    After,
}

/// A fault of the connection, carried out by the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WireFault {
    Hang { seconds: f64 },
    Sleep { seconds: f64 },
    Malformed,
    Drop(Moment),
}

/// The script while it runs.
pub(super) struct Script {
    rules: Vec<(Fault, u32)>,
    chance: ChaCha8Rng,
}

impl Script {
    pub(super) fn new(faults: Faults) -> Self {
        let rules = faults.faults.into_iter().map(|f| (f, 0)).collect();
        Self { rules, chance: ChaCha8Rng::seed_from_u64(faults.seed.0) }
    }

    /// Counts an operation and answers the fault that hits it.
    pub(super) fn next(&mut self, code: u16) -> Option<Fault> {
        let mut hit = None;
        for (fault, seen) in self.rules.iter_mut().filter(|(f, _)| f.on.covers(code)) {
            *seen += 1;
            if *seen < fault.nth {
                continue;
            }
            let since = *seen - fault.nth;
            let now = match (fault.chance, fault.every) {
                (Some(p), _) => f64::from(self.chance.next_u32()) < p * f64::from(u32::MAX),
                (None, Some(every)) => since % every < fault.times,
                (None, None) => since < fault.times,
            };
            if now && hit.is_none() {
                hit = Some(fault.clone());
            }
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(fault: Fault, operations: u32) -> Vec<u32> {
        let mut script = Script::new(Faults { faults: vec![fault], ..Faults::default() });
        (1..=operations).filter(|_| script.next(op::GET_OBJECT).is_some()).collect()
    }

    #[test]
    fn faults_come_when_the_script_says() {
        let fault = Fault { times: 2, ..Fault::at(Operation::Object, 3, Action::Busy) };
        assert_eq!(hits(fault.clone(), 9), [3, 4]);
        assert_eq!(hits(Fault { every: Some(4), ..fault.clone() }, 9), [3, 4, 7, 8]);
        assert_eq!(hits(Fault { on: Operation::Capture, ..fault.clone() }, 9), [0; 0]);
        let often = hits(Fault { nth: 1, chance: Some(0.2), ..fault }, 1000).len();
        assert!((150..250).contains(&often), "{often}");
    }

    #[test]
    fn a_file_is_read_strictly() {
        let parse = |text: &str| manifests::io::parse_yaml::<Faults>(text, Path::new("faults.yaml"));
        let good = "version: 1\nfaults:\n- on: capture\n  do: drop-after\n  nth: 3\n";
        assert_eq!(parse(good).unwrap().faults[0], Fault::at(Operation::Capture, 3, Action::DropAfter));
        let error = parse("version: 1\nfaults:\n- on: capture\n  do: hang\n  nth: 0\n").unwrap_err().to_string();
        assert!(error.contains("faults.yaml:5"), "{error}");
        assert!(parse("version: 1\nfaults:\n- on: capture\n  do: dropp\n").is_err());
        for seconds in ["-1", "1e19", ".inf", ".nan"] {
            let error = parse(&format!("version: 1\nfaults:\n- on: capture\n  do: hang\n  seconds: {seconds}\n"));
            let error = error.unwrap_err().to_string();
            assert_eq!(error, "faults.yaml:5:12: faults[0].seconds: must be from 0 to 1000000");
        }
    }
}
