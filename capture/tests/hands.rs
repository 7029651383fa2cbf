//! What somebody at the camera does while a session waits for it: another card, another battery, the zoom ring.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use capture::rehearsal::{Body, Model, Options, Pace};
use support::{Bench, capture};

/// Eight shots that need nobody's hands at the set.
const STILL: &str = "version: 1
name: still
scenes: [{ id: hall, place: indoor, light: bright }]
sweeps:
  - { subject: reflection, shutter: [1/60, 1/15], f_number: [5.6, 11], iso: [100, 400] }
";
const FEW: usize = 8;

fn body(model: Model) -> Body {
    Body::start(Options { pace: Pace::Fast, picture_size: (300, 200), model, ..Options::default() }).unwrap()
}

#[test]
fn somebody_at_the_camera_has_all_the_time_they_need() {
    let camera = body(Model::D5300);
    let hands = camera.operator();
    let bench = Bench::on(STILL, &camera);
    let mut command = capture();
    command.arg("run").arg(bench.plan()).arg("--session").arg(bench.session()).args(["--camera", &bench.camera]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"\n").unwrap();
    lines.by_ref().find(|l| l.contains("1/8")).unwrap();
    hands.sleep(3600.0);
    let prompt = lines.by_ref().find(|l| l.contains("Waiting for the camera")).unwrap();
    assert!(prompt.contains("auto-off timer"), "{prompt}");
    hands.sleep(0.0);
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    bench.assert_complete(FEW);
}

#[test]
fn a_full_card_and_a_flat_battery_are_prompts_while_somebody_is_there() {
    let camera = body(Model::D5300);
    let hands = camera.operator();
    let bench = Bench::on(STILL, &camera);
    let mut command = capture();
    command.arg("run").arg(bench.plan()).arg("--session").arg(bench.session()).args(["--camera", &bench.camera]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut enter = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut done = || std::io::Write::write_all(&mut enter, b"\n").unwrap();
    done();
    lines.by_ref().find(|l| l.contains("2/8")).unwrap();
    hands.set_card_capacity(1000);
    let prompt = lines.by_ref().find(|l| l.starts_with('>')).unwrap();
    assert!(prompt.contains("put in another card") && prompt.contains("[Enter when done"), "{prompt}");
    hands.set_card_capacity(32_000_000_000);
    done();
    lines.by_ref().find(|l| l.contains("5/8")).unwrap();
    hands.set_battery(1);
    let prompt = lines.by_ref().find(|l| l.starts_with('>')).unwrap();
    assert!(prompt.contains("look at the battery"), "{prompt}");
    hands.set_battery(100);
    done();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    bench.assert_complete(FEW);
    assert_eq!((hands.releases(), bench.unplanned().len()), (FEW as u64, 0));
}

#[test]
fn the_zoom_ring_is_waited_for_and_the_f_number_checked_where_it_stands() {
    let camera = body(Model::D5300);
    let hands = camera.operator();
    let plan = "version: 1\nname: zoom\nscenes: [{ id: hall, place: indoor, light: bright }]\n\
                sweeps: [{ subject: background, shutter: [1/60], f_number: [5.6], focal_length_mm: [24] }]\n";
    let bench = Bench::on(plan, &camera);
    let run = |bench: &Bench| {
        let mut command = capture();
        command.arg("run").arg(bench.plan()).arg("--session").arg(bench.session()).args(["--camera", &bench.camera]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut child = run(&bench);
    let mut enter = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut done = || std::io::Write::write_all(&mut enter, b"\n").unwrap();
    done();
    // Enter was pressed and the ring not turned, then turned to somewhere else.
    let no = lines.by_ref().find(|l| l.contains("No: the lens stands at 35 mm and the plan wants 24 mm")).unwrap();
    assert!(no.contains("Turn the zoom ring"), "{no}");
    hands.set_focal_length(50.0);
    done();
    lines.by_ref().find(|l| l.contains("No: the lens stands at 50 mm")).unwrap();
    assert!(bench.shots().is_empty());
    hands.set_focal_length(24.0);
    done();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    bench.assert_complete(1);

    // At 50 mm the lens is not as wide as at 24: known once the ring is turned there, and told before the shutter opens.
    let wide = Bench::on(&plan.replace("[5.6]", "[4]").replace("[24]", "[24, 50]"), &camera);
    let mut child = run(&wide);
    let mut enter = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut enter, b"\n").unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.by_ref().find(|l| l.contains("Turn the zoom ring to 50 mm")).unwrap();
    hands.set_focal_length(50.0);
    std::io::Write::write_all(&mut enter, b"\n").unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{rest:?}");
    assert!(rest.last().unwrap().contains("the camera has no f-number 4; the nearest is 5"), "{rest:?}");
    assert_eq!(wide.shots().len(), 1);
}
