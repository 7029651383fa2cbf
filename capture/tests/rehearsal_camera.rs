//! The rehearsal camera under stock gphoto2: what a D5300 does over PTP/IP, it does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rehearsal_support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use capture::rehearsal::{Body, Options, Pace};
use manifests::plan::Subject;
use rehearsal_support::{Rig, linear};

#[test]
fn it_introduces_itself() {
    let rig = Rig::new();
    let summary = rig.good(&["--summary"]);
    for text in [
        "Manufacturer: Nikon Corporation",
        "Model: D5300",
        "Version: V1.03",
        "Nikon Capture 1",
        "Maximum Capability: 32000000000",
    ] {
        assert!(summary.contains(text), "no {text} in {summary}");
    }
    let abilities = rig.good(&["--abilities"]);
    assert!(abilities.contains("Nikon DSC D5300") && abilities.contains("Trigger Capture"), "{abilities}");
    let configuration = rig.good(&["--list-config"]);
    for name in [
        "shutterspeed2",
        "f-number",
        "iso",
        "imagequality",
        "imagesize",
        "capturetarget",
        "focallength",
        "expprogram",
        "focusmode",
        "batterylevel",
        "whitebalance",
        "exposurecompensation",
        "isoauto",
        "autoiso",
        "longexpnr",
        "exposuredelaymode",
        "availableshots",
        "datetime",
        "bulb",
        "viewfinder",
        "manualfocusdrive",
        "autofocusdrive",
        "serialnumber",
        "cameramodel",
        "minfocallength",
        "maxfocallength",
        "liveviewprohibit",
        "recordingmedia",
    ] {
        assert!(configuration.lines().any(|l| l.ends_with(&format!("/{name}"))), "no {name} in {configuration}");
    }
}

#[test]
fn settings_go_and_come_back() {
    let rig = Rig::new();
    for (name, value) in [
        ("shutterspeed2", "1/125"),
        ("shutterspeed2", "10/25"),
        ("shutterspeed2", "13/10"),
        ("shutterspeed2", "30"),
        ("f-number", "f/8"),
        ("iso", "1600"),
        ("imagequality", "JPEG Basic"),
        ("imagequality", "NEF+Fine"),
        ("imagesize", "2992x2000"),
        ("whitebalance", "Daylight"),
        ("capturetarget", "Memory card"),
        ("exposurecompensation", "-0.666"),
        ("longexpnr", "On"),
    ] {
        rig.good(&["--set-config", &format!("{name}={value}")]);
        assert_eq!(rig.setting(name), value, "{name}");
    }
    assert_eq!(rig.setting("expprogram"), "M");
    assert_eq!(rig.setting("focusmode"), "Manual");
    assert_eq!(rig.setting("batterylevel"), "100%");
    // Both views of the shutter dial agree.
    rig.good(&["--set-config", "shutterspeed2=1/60"]);
    assert_eq!(rig.setting("shutterspeed"), "0.0167s");
}

#[test]
fn values_that_the_body_lacks_are_refused_and_change_nothing() {
    let rig = Rig::new();
    for (name, good, bad) in [("shutterspeed2", "1/125", "1/61"), ("f-number", "f/8", "f/3.5"), ("iso", "200", "123")] {
        rig.good(&["--set-config", &format!("{name}={good}")]);
        let refused = rig.gphoto(&["--set-config", &format!("{name}={bad}")]);
        assert!(!refused.status.success(), "{name}={bad} was taken");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("Error"));
        assert_eq!(rig.setting(name), good);
    }
    for read_only in ["focallength=20", "expprogram=A", "batterylevel=50%"] {
        assert!(!rig.gphoto(&["--set-config", read_only]).status.success(), "{read_only} was taken");
    }
}

#[test]
fn apertures_follow_the_zoom_ring() {
    let rig = Rig::new();
    let widest = |mm: f64| {
        rig.hands.set_focal_length(mm);
        let text = rig.good(&["--get-config", "f-number"]);
        text.lines().find_map(|l| l.strip_prefix("Choice: 0 ")).unwrap().to_owned()
    };
    assert_eq!((widest(18.0), widest(35.0), widest(55.0)), ("f/3.5".into(), "f/4.5".into(), "f/5.6".into()));
    rig.hands.set_focal_length(18.0);
    rig.good(&["--set-config", "f-number=f/3.5"]);
    rig.hands.set_focal_length(55.0);
    assert_eq!(rig.setting("f-number"), "f/5.6", "the lens cannot stay wider than it is");
    assert_eq!(rig.setting("focallength"), "55");
}

#[test]
fn pictures_go_to_the_card_or_to_memory() {
    let rig = Rig::new();
    rig.good(&["--set-config", "capturetarget=1", "--capture-image"]);
    rig.good(&["--set-config", "capturetarget=0", "--capture-image-and-download", "--filename", "memory.jpg"]);
    assert_eq!(rig.hands.card_shots(), 1, "memory is not the card");
    let memory = std::fs::read(rig.folder.path().join("memory.jpg")).unwrap();
    assert!(memory.starts_with(&[0xFF, 0xD8]) && memory.ends_with(&[0xFF, 0xD9]));
    assert!(rig.good(&["--list-files"]).contains("DSC_0001.JPG"));
    rig.good(&["--get-file", "1", "--filename", "card.jpg"]);
    let card = std::fs::read(rig.folder.path().join("card.jpg")).unwrap();
    assert!(card == std::fs::read(rig.dcim().join("DSC_0001.JPG")).unwrap(), "the download is not the file");
    rig.good(&["--get-thumbnail", "1", "--filename", "small.jpg"]);
    rig.good(&["--set-config", "capturetarget=1", "--capture-image-and-download", "--keep", "--filename", "kept.jpg"]);
    assert_eq!(rig.hands.card_shots(), 2);
    rig.good(&["--folder", "/store_00010001/DCIM/100D5300", "--delete-file", "1"]);
    assert_eq!(rig.hands.card_shots(), 1);
    assert!(!rig.dcim().join("DSC_0001.JPG").exists());
}

#[test]
fn the_bodys_own_button_is_noticed() {
    let rig = Rig::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(700));
            rig.hands.press_shutter();
        });
        let text = rig.good(&["--wait-event-and-download=FILEADDED", "--filename", "button.jpg"]);
        assert!(text.contains("Saving file as button.jpg") || rig.folder.path().join("button.jpg").exists(), "{text}");
    });
}

#[test]
fn live_view_shows_what_is_in_front_of_the_lens() {
    let rig = Rig::new();
    rig.good(&["--set-config", "shutterspeed2=1/60", "--set-config", "iso=400"]);
    let frame = |name: &str| {
        rig.good(&["--capture-preview", "--filename", name]);
        linear(&rig.folder.path().join(format!("thumb_{name}")))
    };
    rig.hands.set_subject(Subject::Background);
    let background = frame("a.jpg").mean_where(|_| true);
    rig.hands.set_subject(Subject::Reflection);
    let reflection = frame("b.jpg").mean_where(|_| true);
    assert!(reflection < 0.7 * background, "black paper is as bright as the scene: {reflection}, {background}");
}

#[test]
fn focus_moves_in_live_view_only_and_ends() {
    let rig = Rig::new();
    rig.hands.set_focus(1.0);
    assert!(!rig.gphoto(&["--set-config", "manualfocusdrive=100"]).status.success());
    assert_eq!(rig.hands.focus(), 1.0);
    rig.good(&["--set-config", "viewfinder=1", "--set-config", "manualfocusdrive=100"]);
    let farther = rig.hands.focus();
    assert!(farther > 1.0);
    rig.good(&["--set-config", "viewfinder=1", "--set-config", "manualfocusdrive=-200"]);
    assert!(rig.hands.focus() < 1.0);
    let end = rig.gphoto(&["--set-config", "viewfinder=1", "--set-config", "manualfocusdrive=-30000"]);
    assert!(String::from_utf8_lossy(&end.stderr).contains("at limit"), "{end:?}");
}

#[test]
fn in_program_mode_the_body_refuses_an_exposure() {
    let rig = Rig::new();
    rig.good(&["--set-config", "shutterspeed2=1/125"]);
    rig.hands.set_manual_mode(false);
    assert_eq!(rig.setting("expprogram"), "P");
    assert!(!rig.gphoto(&["--set-config", "shutterspeed2=1/60"]).status.success());
    rig.hands.set_manual_mode(true);
    rig.good(&["--set-config", "shutterspeed2=1/60"]);
}

#[test]
fn real_time_takes_as_long_as_the_exposure() {
    let options = Options { pace: Pace::RealTime, picture_size: (300, 200), ..Options::default() };
    let body = Body::start(options).unwrap();
    let rig = Rig { hands: body.operator(), body, folder: tempfile::tempdir().unwrap() };
    rig.good(&["--set-config", "shutterspeed2=16/10", "--set-config", "capturetarget=1"]);
    let begun = std::time::Instant::now();
    rig.hands.press_shutter();
    rig.wait_for_files(1);
    assert!(begun.elapsed().as_secs_f64() >= 1.6);
}

#[test]
fn bulb_exposes_as_long_as_it_is_open() {
    let rig = Rig::new();
    let set = ["--set-config", "f-number=f/22", "--set-config", "capturetarget=1"];
    let bulb = ["--set-config", "bulb=1", "--wait-event=1s", "--set-config", "bulb=0", "--wait-event=1s"];
    rig.good(&[&set[..], &bulb[..]].concat());
    rig.wait_for_files(1);
    let mut file = std::io::BufReader::new(std::fs::File::open(rig.dcim().join("DSC_0001.JPG")).unwrap());
    let tags = exif::Reader::new().read_from_container(&mut file).unwrap();
    let seconds = match &tags.get_field(exif::Tag::ExposureTime, exif::In::PRIMARY).unwrap().value {
        exif::Value::Rational(v) => v[0].to_f64(),
        other => panic!("{other:?}"),
    };
    assert!((0.9..5.0).contains(&seconds), "a bulb exposure of about a second says {seconds} s");
}

#[test]
fn a_body_that_is_started_again_still_has_its_card() {
    let card = tempfile::tempdir().unwrap();
    let options = || Options { pace: Pace::Fast, card: Some(card.path().into()), ..Options::default() };
    let shoot = |body: &Body| {
        let before = body.operator().card_shots();
        body.operator().press_shutter();
        while body.operator().card_shots() == before {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    shoot(&Body::start(options()).unwrap());
    std::fs::write(card.path().join("DCIM/100D5300/holiday notes.txt"), "not ours").unwrap();
    let rig = Rig::with(options());
    let again = Body::start(options()).unwrap();
    assert_eq!(again.operator().card_shots(), 2);
    shoot(&again);
    assert!(card.path().join("DCIM/100D5300/DSC_0002.JPG").exists());
    drop(rig);
}

#[test]
fn a_second_client_waits_for_the_first() {
    let rig = Rig::new();
    let mut first = TcpStream::connect(("127.0.0.1", rig.body.port())).unwrap();
    first.write_all(&hello()).unwrap();
    let mut ack = [0u8; 8];
    first.read_exact(&mut ack).unwrap();
    assert_eq!(ack[4], 2, "accepted");
    assert!(!rig.gphoto(&["--summary"]).status.success(), "two clients hold one body");
    drop(first);
    rig.good(&["--summary"]);
}

#[test]
fn torn_and_foreign_packets_cost_one_connection_only() {
    let rig = Rig::new();
    let torn: [&[u8]; 6] = [
        &[],
        &[3, 0, 0, 0, 1, 0, 0, 0],
        &[0xFF; 64],
        b"GET / HTTP/1.1\r\n\r\n",
        &[8, 0, 0, 0, 99, 0, 0, 0],
        // A command that breaks off after its header.
        &[&hello()[..], &[10, 0, 0, 0, 6, 0, 0, 0, 1, 0]].concat(),
    ];
    for bytes in torn {
        let mut stream = TcpStream::connect(("127.0.0.1", rig.body.port())).unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        // The body closes the connection; whether it has reset it by now, or does so later, is of no matter.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut rest);
    }
    rig.good(&["--set-config", "capturetarget=1", "--capture-image"]);
    assert_eq!(rig.hands.card_shots(), 1);
}

/// An INIT_COMMAND_REQUEST packet of PTP/IP: identifier, name "t", version 1.
fn hello() -> Vec<u8> {
    let mut packet = vec![32, 0, 0, 0, 1, 0, 0, 0];
    packet.extend([7u8; 16]);
    packet.extend([b't', 0, 0, 0, 0, 0, 1, 0]);
    packet
}
