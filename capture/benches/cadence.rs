//! How fast shots come: the whole program on a rehearsal camera that takes its time, beside a shell loop of the
//! gphoto2 program on the same camera and sweep, in one run.
//!
//!     cargo bench -p capture --bench cadence [-- SHOTS]
//!
//! What the camera takes by itself for each setting, from the release to the file on its card, is measured by pressing
//! its own button. What the program takes beyond that is everything else: setting, reading back, transfer, hashing,
//! syncing to the disk, decoding, figures and journal.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use capture::rehearsal::{Body, Options, Pace};
use manifests::{Shutter, session::Shot};

const SHUTTER: [&str; 4] = ["1/60", "1/15", "1/8", "1/4"];
const F_NUMBER: [&str; 2] = ["8", "11"];

fn main() {
    // Cargo adds `--bench`.
    let shots = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(64usize).next_multiple_of(8);
    let folder = tempfile::tempdir().unwrap();
    let options = Options { pace: Pace::RealTime, card: Some(folder.path().join("card")), ..Options::default() };
    let (width, height) = options.picture_size;
    let body = Body::start(options).unwrap();
    println!("{shots} shots of {width} x {height}, exposures {} s", SHUTTER.join(", "));

    let (ours, each) = capture(&body, folder.path(), shots);
    let alone = camera_alone(&body, folder.path());
    let own = |shot: &Shot| alone[&shot.requested.shutter.to_string()];
    let mut beyond: Vec<f64> = each.iter().map(|(shot, took)| (took.as_secs_f64() - own(shot)) * 1000.0).collect();
    beyond.sort_by(f64::total_cmp);
    let at = |q: f64| beyond[((beyond.len() - 1) as f64 * q) as usize];
    println!("the camera alone, release to card: {}", pairs(&alone));
    println!("capture      {ours:6.1} shots a minute");
    println!(
        "             {:.0} ms a shot beyond the camera's own time, transfer included (median; 10 % below {:.0}, 90 % below {:.0})",
        at(0.5),
        at(0.1),
        at(0.9)
    );
    match shell_loop(&body, folder.path(), shots.min(16)) {
        Some(theirs) => {
            println!("gphoto2 loop {theirs:6.1} shots a minute: capture is {:.1} times as fast", ours / theirs)
        }
        None => println!("gphoto2 loop: the program gphoto2 is not installed"),
    }
}

fn pairs(alone: &BTreeMap<String, f64>) -> String {
    let words: Vec<String> = alone.iter().map(|(s, t)| format!("{s} s in {:.0} ms", t * 1000.0)).collect();
    words.join(", ")
}

/// Shots a minute of the whole program, start and end included, and how long each took from the one before it.
fn capture(body: &Body, folder: &Path, shots: usize) -> (f64, Vec<(Shot, Duration)>) {
    let plan = folder.join("plan.yaml");
    let text = format!(
        "{{ version: 1, name: cadence, scenes: [{{ id: hall, place: indoor, light: bright }}],
           sweeps: [{{ subject: background, shutter: [{}], f_number: [{}], repeats: {} }}] }}",
        SHUTTER.join(", "),
        F_NUMBER.join(", "),
        shots / 8
    );
    std::fs::write(&plan, text).unwrap();
    let begun = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_capture"))
        .arg("run")
        .arg(&plan)
        .arg("--session")
        .arg(folder.join("session"))
        .args(["--yes", "--json", "--camera", &format!("ptpip:127.0.0.1:{}", body.port())])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut each = Vec::new();
    let mut last: Option<Instant> = None;
    for line in BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap) {
        let now = Instant::now();
        let Ok(shot) = serde_json::from_str::<Shot>(&line) else { continue };
        // The first one has the start in it.
        if let Some(last) = last.replace(now) {
            each.push((shot, now - last));
        }
    }
    assert!(program.wait().unwrap().success());
    assert_eq!(each.len() + 1, shots);
    (shots as f64 * 60.0 / begun.elapsed().as_secs_f64(), each)
}

/// Seconds from the release to the file on the card for each shutter speed, median of five.
fn camera_alone(body: &Body, folder: &Path) -> BTreeMap<String, f64> {
    let hands = body.operator();
    let mut alone = BTreeMap::new();
    for shutter in SHUTTER {
        assert!(gphoto(body, folder, &["--set-config", &format!("shutterspeed2={shutter}")]).unwrap());
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let (before, begun) = (hands.card_shots(), Instant::now());
                hands.press_shutter();
                while hands.card_shots() == before {
                    std::thread::sleep(Duration::from_micros(200));
                }
                let took = begun.elapsed().as_secs_f64();
                std::thread::sleep(Duration::from_millis(50));
                took
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let name = shutter.parse::<Shutter>().unwrap().to_string();
        alone.insert(name, times[2]);
    }
    alone
}

/// Shots a minute of the gphoto2 program called once a shot, as a shell script would; none where it is not installed.
fn shell_loop(body: &Body, folder: &Path, shots: usize) -> Option<f64> {
    let begun = Instant::now();
    let sweep = F_NUMBER.iter().flat_map(|f| SHUTTER.iter().map(move |s| (f, s))).cycle().take(shots);
    for (i, (f_number, shutter)) in sweep.enumerate() {
        let name = format!("{i:04}.jpg");
        let (f_number, shutter) = (format!("f-number=f/{f_number}"), format!("shutterspeed2={shutter}"));
        let good = gphoto(
            body,
            folder,
            &["--set-config", &f_number, "--set-config", &shutter, "--capture-image-and-download", "--filename", &name],
        )?;
        assert!(good && folder.join(&name).exists(), "gphoto2 did not take {name}");
    }
    Some(shots as f64 * 60.0 / begun.elapsed().as_secs_f64())
}

/// Runs gphoto2; none where it is not installed.
fn gphoto(body: &Body, folder: &Path, arguments: &[&str]) -> Option<bool> {
    let port = body.port();
    let output = Command::new("gphoto2")
        .args(["--quiet", "--camera", "Nikon DSC D5300", "--port", &format!("ptpip:127.0.0.1:{port}:{port}")])
        .args(arguments)
        .env("HOME", folder)
        .current_dir(folder)
        .output()
        .ok()?;
    Some(output.status.success())
}
