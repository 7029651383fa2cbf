//! What only the system can do: a disk that is full, folders that may not be read, memory that must not grow.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
};

use support::{Bench, SMALL, done, synth, told, tree};

/// A file system of 1 MiB that is full while pictures are written, then larger.
#[test]
fn a_full_file_system_stops_cleanly_and_goes_on_when_there_is_room() {
    let bench = Bench::new(400, SMALL);
    done(bench.build("whole", &[]));
    std::fs::create_dir(bench.path("out")).unwrap();
    let script = r#"
        mount -t tmpfs -o size=1m none out || exit 99
        "$0" build recipe.yaml --out out --threads 2; echo "first: $?"
        cp -a out kept
        mount -o remount,size=256m out
        "$0" build recipe.yaml --out out; echo "second: $?"
        cp -a out after
    "#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(synth().get_program());
    let output = command.current_dir(bench.dir.path()).output();
    let Some(output) = output.ok().filter(|output| output.status.code() != Some(99) && !output.stdout.is_empty())
    else {
        eprintln!("skipped: this system lets nobody mount a file system of his own");
        return;
    };
    let (_, said) = told(&output);
    assert!(said.contains("first: 1") && said.contains("second: 0"), "{said}");
    let sentence: Vec<&str> = said.lines().filter(|l| l.starts_with("synth: ")).collect();
    assert!(sentence.len() == 1 && sentence[0].contains("No space left on device"), "{said}");
    // Whatever is listed was whole.
    let log = manifests::read_log::<manifests::dataset::Sample>(&bench.path("kept/samples.jsonl")).unwrap();
    assert!(log.rows.len() < 400);
    for sample in &log.rows {
        for file in [&sample.mixture, &sample.background, &sample.reflection] {
            assert_eq!(manifests::Digest::of_file(&file.path.under(&bench.path("kept"))).unwrap(), file.blake3);
        }
    }
    assert_eq!(tree(&bench.path("whole")), tree(&bench.path("after")));
}

/// Root may read everything: as root the program runs as nobody.
#[test]
fn a_folder_that_may_not_be_read_is_told_or_left_out() {
    let bench = Bench::new(8, SMALL);
    done(bench.build("clean", &[]));
    let locked = bench.path("behind/locked");
    support::photographs(&locked, 2, 70);
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let program = bench.path("synth");
    std::fs::copy(synth().get_program(), &program).unwrap();
    mode(bench.dir.path(), 0o777);
    mode(&program, 0o755);
    mode(&locked, 0o000);
    let run = |out: &str| {
        let mut command = Command::new(&program);
        command.current_dir(bench.dir.path()).args(["build", "recipe.yaml", "--out", out]);
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.output().unwrap()
    };
    let (code, said) = told(&run("out"));
    assert!(code == 2 && said.contains("behind/locked: cannot be listed (Permission denied"), "{code} {said}");
    assert!(!bench.path("out/samples.jsonl").exists());
    bench.recipe(8, &format!("{SMALL}\nunreadable: skip"));
    let said = done(run("out"));
    assert_eq!(said.matches("behind/locked: cannot be listed").count(), 1, "{said}");
    mode(&locked, 0o755);
    let pictures =
        |name: &str| tree(&bench.path(name)).into_iter().filter(|(n, _)| n.ends_with(".png")).collect::<Vec<_>>();
    assert_eq!(pictures("clean"), pictures("out"));
}

/// The most memory that a run held, in bytes.
fn peak(mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) * 1024);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success());
    most
}

/// Photographs of 24 megapixels are decoded one a thread and kept reduced, in a file: ten times as many take no more memory.
/// (3,250 of them, the reflections of RID, are read in minutes.)
#[test]
fn memory_does_not_grow_with_the_photographs() {
    let bench = Bench::new(8, SMALL);
    std::fs::remove_dir_all(bench.path("before")).unwrap();
    std::fs::create_dir(bench.path("before")).unwrap();
    let pictures: Vec<Vec<u8>> = (0..2)
        .map(|n| {
            let mut bytes = std::io::Cursor::new(Vec::new());
            support::picture(n, 6000, 4000).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
            bytes.into_inner()
        })
        .collect();
    let more = |range: std::ops::Range<usize>| {
        for i in range {
            // Each file its own: what follows a JPEG's end is nothing of it.
            let bytes = [&pictures[i % 2][..], i.to_string().as_bytes()].concat();
            std::fs::write(bench.path(&format!("before/{i:03}.jpg")), bytes).unwrap();
        }
    };
    more(0..8);
    bench.recipe(8, "sizes: [224x288, 96x160]\nsplits: {train: 1, validation: 0, test: 0}");
    let few = peak(bench.command("few", &["--threads", "2"]));
    more(8..80);
    let many = peak(bench.command("many", &["--threads", "2"]));
    assert!(many < few + (32 << 20) && many < 1 << 30, "{many} bytes with 80 photographs, {few} with 8");
}

/// Of a million samples the last 300 are made: neither what comes before nor the count takes memory. And statistics go over
/// lines without keeping them.
#[test]
fn memory_does_not_grow_with_the_count() {
    let bench = Bench::new(300, SMALL);
    let small = peak(bench.command("small", &["--threads", "2"]));
    bench.recipe(1_000_000, SMALL);
    let large = peak(bench.command("large", &["--threads", "2", "--shard", "3333/3334"]));
    let files = tree(&bench.path("large"));
    let (_, made) = files.iter().find(|(name, _)| name.starts_with("samples.")).unwrap();
    let made = String::from_utf8_lossy(made);
    assert!(made.contains(r#"{"index":999999,"#), "{:?}", made.lines().last());
    assert!(large < small + (4 << 20), "{large} bytes at a million samples, {small} at 300");

    let lines = std::fs::read_to_string(bench.path("small/samples.jsonl")).unwrap();
    let line = lines.lines().next().unwrap().strip_prefix(r#"{"index":0,"#).unwrap();
    let stats = |count: u64| {
        let text: String = (0..count).map(|i| format!("{{\"index\":{i},{line}\n")).collect();
        std::fs::write(bench.path("small/samples.jsonl"), text).unwrap();
        let header = std::fs::read_to_string(bench.path("small/dataset.yaml")).unwrap();
        let old = header.lines().find(|l| l.trim_start().starts_with("count:")).unwrap();
        let new = format!("{}count: {count}", &old[..old.len() - old.trim_start().len()]);
        std::fs::write(bench.path("small/dataset.yaml"), header.replace(old, &new)).unwrap();
        let mut command = synth();
        command.current_dir(bench.dir.path()).args(["stats", "small", "--pictures", "0"]);
        peak(command)
    };
    let (few, many) = (stats(2_000), stats(60_000));
    assert!(many < few + (4 << 20), "{many} bytes at 60,000 lines, {few} at 2,000");
}
