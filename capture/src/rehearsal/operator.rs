//! What a person's hands do at the set.

use std::sync::Arc;

use manifests::plan::{Light, Place, Scene, Subject};

use super::{
    body::Machine,
    codes::{event, prop},
    lens,
    properties::Value,
    ptpip::Server,
    shooting::Target,
};

/// A handle on the set and the body's own buttons: clone it and use it from any thread.
#[derive(Clone)]
pub struct Operator {
    machine: Arc<Machine>,
    server: Arc<Server>,
}

impl Operator {
    pub(super) fn new(machine: Arc<Machine>, server: Arc<Server>) -> Self {
        Self { machine, server }
    }

    /// Carries tripod and glass to a scene, and focuses on what is behind the glass. A scene that is in no scene file
    /// is made up from its id: the same id always gives the same scene.
    pub fn set_scene(&self, id: &str) {
        let scene = self.machine.optics.scene(id);
        let mut state = self.machine.lock();
        state.set.scene = id.to_owned();
        state.set.focus_m = scene.background.distance_m.max(lens::CLOSEST_FOCUS_M);
    }

    /// As [`Operator::set_scene`], and lights the scene as the plan describes it where the scene is made up.
    pub fn set_planned_scene(&self, planned: &Scene) {
        let id = planned.id.as_str();
        if !self.machine.optics.lists(id) {
            let mut scene = self.machine.optics.scene(id);
            scene.relight(planned.light);
            if planned.place == Place::Outdoor && planned.light == Light::Bright {
                scene.reflection.luminance *= 1.3;
            }
            self.machine.optics.put_scene(scene);
        }
        self.set_scene(id);
    }

    /// Hangs the black paper behind the glass, takes glass and paper away, or leaves the glass alone.
    pub fn set_subject(&self, subject: Subject) {
        self.machine.lock().set.subject = subject;
    }

    /// What stands in front of the lens.
    pub fn subject(&self) -> Subject {
        self.machine.lock().set.subject
    }

    /// Turns the zoom ring, which ends at 18 and 55 mm.
    pub fn set_focal_length(&self, mm: f64) {
        let mm = if mm.is_finite() { mm.clamp(lens::SHORTEST_MM, lens::LONGEST_MM) } else { lens::SHORTEST_MM };
        let mut state = self.machine.lock();
        state.set.focal_mm = mm;
        let changed = state.properties.zoom(mm);
        state.tell_changed(&changed);
    }

    /// Turns the focus ring; distances below the lens's closest focus stay there.
    pub fn set_focus(&self, metres: f64) {
        if metres.is_finite() {
            self.machine.lock().set.focus_m = metres.clamp(lens::CLOSEST_FOCUS_M, 1000.0);
        }
    }

    /// Where the lens is focused, metres.
    pub fn focus(&self) -> f64 {
        self.machine.lock().set.focus_m
    }

    /// Sets the lens's switch: autofocus, or manual.
    pub fn set_autofocus(&self, on: bool) {
        let mut state = self.machine.lock();
        state.properties.put(prop::FOCUS_MODE, Value::U16(if on { 0x8010 } else { 1 }));
        state.properties.put(prop::AUTOFOCUS_MODE, Value::U8(if on { 0 } else { 4 }));
        state.tell_changed(&[prop::FOCUS_MODE, prop::AUTOFOCUS_MODE]);
    }

    /// Turns the mode dial: true is M, false is P.
    pub fn set_manual_mode(&self, manual: bool) {
        self.machine.lock().turn_dial(manual);
    }

    /// Puts a battery in, charged to so many percent. One below 3 percent releases no shutter.
    pub fn set_battery(&self, percent: u8) {
        let mut state = self.machine.lock();
        state.battery_flat = percent < 3;
        state.properties.put(prop::BATTERY_LEVEL, Value::U8(percent.min(100)));
        state.tell_changed(&[prop::BATTERY_LEVEL]);
    }

    /// Sets the body's clock so many seconds ahead of this computer's.
    pub fn set_clock_ahead(&self, seconds: f64) {
        if seconds.is_finite() {
            self.machine.lock().clock_ahead = seconds;
        }
    }

    /// Puts in a card of so many bytes that holds the files of the present one.
    pub fn set_card_capacity(&self, bytes: u64) {
        self.machine.lock().store.capacity = bytes;
    }

    /// Presses the body's own shutter button. Nothing happens while the body is busy or the card is full.
    pub fn press_shutter(&self) {
        self.machine.release(&mut self.machine.lock(), Target::Card);
    }

    /// Pulls the cable: every connection ends, and the body waits for new ones.
    pub fn pull_cable(&self) {
        self.server.disconnect();
    }

    /// Lets the body's auto-off timer run out: it takes no connection for so many seconds.
    pub fn sleep(&self, seconds: f64) {
        self.server.sleep(seconds);
    }

    /// Files on the card.
    pub fn card_shots(&self) -> usize {
        self.machine.lock().store.files_on_card()
    }

    /// Times that the shutter opened since the body was switched on.
    pub fn releases(&self) -> u64 {
        self.machine.lock().releases
    }

    /// Deletes a file from the card as the body's own menu does; false when no such file is there.
    pub fn delete_from_card(&self, name: &str) -> bool {
        let mut state = self.machine.lock();
        let Some(handle) = state.store.handle_of(name) else { return false };
        let deleted = state.store.delete(handle).is_ok();
        if deleted {
            state.tell(event::OBJECT_REMOVED, handle);
        }
        deleted
    }
}

impl Operator {
    /// A line about the set and the body, for people.
    pub fn status(&self) -> String {
        let state = self.machine.lock();
        let set = &state.set;
        format!(
            "scene {}, {}, {} mm, focused at {:.2} m, {} on the card, {} released",
            set.scene,
            set.subject,
            set.focal_mm,
            set.focus_m,
            state.store.files_on_card(),
            state.releases
        )
    }
}
