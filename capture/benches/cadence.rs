//! How fast shots come: the whole program on a rehearsal camera that takes its time, beside a shell loop of the
//! gphoto2 program on the same camera and sweep, in one run.
//!
//!     cargo bench -p capture --bench cadence [-- SHOTS] [full]
//!
//! `full` has pictures of 6000 x 4000, which the body renders once for each setting.
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
    let full = std::env::args().any(|a| a == "full");
    let options = Options {
        pace: Pace::RealTime,
        card: Some(folder.path().join("card")),
        picture_size: if full { (6000, 4000) } else { Options::default().picture_size },
        same_noise: full,
        ..Options::default()
    };
    let (width, height) = options.picture_size;
    let body = Body::start(options).unwrap();
    println!("{shots} shots of {width} x {height}, exposures {} s", SHUTTER.join(", "));

    // The body's own time first: it has rendered every setting when the program comes.
    let alone = camera_alone(&body, folder.path());
    let (ours, each, memory) = capture(&body, folder.path(), shots);
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
    let bytes: u64 = each.iter().map(|(shot, _)| shot.files[0].bytes).sum();
    println!("             {:.1} MB a photograph", bytes as f64 / 1e6 / each.len() as f64);
    println!("             {:.0} MB at most of program and child together", memory as f64 / 1e6);
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

/// Shots a minute of the whole program, start and end included, how long each took from the one before it, and the most
/// memory of its processes in bytes.
fn capture(body: &Body, folder: &Path, shots: usize) -> (f64, Vec<(Shot, Duration)>, u64) {
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
    let mut memory = 0;
    for line in BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap) {
        let now = Instant::now();
        let Ok(shot) = serde_json::from_str::<Shot>(&line) else { continue };
        // The first one has the start in it.
        if let Some(last) = last.replace(now) {
            each.push((shot, now - last));
        }
        memory = memory.max(resident(program.id()));
    }
    assert!(program.wait().unwrap().success());
    assert_eq!(each.len() + 1, shots);
    (shots as f64 * 60.0 / begun.elapsed().as_secs_f64(), each, memory)
}

/// The peaks of a process's and its children's resident memory, in bytes, added.
fn resident(id: u32) -> u64 {
    let of = |id: &str| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        peak.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    of(&id.to_string()) + children.split_whitespace().map(of).sum::<u64>()
}

/// Seconds from the release to the file on the card for each shutter speed, median of five.
fn camera_alone(body: &Body, folder: &Path) -> BTreeMap<String, f64> {
    let hands = body.operator();
    let mut alone = BTreeMap::new();
    for shutter in SHUTTER {
        for f_number in F_NUMBER {
            let (f_number, shutter) = (format!("f-number=f/{f_number}"), format!("shutterspeed2={shutter}"));
            assert!(gphoto(body, folder, &["--set-config", &f_number, "--set-config", &shutter]).unwrap());
            let before = hands.card_shots();
            hands.press_shutter();
            while hands.card_shots() == before {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
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
