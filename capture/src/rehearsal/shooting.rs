//! Releases: from the shutter button to files on the card or in memory, and the events that tell of them.

use std::{
    sync::{Weak, mpsc::Receiver},
    time::{Duration, Instant, SystemTime},
};

use manifests::plan::Subject;

use super::{
    Pace,
    body::Machine,
    codes::{event, prop, rc},
    optics::Settings,
    picture::{self, Quality},
    properties::Value,
    property_table::BULB,
    state::{Set, State},
    store::{self, Picture},
};

/// Mirror and shutter lag, and the image processor's time for a picture.
const LAG: Duration = Duration::from_millis(40);
const PROCESSING: Duration = Duration::from_millis(90);

/// Where a picture goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Card,
    Memory,
}

/// A release on its way to the image processor.
pub(super) struct Exposure {
    opened: Instant,
    taken: SystemTime,
    settings: Settings,
    set: Set,
    quality: Quality,
    target: Target,
    /// The client that may have the picture from memory.
    client: Option<u64>,
    number: u64,
    truncated: bool,
}

/// A JPEG without EXIF, for pictures of the same light.
pub(super) struct Kept {
    set: Set,
    settings: Settings,
    grade: u8,
    jpeg: Vec<u8>,
}

impl Machine {
    /// Presses the shutter: a response code.
    pub(super) fn release(&self, state: &mut State, target: Target) -> u16 {
        if state.battery_flat || state.exposing {
            return rc::DEVICE_BUSY;
        }
        if target == Target::Card && state.store.pictures_left() == 0 {
            state.tell(event::STORE_FULL, store::CARD);
            return rc::STORE_FULL;
        }
        state.exposing = true;
        state.outcome = None;
        let opened = Instant::now();
        let shutter = state.properties.number(prop::SHUTTER);
        if shutter == i64::from(BULB) {
            state.bulb = Some((opened, target));
            return rc::OK;
        }
        let seconds = (shutter >> 16) as f64 / (shutter & 0xFFFF) as f64;
        self.send(state, target, opened, seconds)
    }

    fn send(&self, state: &mut State, target: Target, opened: Instant, seconds: f64) -> u16 {
        state.releases += 1;
        let number = |code| state.properties.number(code);
        let exposure = Exposure {
            opened,
            taken: state.now(),
            settings: Settings {
                seconds,
                f_number: number(prop::F_NUMBER) as f64 / 100.0,
                iso: number(prop::ISO) as f64,
            },
            set: state.set.clone(),
            quality: Quality::of(number(prop::COMPRESSION)),
            target,
            client: state.session,
            number: state.releases,
            truncated: std::mem::take(&mut state.truncate_next),
        };
        match self.processor.send(exposure) {
            Ok(()) => rc::OK,
            Err(_) => {
                state.exposing = false;
                rc::GENERAL_ERROR
            }
        }
    }

    /// Ends a bulb exposure, if one is open.
    pub(super) fn close_bulb(&self, state: &mut State) {
        if let Some((opened, target)) = state.bulb.take() {
            self.send(state, target, opened, opened.elapsed().as_secs_f64());
        }
    }

    /// What operation 90C8 answers: busy, or how the last thing ended.
    pub(super) fn ready(&self, mut state: std::sync::MutexGuard<'_, State>) -> u16 {
        if state.battery_flat && state.exposing {
            return rc::DEVICE_BUSY;
        }
        if state.bulb.is_some() {
            return rc::BULB_OPEN;
        }
        if self.pace == Pace::Fast && state.exposing {
            // Busy costs the client a tenth of a second: better to answer when the picture is there.
            let waited = self.finished.wait_timeout_while(state, Duration::from_secs(1), |s| s.exposing);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        if state.exposing { rc::DEVICE_BUSY } else { state.outcome.take().unwrap_or(rc::OK) }
    }

    /// Focuses on what is in front of the lens, if the lens's switch allows it.
    pub(super) fn autofocus(&self, state: &mut State) -> Result<(), u16> {
        if state.properties.number(prop::FOCUS_MODE) == 1 {
            return Err(rc::INVALID_STATUS);
        }
        let scene = self.optics.scene(&state.set.scene);
        state.set.focus_m = match state.set.subject {
            Subject::Reflection => scene.reflection.distance_m,
            Subject::Background | Subject::Mixture => scene.background.distance_m,
        };
        Ok(())
    }

    /// A live-view frame: Nikon's header of 384 bytes, then a JPEG.
    pub(super) fn live_view_frame(&self, state: std::sync::MutexGuard<'_, State>) -> Result<Vec<u8>, u16> {
        if !state.live_view {
            return Err(rc::NO_LIVE_VIEW);
        }
        let set = state.set.clone();
        let f_number = state.properties.number(prop::F_NUMBER) as f64 / 100.0;
        let seconds = state.properties.number(prop::SHUTTER);
        let iso = state.properties.number(prop::ISO) as f64;
        let number = state.releases;
        drop(state);
        let seconds =
            if seconds == i64::from(BULB) { 1.0 / 60.0 } else { (seconds >> 16) as f64 / (seconds & 0xFFFF) as f64 };
        let settings = Settings { seconds, f_number, iso };
        let frame = self.optics.photograph(&set, &settings, LIVE_VIEW, number);
        let jpeg = picture::bare_jpeg(&frame, 80).ok_or(rc::GENERAL_ERROR)?;
        let mut data = vec![0u8; 384];
        for (i, v) in [LIVE_VIEW.0 as u16, LIVE_VIEW.1 as u16, 6000, 4000].into_iter().enumerate() {
            // Sizes of the frame and of the whole picture, big-endian, as Nikon's header has them.
            data[i * 2..i * 2 + 2].copy_from_slice(&v.to_be_bytes());
        }
        data.extend_from_slice(&jpeg);
        Ok(data)
    }

    fn develop(&self, exposure: &Exposure) -> Vec<Picture> {
        let mut pictures = self.pictures(exposure);
        if exposure.truncated {
            pictures.iter_mut().for_each(|p| p.bytes.truncate(p.bytes.len() / 2));
        }
        pictures
    }

    fn pictures(&self, exposure: &Exposure) -> Vec<Picture> {
        let size = self.optics.size();
        let about = picture::About {
            settings: &exposure.settings,
            focal_mm: exposure.set.focal_mm,
            taken: exposure.taken,
            number: exposure.number,
        };
        let expose = || self.optics.photograph(&exposure.set, &exposure.settings, size, exposure.number);
        if let (Some(kept), Quality { raw: false, jpeg: Some(grade) }) = (&self.kept, exposure.quality) {
            let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let same = |k: &&Kept| k.set == exposure.set && k.settings == exposure.settings && k.grade == grade;
            if !kept.iter().any(|k| same(&k)) {
                let jpeg = picture::bare_jpeg(&expose(), grade).unwrap_or_default();
                kept.push(Kept { set: exposure.set.clone(), settings: exposure.settings, grade, jpeg });
            }
            return kept.iter().find(same).map(|k| picture::with_exif(&k.jpeg, size, &about)).into_iter().collect();
        }
        let raster = expose();
        let mosaic = || self.optics.photograph_raw(&exposure.set, &exposure.settings, size, exposure.number);
        picture::encode(&raster, mosaic, exposure.quality, &about)
    }
}

/// The image processor: develops releases, one after the other, until the body is gone.
pub(super) fn process(machine: &Weak<Machine>, releases: &Receiver<Exposure>) {
    for exposure in releases {
        let Some(machine) = machine.upgrade() else { return };
        let pictures = machine.develop(&exposure);
        if machine.pace == Pace::RealTime {
            let done = Duration::try_from_secs_f64(exposure.settings.seconds).unwrap_or_default() + LAG + PROCESSING;
            std::thread::sleep(done.saturating_sub(exposure.opened.elapsed()));
        }
        let mut state = machine.lock();
        deliver(&mut state, exposure.target, exposure.client, pictures);
        state.exposing = false;
        drop(state);
        machine.finished.notify_all();
    }
}

/// Stores the files of a release and tells of them.
fn deliver(state: &mut State, target: Target, client: Option<u64>, pictures: Vec<Picture>) {
    let swap = std::mem::take(&mut state.swap_next);
    match target {
        Target::Card => match state.store.add_to_card(pictures) {
            Ok(handles) => {
                if swap {
                    state.tell(event::CAPTURE_COMPLETE, 0);
                }
                handles.into_iter().for_each(|h| state.tell(event::OBJECT_ADDED, h));
                if !swap {
                    state.tell(event::CAPTURE_COMPLETE, 0);
                }
                let left = state.store.pictures_left();
                state.properties.put(prop::EXPOSURE_REMAINING, Value::U32(left));
            }
            Err(error) => {
                log::error!("rehearsal camera: the card's folder takes no more: {error}");
                state.tell(event::STORE_FULL, store::CARD);
                state.outcome = Some(rc::STORE_FULL);
            }
        },
        // What was taken for a client that left is lost, as in a real body's memory.
        Target::Memory if client == state.session => {
            if state.store.add_to_memory(pictures) {
                state.tell(event::OBJECT_ADDED_IN_SDRAM, store::MEMORY_HANDLE);
            }
        }
        Target::Memory => {}
    }
}

/// Columns and rows of a live-view frame.
const LIVE_VIEW: (u32, u32) = (640, 424);
