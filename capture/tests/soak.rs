//! A day's work and more, with everything going wrong: faults of the camera at random, one in about twenty of the
//! program's questions to it, its process killed, the program killed and run again. At the end every shot is there
//! once, as what it is, whole.
//!
//! A few hundred shots by default. The long one:
//!
//!     VITRINE_SOAK_SHOTS=10000 cargo test --release -p capture --test soak -- --nocapture
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use capture::rehearsal::{Action, Body, Fault, Faults, Operation, Options, Pace};
use manifests::Seed;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use support::{Bench, text};

/// Sessions side by side, each with a camera of its own: they wait more than they work.
const SIDE_BY_SIDE: usize = 10;
/// Shots of the longest session; a longer soak has several one after the other.
const LONGEST: usize = 1000;
/// What program and camera process may hold together.
const MEMORY_KIB: u64 = 200 << 10;

/// What a session went through.
#[derive(Debug, Default, Clone, Copy)]
struct Toll {
    shots: usize,
    /// Lines that the program printed.
    lines: usize,
    faults: usize,
    holders_killed: usize,
    programs_killed: usize,
    gave_up: usize,
    retaken: usize,
    peak_kib: u64,
}

/// Faults by chance. A shot asks the camera five or six times, so a quarter of a fault a shot is one in twenty.
fn faults(seed: u64) -> Faults {
    let by_chance = |on, action, chance| Fault { chance: Some(chance), ..Fault::at(on, 1, action) };
    Faults {
        seed: Seed(seed),
        faults: vec![
            by_chance(Operation::Capture, Action::DropBefore, 0.02),
            by_chance(Operation::Capture, Action::DropAfter, 0.02),
            by_chance(Operation::Capture, Action::Busy, 0.02),
            by_chance(Operation::Capture, Action::GeneralError, 0.01),
            by_chance(Operation::Capture, Action::Truncate, 0.02),
            by_chance(Operation::Capture, Action::Hang, 0.01),
            by_chance(Operation::Object, Action::DropDuring, 0.03),
            by_chance(Operation::Object, Action::Truncate, 0.02),
            by_chance(Operation::Object, Action::Hang, 0.01),
            by_chance(Operation::SetProperty, Action::DropBefore, 0.02),
            by_chance(Operation::SetProperty, Action::Busy, 0.02),
            by_chance(Operation::ReadProperty, Action::DropAfter, 0.005),
            by_chance(Operation::DeviceReady, Action::Hang, 0.005),
            by_chance(Operation::Events, Action::DropDuring, 0.005),
        ],
        ..Faults::default()
    }
}

/// A plan of so many shots, 40 combinations of settings that each show in the file, and repeats of them.
fn plan(shots: usize) -> String {
    assert_eq!(shots % 40, 0);
    format!(
        "version: 1
name: soak
scenes: [{{ id: hall, place: indoor, light: bright }}]
sweeps:
  - {{ subject: reflection, shutter: [1/250, 1/125, 1/60, 1/30], f_number: [5.6, 8, 11, 16, 22], iso: [100, 400],
      repeats: {} }}
",
        shots / 40
    )
}

/// The process that holds the camera for a program.
fn holder(program: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{program}/task/{program}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// The most memory that a process ever held, KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn kill(id: u32) {
    // It may have ended by itself.
    Command::new("kill").args(["-KILL", &id.to_string()]).stderr(Stdio::null()).status().unwrap();
}

/// Runs the program once; true when it says that the session is complete.
fn run(bench: &Bench, chance: &mut ChaCha8Rng, toll: &mut Toll) -> bool {
    let log = bench.folder.path().join("messages");
    let messages = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let mut program: Child = bench.command().stdout(Stdio::piped()).stderr(messages).spawn().unwrap();
    for line in BufReader::new(program.stdout.take().unwrap()).lines() {
        line.unwrap();
        let holder = holder(program.id());
        toll.peak_kib = toll.peak_kib.max(peak(program.id()) + holder.map_or(0, peak));
        // By chance, and once for certain in each session.
        let dice = if toll.programs_killed == 0 && toll.lines >= 20 { 0 } else { chance.next_u32() % 100 };
        toll.lines += 1;
        if dice < 3 {
            thread::sleep(Duration::from_millis(u64::from(chance.next_u32() % 120)));
            if dice == 0 {
                program.kill().unwrap();
                toll.programs_killed += 1;
                break;
            }
            holder.into_iter().for_each(kill);
            toll.holders_killed += 1;
        }
    }
    let code = program.wait().unwrap().code();
    if code == Some(1) {
        toll.gave_up += 1;
        println!("gave up: {}", tail(&log).lines().last().unwrap_or_default());
    }
    assert!(matches!(code, None | Some(0 | 1)), "exit code {code:?}: {}", tail(&log));
    code == Some(0)
}

/// The last messages of a log.
fn tail(log: &Path) -> String {
    let all = text(&std::fs::read(log).unwrap());
    let lines: Vec<&str> = all.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The lines around the first that has a word.
fn around(messages: &str, word: &str) -> String {
    let lines: Vec<&str> = messages.lines().collect();
    let at = lines.iter().position(|l| l.contains(word)).unwrap_or(0);
    lines[at.saturating_sub(15)..(at + 5).min(lines.len())].join("\n")
}

fn session(shots: usize, seed: u64) -> Toll {
    let mut toll = Toll { shots, ..Toll::default() };
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let card = folder.path().join("card");
    let body = Body::start(Options {
        pace: Pace::Fast,
        picture_size: (300, 200),
        faults: faults(seed),
        card: Some(card.clone()),
        ..Options::default()
    })
    .unwrap();
    let bench = Bench::on(&plan(shots), &body);
    let mut runs = 0;
    while !run(&bench, &mut chance, &mut toll) {
        runs += 1;
        assert!(runs < 20 + shots, "no end: {}", tail(&bench.folder.path().join("messages")));
    }
    let messages = text(&std::fs::read(bench.folder.path().join("messages")).unwrap());
    toll.faults = messages.matches("connecting again").count() + messages.matches("fetching it again").count();

    bench.assert_complete(shots);
    assert!(
        bench.unplanned().is_empty(),
        "taken twice: {:?}\n{}",
        bench.unplanned(),
        bench.unplanned().iter().map(|u| around(&messages, u.key.rsplit('/').next().unwrap())).collect::<String>()
    );
    // The card accounts for every release: what is no shot of the session was truncated on the card.
    let recorded: HashSet<String> = bench.shots().into_iter().flat_map(|s| s.files).map(|f| f.camera_name).collect();
    for entry in std::fs::read_dir(card.join("DCIM/100D5300")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !recorded.iter().any(|r| r.ends_with(name)) {
            toll.retaken += 1;
            let whole = std::fs::read(&path).unwrap().ends_with(&[0xFF, 0xD9]);
            assert!(!whole, "{name} is whole and no shot: {}", tail(&bench.folder.path().join("messages")));
        }
    }
    toll
}

#[test]
fn whatever_goes_wrong_every_shot_is_there_once() {
    let wanted: usize = std::env::var("VITRINE_SOAK_SHOTS").map_or(240, |n| n.parse().unwrap());
    let each = (wanted / SIDE_BY_SIDE).clamp(40, LONGEST).next_multiple_of(40);
    let sessions = wanted.div_ceil(each);
    let seed = std::process::id() as u64;
    println!("{sessions} sessions of {each} shots, seed {seed}");
    let begun = Instant::now();
    let mut tolls = Vec::new();
    while tolls.len() < sessions {
        let now = SIDE_BY_SIDE.min(sessions - tolls.len());
        let first = seed * 1000 + tolls.len() as u64;
        let running: Vec<_> = (0..now as u64).map(|i| thread::spawn(move || session(each, first + i))).collect();
        for one in running {
            let toll = one.join().unwrap();
            println!("{:6.0} s  {toll:?}", begun.elapsed().as_secs_f64());
            tolls.push(toll);
        }
    }
    let sum = |f: fn(&Toll) -> usize| tolls.iter().map(f).sum::<usize>();
    let peak = tolls.iter().map(|t| t.peak_kib).max().unwrap();
    println!(
        "{} shots: {} faults, {} camera processes and {} programs killed, {} runs gave up and were run again, {} damaged photographs \
         taken again; none lost, doubled or mislabelled, every hash right; peak memory of program and camera process {} MiB",
        sum(|t| t.shots),
        sum(|t| t.faults),
        sum(|t| t.holders_killed),
        sum(|t| t.programs_killed),
        sum(|t| t.gave_up),
        sum(|t| t.retaken),
        peak >> 10
    );
    assert!(sum(|t| t.faults) * 10 > sum(|t| t.shots), "too few faults to say anything");
    assert!(sum(|t| t.programs_killed) >= sessions, "each session's program is killed at least once");
    assert!(peak < MEMORY_KIB, "{peak} KiB");
}
