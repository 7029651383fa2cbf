//! Files on the card that the camera lists and does not give away: a session tells of them and goes on.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use capture::rehearsal::{Action, Body, Fault, Faults, Operation, Operator, Options, Pace};
use support::{Bench, ending};

/// Eight shots that need nobody's hands at the set.
const STILL: &str = "version: 1
name: still
scenes: [{ id: hall, place: indoor, light: bright }]
sweeps:
  - { subject: reflection, shutter: [1/60, 1/15], f_number: [5.6, 11], iso: [100, 400] }
";
const FEW: usize = 8;

/// A body and the folder of its photographs.
fn body(root: &Path, faults: Vec<Fault>) -> (Body, PathBuf) {
    let card = Some(root.join("card"));
    let faults = Faults { faults, ..Faults::default() };
    let options = Options { pace: Pace::Fast, picture_size: (300, 200), card, faults, ..Options::default() };
    let body = Body::start(options).unwrap();
    (body, root.join("card/DCIM/100D5300"))
}

/// Presses the body's own button, and answers the photograph's name.
fn press(hands: &Operator, folder: &Path) -> String {
    let names = || -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        entries.filter(|n| !n.starts_with('.')).collect()
    };
    let (before, files) = (names(), hands.card_shots());
    while hands.card_shots() == files {
        hands.press_shutter();
        std::thread::sleep(Duration::from_millis(20));
    }
    names().into_iter().find(|n| !before.contains(n)).unwrap()
}

/// What the body lists and describes, and cannot read.
fn spoil(file: &Path) {
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
}

#[test]
fn a_file_that_cannot_be_read_ends_no_session() {
    let root = tempfile::tempdir().unwrap();
    // The body takes its time over a shot in the middle, so that the run is stopped before its end.
    let slow = Fault { seconds: 3.0, ..Fault::at(Operation::Capture, 4, Action::Hang) };
    let (camera, folder) = body(root.path(), vec![slow]);
    let hands = camera.operator();
    let bench = Bench::on(STILL, &camera);
    let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(bench.shots().len() < FEW);
    let [unread, undescribed, good] = [(); 3].map(|()| press(&hands, &folder));
    spoil(&folder.join(&unread));
    // One that the body does not even describe hides the card from libgphoto2: that ends the run with a remedy.
    let aside = root.path().join("aside");
    fs::rename(folder.join(&undescribed), &aside).unwrap();
    let (code, said) = ending(&bench.run());
    assert!(code == 1 && said.contains("a file there may be damaged: look at the card in the body"), "{said}");
    fs::rename(&aside, folder.join(&undescribed)).unwrap();
    let (code, said) = ending(&bench.run());
    assert_eq!(code, 0, "{said}");
    let told = said.lines().filter(|l| l.contains(&format!("{unread} cannot be read and stays on the card")));
    assert_eq!(told.count(), 1, "{said}");
    bench.assert_complete(FEW);
    let unplanned = bench.unplanned();
    let found = unplanned.iter().map(|u| u.files[0].camera_name.rsplit('/').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(found, [undescribed, good]);
    assert_eq!(hands.releases(), FEW as u64 + 3);
}

#[test]
fn a_shot_whose_photograph_cannot_be_read_is_taken_again_and_that_is_told() {
    let root = tempfile::tempdir().unwrap();
    let (camera, folder) = body(root.path(), Vec::new());
    let bench = Bench::on(STILL, &camera);
    assert_eq!(bench.run().status.code(), Some(0));
    let last = bench.forget_last();
    let name = last.files[0].camera_name.rsplit('/').next().unwrap();
    spoil(&folder.join(name));
    let (code, said) = ending(&bench.run());
    assert_eq!(code, 0, "{said}");
    let told = format!("{name} may be the photograph of {}, which is taken again: it cannot be read", last.key);
    assert_eq!(said.matches(&told).count(), 1, "{said}");
    bench.assert_complete(FEW);
    assert_eq!(camera.operator().releases(), FEW as u64 + 1);
}
