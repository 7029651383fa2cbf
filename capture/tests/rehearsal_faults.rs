//! Scripted faults of the rehearsal camera, as stock gphoto2 meets them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rehearsal_support;

use std::time::{Duration, Instant};

use capture::rehearsal::{Action, Fault, Faults, Operation, Options};
use rehearsal_support::Rig;

fn rig(faults: Vec<Fault>) -> Rig {
    let rig = Rig::with_faults(Faults { faults, ..Faults::default() });
    rig.good(&["--set-config", "capturetarget=1"]);
    rig
}

fn fails(rig: &Rig, arguments: &[&str]) -> String {
    let output = rig.gphoto(arguments);
    // gphoto2 ends with 0 after "Could not capture": its words count.
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("Error") || errors.contains("ERROR"), "gphoto2 {arguments:?} noticed nothing: {output:?}");
    errors
}

#[test]
fn a_busy_body_is_waited_for() {
    let rig = rig(vec![Fault { times: 5, ..Fault::at(Operation::Capture, 1, Action::Busy) }]);
    rig.good(&["--capture-image"]);
    assert_eq!(rig.hands.card_shots(), 1);
}

#[test]
fn errors_are_told_once_and_the_next_release_works() {
    let rig = rig(vec![Fault::at(Operation::Capture, 1, Action::GeneralError)]);
    fails(&rig, &["--capture-image"]);
    assert_eq!(rig.hands.card_shots(), 0);
    rig.good(&["--capture-image"]);
    assert_eq!(rig.hands.card_shots(), 1);
}

#[test]
fn a_refused_value_is_refused_once() {
    let rig = rig(vec![Fault::at(Operation::SetProperty, 1, Action::Refuse)]);
    assert!(!rig.gphoto(&["--set-config", "iso=400"]).status.success());
    assert_eq!(rig.setting("iso"), "100");
    rig.good(&["--set-config", "iso=400"]);
    assert_eq!(rig.setting("iso"), "400");
}

#[test]
fn a_connection_dropped_around_a_release_leaves_what_the_body_has() {
    for (action, shots) in [(Action::DropBefore, 0), (Action::DropDuring, 1), (Action::DropAfter, 1)] {
        let rig = rig(vec![Fault::at(Operation::Capture, 1, action)]);
        fails(&rig, &["--capture-image"]);
        if shots > 0 {
            rig.wait_for_files(shots);
        }
        assert_eq!(rig.hands.card_shots(), shots, "{action:?}");
        // After reconnecting the picture is still there, whole.
        assert_eq!(rig.good(&["--list-files"]).matches("DSC_").count(), shots, "{action:?}");
        if shots > 0 {
            rig.good(&["--get-file", "1", "--filename", "again.jpg"]);
            image::open(rig.folder.path().join("again.jpg")).unwrap();
        }
    }
}

#[test]
fn a_download_that_breaks_off_can_be_had_again() {
    let rig = rig(vec![Fault::at(Operation::Object, 1, Action::DropDuring)]);
    fails(&rig, &["--capture-image-and-download", "--keep", "--filename", "broken.jpg"]);
    rig.good(&["--get-file", "1", "--filename", "whole.jpg"]);
    let whole = std::fs::read(rig.folder.path().join("whole.jpg")).unwrap();
    assert!(whole == std::fs::read(rig.dcim().join("DSC_0001.JPG")).unwrap());
}

#[test]
fn a_picture_truncated_on_the_card_is_short_in_size_and_bytes() {
    let rig = rig(vec![Fault::at(Operation::Capture, 1, Action::Truncate)]);
    rig.good(&["--capture-image", "--capture-image"]);
    let size = |name: &str| std::fs::metadata(rig.dcim().join(name)).unwrap().len();
    assert!(size("DSC_0001.JPG") * 3 < size("DSC_0002.JPG") * 2);
    let whole = |name: &str| std::fs::read(rig.dcim().join(name)).unwrap().ends_with(&[0xFF, 0xD9]);
    assert!(!whole("DSC_0001.JPG") && whole("DSC_0002.JPG"));
}

#[test]
fn a_hanging_body_runs_into_the_clients_patience() {
    let hang = Fault { seconds: 60.0, ..Fault::at(Operation::DeviceReady, 1, Action::Hang) };
    let rig = rig(vec![hang]);
    let begun = Instant::now();
    fails(&rig, &["--capture-image"]);
    assert!(begun.elapsed() < Duration::from_secs(50), "the body's hang held the client");
    // The client is gone, and with it the hang.
    rig.good(&["--summary"]);
    rig.wait_for_files(1);
}

#[test]
fn a_full_card_is_told() {
    let rig = rig(vec![Fault::at(Operation::Capture, 2, Action::CardFull)]);
    rig.good(&["--capture-image"]);
    let error = fails(&rig, &["--capture-image"]);
    assert!(error.contains("Could not capture"), "{error}");
    assert_eq!(rig.setting("availableshots"), "0");
    assert_eq!(rig.hands.card_shots(), 1);
    rig.hands.set_card_capacity(32_000_000_000);
    rig.good(&["--capture-image"]);
}

#[test]
fn a_flat_battery_is_busy_until_it_is_changed() {
    let rig = rig(vec![Fault::at(Operation::Capture, 1, Action::LowBattery)]);
    fails(&rig, &["--capture-image"]);
    assert_eq!(rig.setting("batterylevel"), "1%");
    rig.hands.set_battery(100);
    rig.good(&["--capture-image"]);
    assert_eq!(rig.hands.card_shots(), 1);
}

#[test]
fn hands_at_the_body_show_in_its_properties_and_on_its_card() {
    let rig = rig(vec![
        Fault::at(Operation::ReadProperty, 1, Action::WrongDial),
        // Every session asks for the storage once: this is the fourth.
        Fault::at(Operation::Storage, 4, Action::PressShutter),
    ]);
    rig.good(&["--capture-image"]);
    assert_ne!(rig.setting("expprogram"), "M");
    rig.good(&["--storage-info"]);
    rig.wait_for_files(2);
    rig.hands.set_manual_mode(true);
    assert_eq!(rig.setting("expprogram"), "M");
}

#[test]
fn events_out_of_order_or_twice_are_one_picture_each() {
    let rig = rig(vec![
        Fault::at(Operation::Capture, 1, Action::SwapEvents),
        Fault::at(Operation::Capture, 2, Action::DuplicateEvent),
    ]);
    rig.good(&["--capture-image"]);
    rig.good(&["--capture-image"]);
    assert_eq!(rig.good(&["--list-files"]).matches("DSC_").count(), 2);
}

#[test]
fn pulling_the_cable_ends_the_session_and_memory_is_lost() {
    let rig = rig(vec![]);
    rig.good(&["--capture-image"]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1000));
            rig.hands.pull_cable();
        });
        rig.gphoto(&["--wait-event=3s"]);
    });
    assert_eq!(rig.good(&["--list-files"]).matches("DSC_").count(), 1);
}

#[test]
fn a_wrong_picture_size_is_refused() {
    let tiny = Options { picture_size: (8, 8), ..Options::default() };
    let error = capture::rehearsal::Body::start(tiny).err().unwrap().to_string();
    assert!(error.contains("8 x 8"), "{error}");
}
