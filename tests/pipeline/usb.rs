//! The USB road: libgphoto2's own auto-detection, claiming and time-outs, with rehearsal cameras on the bus.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use capture::rehearsal::{Body, Options, Pace};
use manifests::{
    read_log, read_yaml,
    session::{CameraKind, SESSION_FILE, SHOTS_FILE, Session, Shot},
};
use tests::{Running, Said, command, fixture, lines};

use crate::CAPTURE;

/// A bus with these bodies on it, and nothing else that libgphoto2 could find.
struct Bus {
    dir: tempfile::TempDir,
    bodies: Vec<Body>,
}

impl Bus {
    fn with(bodies: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = std::env::current_exe().unwrap().with_file_name("libusb_port.so");
        assert!(library.is_file(), "{} is not built", library.display());
        fs::create_dir(dir.path().join("iolibs")).unwrap();
        fs::copy(library, dir.path().join("iolibs/usb_port.so")).unwrap();
        let body = |i: usize| {
            let card = dir.path().join(format!("card{i}"));
            Body::start(Options { pace: Pace::Fast, card: Some(card), picture_size: (300, 200), ..Options::default() })
                .unwrap()
        };
        Self { bodies: (0..bodies).map(body).collect(), dir }
    }

    fn capture(&self, args: &[&str]) -> Command {
        let mut command = command(CAPTURE, self.dir.path(), args);
        let bodies: Vec<_> = self.bodies.iter().map(|b| format!("127.0.0.1:{}", b.port())).collect();
        command.env("IOLIBS", self.dir.path().join("iolibs")).env("VITRINE_USB_BODIES", bodies.join(","));
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::new(self.capture(args).output().unwrap())
    }

    fn session(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn plan() -> String {
    fixture("plan-usb.yaml").display().to_string()
}

fn every_shot_once(session: &Path) {
    let shots = read_log::<Shot>(&session.join(SHOTS_FILE)).unwrap().rows;
    let mut keys: Vec<_> = shots.iter().map(|s| s.key.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((shots.len(), keys.len()), (8, 8));
}

#[test]
fn bodies_on_the_bus_are_listed() {
    let bus = Bus::with(2);
    let said = bus.run(&["cameras"]).ok();
    for part in ["Nikon DSC D5300", "usb:001,007", "usb:001,008"] {
        assert!(said.out.contains(part), "{}", said.out);
    }
}

#[test]
fn a_session_over_usb() {
    let bus = Bus::with(1);
    let session = bus.session("session");
    bus.run(&["run", &plan(), "--session", session.to_str().unwrap(), "--camera", "usb", "--yes"]).ok();
    every_shot_once(&session);
    let header: Session = read_yaml(&session.join(SESSION_FILE)).unwrap();
    assert_eq!(header.camera.kind, CameraKind::Usb);
    bus.run(&["verify", session.to_str().unwrap()]).ok();
}

#[test]
fn two_cameras_side_by_side() {
    let bus = Bus::with(2);
    let plan = plan();
    let running: Vec<_> = [("one", "usb:001,007"), ("two", "usb:001,008")]
        .map(|(name, camera)| {
            let session = bus.session(name);
            let command =
                bus.capture(&["run", &plan, "--session", session.to_str().unwrap(), "--camera", camera, "--yes"]);
            (session, Running::start(command))
        })
        .into_iter()
        .collect();
    for (session, running) in running {
        running.finish().ok();
        every_shot_once(&session);
    }
}

#[test]
fn no_camera_on_the_bus_is_one_sentence() {
    let bus = Bus::with(0);
    let session = bus.session("session");
    bus.run(&["run", &plan(), "--session", session.to_str().unwrap(), "--camera", "usb", "--yes"])
        .refused(1, &["no camera"]);
    assert_eq!(lines(&session.join(SHOTS_FILE)), 0);
}

#[test]
fn a_device_that_another_program_claims_is_named_with_its_remedy() {
    let bus = Bus::with(1);
    // Another program: it opens the body and keeps it.
    let mut other = TcpStream::connect(("127.0.0.1", bus.bodies[0].port())).unwrap();
    let hello =
        [&36u32.to_le_bytes()[..], &1u32.to_le_bytes(), &[7; 16], b"o\0t\0\0\0", &[0, 0], &0x10000u32.to_le_bytes()]
            .concat();
    other.write_all(&hello).unwrap();
    other.read_exact(&mut [0; 8]).unwrap();
    let session = bus.session("session");
    let arguments = ["run", &plan(), "--session", session.to_str().unwrap(), "--camera", "usb", "--yes"];
    bus.run(&arguments).refused(1, &["claim"]);
    drop(other);
    bus.run(&arguments).ok();
    every_shot_once(&session);
}

#[test]
fn a_cable_that_is_pulled_in_the_middle_loses_and_doubles_nothing() {
    let bus = Bus::with(1);
    let session = bus.session("session");
    let log = session.join(SHOTS_FILE);
    let mut running = Running::start(bus.capture(&[
        "run",
        &plan(),
        "--session",
        session.to_str().unwrap(),
        "--camera",
        "usb",
        "--yes",
    ]));
    for after in [2, 5] {
        assert!(running.wait_until(|| lines(&log) >= after), "it ended before the cable was pulled");
        bus.bodies[0].operator().pull_cable();
    }
    running.finish().ok();
    every_shot_once(&session);
    bus.run(&["verify", session.to_str().unwrap()]).ok();
    assert_eq!(bus.bodies[0].operator().releases(), 8, "a photograph was taken twice");
}
