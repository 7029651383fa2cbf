//! Whatever is killed, dropped or stopped: the same command again, and every shot is there exactly once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use support::{Bench, PLAN, SHOTS, ending, text};

/// Kills a process.
fn kill(id: u32, signal: &str) {
    Command::new("kill").args([format!("-{signal}"), id.to_string()]).status().unwrap();
}

/// The process that holds the camera for the program `parent`.
fn holder(parent: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().find_map(|id| {
        let command = std::fs::read_to_string(Path::new("/proc").join(id).join("cmdline")).ok()?;
        command.contains("camera-host").then(|| id.parse().ok()).flatten()
    })
}

/// A number from 0 to `n` - 1 that differs from call to call and from run to run.
fn any(n: u64) -> u64 {
    let mut bytes = [0; 8];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    u64::from_le_bytes(bytes) % n
}

#[test]
fn the_program_killed_at_any_moment_goes_on_where_it_was() {
    let bench = Bench::new(PLAN);
    let mut kills = 0;
    for _ in 0..40 {
        let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // After the first shots of this run, somewhere within the next.
        let ended = (0..=any(3)).any(|_| lines.next().is_none());
        if !ended {
            sleep(Duration::from_millis(any(250)));
            kill(child.id(), "KILL");
            kills += 1;
        }
        let status = child.wait().unwrap();
        if ended || status.success() {
            assert_eq!(status.code(), Some(0));
            break;
        }
    }
    assert!(kills >= 3, "only {kills} kills");
    assert_eq!(bench.run().status.code(), Some(0));
    bench.assert_complete(SHOTS);
}

#[test]
fn the_process_that_holds_the_camera_killed_is_started_again() {
    let bench = Bench::new(PLAN);
    let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut kills = 0;
    for (n, line) in BufReader::new(child.stdout.take().unwrap()).lines().enumerate() {
        line.unwrap();
        if n % 5 == 2 {
            sleep(Duration::from_millis(any(80)));
            if let Some(id) = holder(child.id()) {
                kill(id, "KILL");
                kills += 1;
            }
        }
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(kills >= 2 && text(&output.stderr).contains("connecting again"), "{}", text(&output.stderr));
    bench.assert_complete(SHOTS);
}

#[test]
fn ctrl_c_ends_after_the_shot_under_way_and_says_how_to_go_on() {
    let bench = Bench::new(PLAN);
    let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    kill(child.id(), "INT");
    let shot = 1 + lines.filter(|l| !l.as_ref().unwrap().contains("\"summary\"")).count();
    let (code, message) = ending(&child.wait_with_output().unwrap());
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("run the same command again to continue"), "{message}");
    assert_eq!(bench.shots().len(), shot);
    assert!(shot < SHOTS);
    assert_eq!(bench.run().status.code(), Some(0));
    bench.assert_complete(SHOTS);
}

#[test]
fn faults_of_the_camera_lose_and_double_nothing() {
    let faults = "
  - { on: capture, do: drop-before, nth: 2 }
  - { on: capture, do: drop-after, nth: 4 }
  - { on: device-ready, do: drop-during, nth: 9 }
  - { on: object, do: drop-during, nth: 6 }
  - { on: object, do: truncate, nth: 9 }
  - { on: capture, do: truncate, nth: 8 }
  - { on: set-property, do: busy, nth: 14, times: 2 }
  - { on: capture, do: busy, nth: 11, times: 2 }
  - { on: capture, do: general-error, nth: 16 }
  - { on: read-property, do: drop-after, nth: 120 }
";
    let bench = Bench::with_faults(PLAN, faults);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("connecting again"), "{}", text(&output.stderr));
    bench.assert_complete(SHOTS);
    // Not a grey half and not its neighbour: each photograph shows what an undisturbed session shows.
    let calm = Bench::new(PLAN);
    assert_eq!(calm.run().status.code(), Some(0));
    // One that was taken again is recorded after its neighbour.
    let mut shots = bench.shots();
    shots.sort_by_key(|s| s.index);
    for (a, b) in shots.iter().zip(calm.shots()) {
        let (a, b) = (a.quality.unwrap().level, b.quality.unwrap().level);
        assert!((a / b).log2().abs() < 0.1, "level {a} where {b} was expected");
    }
}

#[test]
fn events_out_of_order_and_twice_are_one_photograph_each() {
    let faults = "
  - { on: capture, do: duplicate-event, nth: 2, every: 3 }
  - { on: capture, do: swap-events, nth: 3, every: 3 }
";
    let bench = Bench::with_faults(PLAN, faults);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(SHOTS);
    assert_eq!((bench.card().len(), bench.unplanned().len()), (SHOTS, 0));
}

#[test]
fn a_flat_battery_without_anybody_there_ends_with_a_remedy() {
    let bench = Bench::with_faults(PLAN, "  - { on: capture, do: low-battery, nth: 3 }\n");
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 1, "{message}");
    let last = message.lines().last().unwrap();
    assert!(last.contains("look at the battery") && last.contains("2 of 19 shots are stored"), "{message}");
}

#[test]
fn a_camera_that_hangs_is_given_up_and_its_photograph_fetched() {
    let bench = Bench::with_faults(PLAN, "  - { on: device-ready, do: hang, nth: 8, seconds: 600 }\n");
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("connecting again"), "{}", text(&output.stderr));
    bench.assert_complete(SHOTS);
}

#[test]
fn a_full_card_and_a_wrong_dial_end_with_a_remedy() {
    let bench = Bench::with_faults(PLAN, "  - { on: capture, do: card-full, nth: 3 }\n");
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("another card") && message.contains("2 of 19 shots are stored"), "{message}");
    let bench = Bench::with_faults(PLAN, "  - { on: open-session, do: wrong-dial }\n");
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("turn it to M"), "{message}");
    assert!(bench.shots().is_empty());
}
