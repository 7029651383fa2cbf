//! Sweeps that the camera itself takes part in: metered exposures and focus steps; and where their files go.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use capture::rehearsal::{Action, Body, Fault, Faults, Model, Operation, Options, Pace};
use manifests::{plan::Subject, session::Shot};
use support::{Bench, capture, ending, text};

fn body() -> Body {
    Body::start(Options { pace: Pace::Fast, picture_size: (600, 400), ..Options::default() }).unwrap()
}

const METERED: &str = "version: 1
name: metered
scenes:
  - { id: hall, place: indoor, light: bright }
  - { id: cellar, place: indoor, light: dark }
sweeps:
  - { subject: background, stops: { steps: [-2, 0, 1] }, f_number: [5.6, 11], iso: [100, 400] }
";

#[test]
fn stops_around_the_metered_exposure_follow_the_light() {
    // The program moves the simulated set from scene to scene.
    let bench = Bench::new(METERED);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(24);
    let shots = bench.shots();
    let find = |scene: &str, step: &str, f: f64, iso: u32| -> &Shot {
        let key = format!("{scene}/background/f{f}_metered{step}_iso{iso}/1");
        shots.iter().find(|s| s.key == key).unwrap_or_else(|| panic!("no {key}"))
    };
    let stops = |a: &Shot, b: &Shot| (b.requested.shutter.seconds() / a.requested.shutter.seconds()).log2();
    for scene in ["hall", "cellar"] {
        let at = |step, f, iso| find(scene, step, f, iso);
        let middle = at("+0", 5.6, 100);
        assert!((stops(middle, at("-2", 5.6, 100)) + 2.0).abs() < 0.4);
        assert!((stops(middle, at("+1", 5.6, 100)) - 1.0).abs() < 0.4);
        // Two stops of f-number are four times as long, two of ISO a quarter.
        assert!((stops(middle, at("+0", 11.0, 100)) - 2.0).abs() < 0.4);
        assert!((stops(middle, at("+0", 5.6, 400)) + 2.0).abs() < 0.4);
        for exposure in [middle, at("+0", 11.0, 100), at("+0", 11.0, 400)] {
            let file = std::fs::read(exposure.files[0].path.under(&bench.session())).unwrap();
            let level = mean_light(&file);
            assert!((0.12..0.27).contains(&level), "{}: {level} of saturation", exposure.key);
        }
    }
    assert!(bench.unplanned().is_empty(), "trial photographs are nobody's");
    assert!(text(&output.stderr).contains("metered hall, background"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("metered cellar, background"), "{}", text(&output.stderr));
}

#[test]
fn a_sweep_that_was_interrupted_goes_on_around_what_was_metered() {
    let bench = Bench::new(METERED);
    let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap();
    let first = text(&child.wait_with_output().unwrap().stderr);
    let exposure = |said: &str, begins: &str| {
        let line = said.lines().find_map(|l| l.split_once(begins)).unwrap_or_else(|| panic!("no {begins:?} in {said}"));
        line.1.to_owned()
    };
    let output = bench.run();
    let second = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{second}");
    assert_eq!(exposure(&first, "metered hall, background"), exposure(&second, "metered before, hall, background"));
    assert!(!second.contains("metered hall"), "metered twice: {second}");
    assert!(second.contains("metered cellar"), "{second}");
    bench.assert_complete(24);
}

#[test]
fn a_session_whose_light_has_changed_is_metered_anew() {
    // A body of its own, which the program does not move: behind the glass hangs the black paper in the second run.
    let body = body();
    let hands = body.operator();
    let plan = "version: 1\nname: dusk\nscenes: [{ id: hall, place: indoor, light: bright }]\n\
                sweeps: [{ subject: background, stops: { steps: [-1, 0, 1] }, f_number: [5.6], repeats: 2 }]\n";
    let bench = Bench::on(plan, &body);
    let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let first = text(&child.wait_with_output().unwrap().stderr);
    let early = bench.shots();
    assert!(!early.is_empty() && early.len() < 6, "{first}");
    hands.set_subject(Subject::Reflection);
    let output = bench.command().args(["--resume", "--meter-anew"]).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("metered hall, background") && said.contains("stops from before"), "{said}");
    assert!(!said.contains("metered before"), "{said}");
    bench.assert_complete(6);
    let shots = bench.shots();
    assert_eq!(shots[..early.len()], early[..], "what was stored stays");
    // Both are in the journal, and the later one holds from then on.
    let journal = std::fs::read_to_string(bench.session().join("intents.jsonl")).unwrap();
    assert_eq!(journal.matches("\"metered\"").count(), 2, "{journal}");
    let again = ending(&bench.command().arg("--meter-anew").output().unwrap());
    assert_eq!(again.0, 0, "a complete session has nothing to meter: {}", again.1);
}

#[test]
fn metering_anew_is_for_sweeps_that_are_metered() {
    let bench = Bench::new(FOCUS);
    let (code, said) = ending(&bench.command().arg("--meter-anew").output().unwrap());
    assert!(code == 2 && said.contains("none of the shots that are left follows a metered exposure"), "{said}");
    assert!(bench.shots().is_empty());
}

#[test]
fn a_trial_photograph_that_a_drop_left_on_the_card_is_nobodys() {
    let bench = Bench::with_faults(METERED, "  - { on: capture, do: drop-after, nth: 1 }\n");
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("connecting again"), "{}", text(&output.stderr));
    bench.assert_complete(24);
    assert!(bench.unplanned().is_empty(), "{:?}", bench.unplanned());
}

#[test]
fn a_trial_photograph_that_a_killed_program_left_is_nobodys() {
    // The body takes its time to answer the first release, and the program is killed meanwhile.
    let slow = Fault { seconds: 1.5, ..Fault::at(Operation::Capture, 1, Action::Hang) };
    let faults = Faults { faults: vec![slow], ..Faults::default() };
    let body =
        Body::start(Options { pace: Pace::Fast, picture_size: (600, 400), faults, ..Options::default() }).unwrap();
    let bench = Bench::on(&METERED.replace("[5.6, 11], iso: [100, 400]", "[5.6]"), &body);
    let mut child = bench.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while body.operator().releases() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(body.operator().releases() > 7, "{}", text(&output.stderr));
    bench.assert_complete(6);
    assert!(bench.unplanned().is_empty(), "{:?}", bench.unplanned());
}

#[test]
fn what_was_moved_comes_to_rest_before_the_shutter_opens() {
    // Two prompts: the least that a session may take, however quick the machine, and what the plan's estimate counts.
    let plan = "version: 1\nname: rest\ncamera: { settle_seconds: 3 }\nscenes: [{ id: hall, place: indoor, light: bright }]\n\
                sweeps: [{ subject: background, shutter: [1/60], f_number: [8], focal_length_mm: [24, 50] }]\n";
    let bench = Bench::new(plan);
    let begun = Instant::now();
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(begun.elapsed() >= Duration::from_secs(6), "{:?}", begun.elapsed());
    bench.assert_complete(2);
    let seconds = |plan: &str| {
        std::fs::write(bench.plan(), plan).unwrap();
        let output = capture().args(["plan", "--json"]).arg(bench.plan()).output().unwrap();
        let last = text(&output.stdout).lines().last().unwrap().to_owned();
        let line: serde_json::Value = serde_json::from_str(&last).unwrap();
        line["estimate"]["seconds"].as_f64().unwrap()
    };
    let longer = seconds(plan) - seconds(&plan.replace("settle_seconds: 3", "settle_seconds: 0"));
    assert!((longer - 6.0).abs() < 1e-9, "{longer}");
}

#[test]
fn one_prompt_is_counted_as_one() {
    let bench = Bench::new(
        "version: 1\nname: one\nscenes: [{ id: hall, place: indoor, light: bright }]\n\
         sweeps: [{ subject: background, shutter: [1/60], f_number: [8] }]\n",
    );
    let output = capture().arg("plan").arg(bench.plan()).output().unwrap();
    let said = text(&output.stdout);
    assert!(said.lines().last().unwrap().starts_with("1 shot, 1 prompt, about "), "{said}");
}

fn mean_light(jpeg: &[u8]) -> f64 {
    let picture = image::load_from_memory(jpeg).unwrap().to_rgb8();
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let y = |p: &image::Rgb<u8>| 0.2126 * linear(p.0[0]) + 0.7152 * linear(p.0[1]) + 0.0722 * linear(p.0[2]);
    picture.pixels().map(y).sum::<f64>() / f64::from(picture.width() * picture.height())
}

#[test]
fn stops_around_a_given_speed_are_the_speeds_of_the_body() {
    let plan =
        METERED.replace("stops: { steps", "stops: { around: 1/60, steps").replace("[-2, 0, 1]", "[-2, -1, 0, 1, 2, 6]");
    let bench = Bench::new(&plan);
    let listed = capture().args(["plan", "--json", "--camera", "rehearsal"]).arg(bench.plan()).output().unwrap();
    assert_eq!(listed.status.code(), Some(0), "{}", text(&listed.stderr));
    let said = text(&listed.stdout);
    for speed in ["1/250", "1/125", "1/60", "1/30", "1/15", "\"1\""] {
        assert!(said.contains(speed), "no {speed} in {said}");
    }
    for (around, steps, clause) in [
        ("1/60", "[0, 12]", "sweeps[0].stops.steps[1]: must be from -10 to 10 stops"),
        ("4", "[10]", "sweeps[0].stops.steps[0]: asks for 4096.000 s: shutters have 1/8000 to 30 s"),
        ("1/60", "[]", "sweeps[0].stops: lists no value"),
    ] {
        let text = plan.replace("[-2, -1, 0, 1, 2, 6]", steps).replace("1/60", around);
        std::fs::write(bench.plan(), text).unwrap();
        let (code, said) = ending(&capture().arg("plan").arg(bench.plan()).output().unwrap());
        assert!(code == 2 && said.contains(clause), "{said}");
    }
}

const FOCUS: &str = "version: 1
name: focus
scenes: [{ id: hall, place: indoor, light: bright }]
sweeps:
  - { subject: background, shutter: [1/250], f_number: [5.6], focus: [-300, -150, 0, 150, 300] }
";

#[test]
fn focus_steps_are_what_the_pictures_show_and_the_lens_comes_back() {
    let body = body();
    let bench = Bench::on(FOCUS, &body);
    let hands = body.operator();
    hands.set_focal_length(50.0);
    let focused = hands.focus();
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(5);
    let sharpness: BTreeMap<i32, f64> =
        bench.shots().iter().map(|s| (s.requested.focus.unwrap(), s.quality.unwrap().sharpness)).collect();
    assert!(sharpness[&0] > 1.2 * sharpness[&-150] && sharpness[&0] > 1.2 * sharpness[&150], "{sharpness:?}");
    assert!(sharpness[&-150] > sharpness[&-300] && sharpness[&150] > sharpness[&300], "{sharpness:?}");
    assert!(!text(&output.stderr).contains("nobody focuses"), "{}", text(&output.stderr));
    assert!((hands.focus() / focused - 1.0).abs() < 0.01, "{} m, not {focused} m", hands.focus());
}

#[test]
fn a_focus_sweep_that_goes_on_unattended_says_where_its_steps_count_from() {
    let body = body();
    let bench = Bench::on(FOCUS, &body);
    body.operator().set_focal_length(50.0);
    let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    child.wait().unwrap();
    let output = bench.run();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("the focus steps count from where the lens stands now; run without --yes"), "{said}");
    bench.assert_complete(5);
}

#[test]
fn a_sweep_beyond_the_ring_or_on_a_body_without_live_view_says_so() {
    let beyond = Bench::new(&FOCUS.replace("-300", "-9000"));
    let (code, said) = ending(&beyond.run());
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the lens is at the end of its focus travel between +0 and -9000 motor steps"), "{said}");
    // Steps too small for the motor move nothing, and are no end of the travel.
    let (code, said) = ending(&Bench::new(&FOCUS.replace("-300, -150, 0, 150, 300", "0, 2")).run());
    assert!(code == 2 && said.contains("stepping too small") && !said.contains("focus it again"), "{said}");
    let options = Options { pace: Pace::Fast, picture_size: (300, 200), model: Model::NoRaw, ..Options::default() };
    let blind = Body::start(options).unwrap();
    let bench = Bench::on(FOCUS, &blind);
    let (code, said) = ending(&bench.run());
    assert!(code == 1 || code == 2, "{said}");
    assert!(said.lines().count() <= 3 && said.contains("live view"), "{said}");
    assert!(bench.shots().is_empty());
}

#[test]
fn a_lens_at_the_end_of_its_travel_is_not_turned_back_by_steps_that_it_never_made() {
    let body = body();
    let bench = Bench::on(&FOCUS.replace("150, 300]", "9000]"), &body);
    body.operator().set_focal_length(50.0);
    let (code, said) = ending(&bench.run());
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the lens is at the end of its focus travel between +0 and +9000 motor steps"), "{said}");
    assert!(said.contains("focus it again before the next run"), "{said}");
    // Where it met the end, at infinity.
    assert!(body.operator().focus() > 900.0, "{} m", body.operator().focus());
    assert_eq!(bench.shots().len(), 3);
}

#[test]
fn files_are_named_as_the_plan_says() {
    let plan = FOCUS.replace("scenes:", "naming: '{light}/{scene}-{subject}/{iso}_{shutter}_{focus}_{index}'\nscenes:");
    let body = body();
    let bench = Bench::on(&plan, &body);
    body.operator().set_focal_length(50.0);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let names: Vec<String> = bench.shots().iter().map(|s| s.files[0].path.to_string()).collect();
    assert_eq!(names[0], "shots/bright/hall-background/100_1-250_-300_0000.jpg");
    assert_eq!(names[4], "shots/bright/hall-background/100_1-250_+300_0004.jpg");
    let wrong = plan.replace("{index}", "{indx}");
    std::fs::write(bench.plan(), wrong).unwrap();
    let (code, said) = ending(&bench.run());
    assert!(code == 2 && said.contains("plan.yaml:3:9: naming: there is no field `{indx}`"), "{said}");
}

#[test]
fn a_plan_brings_its_hook_and_the_option_goes_before_it() {
    let plan = "version: 1\nname: hooked\nhook: 'echo plan $CAPTURE_KEY >&2'\nscenes: [{ id: hall, place: indoor, light: \
                bright }]\nsweeps: [{ subject: background, shutter: [1/60], f_number: [8] }]\n";
    let bench = Bench::new(plan);
    let said = text(&bench.run().stderr);
    assert!(said.contains("plan hall/background/f8_1-60_iso100/1"), "{said}");
    let mut bench = Bench::new(plan);
    bench.extra = vec!["--hook".into(), "echo option >&2".into()];
    let said = text(&bench.run().stderr);
    assert!(said.contains("option") && !said.contains("plan hall"), "{said}");
}
