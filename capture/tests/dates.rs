//! Photographs on the card that are of another time than the session's: whatever their settings, none is taken for a shot.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use capture::rehearsal::{Action, Body, Fault, Faults, Operation, Operator, Options, Pace};
use support::{Bench, ending, text};

/// Four shots that need nobody's hands at the set.
const STILL: &str = "version: 1
name: still
scenes: [{ id: hall, place: indoor, light: bright }]
sweeps:
  - { subject: reflection, shutter: [1/60, 1/15], f_number: [5.6, 11] }
";
const FEW: usize = 4;
const DAY: f64 = 86_400.0;

fn body(faults: Vec<Fault>) -> Body {
    let faults = Faults { faults, ..Faults::default() };
    Body::start(Options { pace: Pace::Fast, picture_size: (300, 200), faults, ..Options::default() }).unwrap()
}

/// Presses the body's own button with its clock so far ahead, and sets the clock right again.
fn press(hands: &Operator, ahead: f64) {
    let before = hands.card_shots();
    hands.set_clock_ahead(ahead);
    while hands.card_shots() == before {
        hands.press_shutter();
        std::thread::sleep(Duration::from_millis(20));
    }
    hands.set_clock_ahead(0.0);
}

/// Runs the session in a time zone, and answers what it said.
fn run(bench: &Bench, zone: &str) -> String {
    let output = bench.command().env("TZ", zone).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_photograph_of_another_day_is_not_the_shot_that_is_in_doubt() {
    let camera = body(Vec::new());
    let hands = camera.operator();
    let bench = Bench::on(STILL, &camera);
    run(&bench, "UTC");
    // The shutter did not open for the last shot, and on the card lies a photograph with the same settings of two days ago.
    let last = bench.forget_last();
    assert!(hands.delete_from_card(last.files[0].camera_name.rsplit('/').next().unwrap()));
    press(&hands, -2.0 * DAY);
    let releases = hands.releases();
    let said = run(&bench, "UTC");
    assert_eq!(hands.releases(), releases + 1, "{said}");
    assert!(said.contains("\"rescued\":0"), "{said}");
    assert!(said.contains("1 photograph came to the card with dates from before this session: left there"), "{said}");
    bench.assert_complete(FEW);
    assert!(bench.unplanned().is_empty(), "{:?}", bench.unplanned());
    // It stays on the card, and no later run looks at it again.
    assert_eq!(hands.card_shots(), FEW + 1);
    bench.forget_last();
    let said = run(&bench, "UTC");
    assert!(said.contains("\"rescued\":1") && !said.contains("from before this session"), "{said}");
    bench.assert_complete(FEW);
}

#[test]
fn a_shot_is_found_by_whatever_its_bodys_clock_showed() {
    // Whenever this runs, one of the two has summer time; in Ireland, winter is what differs.
    for zone in ["EST5EDT,M3.2.0,M11.1.0", "AEST-10AEDT,M10.1.0,M4.1.0/3", "IST-1GMT0,M10.5.0,M3.5.0/1"] {
        let camera = body(Vec::new());
        let hands = camera.operator();
        hands.set_clock_ahead(2.0 * DAY + 1234.0);
        let bench = Bench::on(STILL, &camera);
        run(&bench, zone);
        // With the clock as it was, set right in between as the program advised, and from an earlier version's journal.
        for (ahead, earlier) in [(2.0 * DAY + 1234.0, false), (0.0, false), (2.0 * DAY + 1234.0, true)] {
            hands.set_clock_ahead(ahead);
            let last = bench.forget_last();
            if earlier {
                let log = bench.session().join("intents.jsonl");
                let lines = std::fs::read_to_string(&log).unwrap();
                let begins = lines.find("\"dates_ahead\":").unwrap();
                let known = &lines[begins..=begins + lines[begins..].find(',').unwrap()];
                let without = lines.replace(known, "");
                assert!(!without.contains("dates_ahead"), "{without}");
                std::fs::write(&log, without).unwrap();
            }
            let said = run(&bench, zone);
            assert!(said.contains("\"rescued\":1"), "{zone}, {ahead} s ahead: {said}");
            assert_eq!(bench.shots().pop().unwrap().files, last.files);
            bench.assert_complete(FEW);
        }
        assert_eq!((hands.releases(), hands.card_shots()), (FEW as u64, FEW));
    }
}

#[test]
fn what_has_the_settings_of_a_trial_photograph_at_another_time_is_none() {
    // With the trial on the card and without: as if its shutter had not opened.
    for there in [true, false] {
        // The body takes its time to answer the first release, and the program is killed meanwhile.
        let camera = body(vec![Fault { seconds: 8.0, ..Fault::at(Operation::Capture, 1, Action::Hang) }]);
        let hands = camera.operator();
        let plan = STILL.replace("shutter: [1/60, 1/15]", "stops: { steps: [-1, 0] }");
        let bench = Bench::on(&plan, &camera);
        let mut child = bench.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while hands.card_shots() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        assert!(there || hands.delete_from_card("DSC_0001.JPG"));
        press(&hands, 3.0 * 3600.0);
        let (code, said) = ending(&bench.run());
        assert_eq!(code, 0, "{said}");
        bench.assert_complete(FEW);
        let unplanned = bench.unplanned();
        assert_eq!(unplanned.len(), 1, "{said}");
        assert!(unplanned[0].files[0].camera_name.ends_with("DSC_0002.JPG"), "{unplanned:?}");
    }
}
