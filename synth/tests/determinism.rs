//! The same bytes from any number of threads, after any interruption, online or on the disk.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt, path::Path, time::Duration};

use manifests::dataset::Split;
use support::{Bench, SMALL, done, hash_of_pictures, told, tree};

/// Pinned: sources, draws, filters and encoder have not changed since [`synth::ARITHMETIC`] was 1. When one changes on
/// purpose, that number goes up with it.
#[test]
fn the_bytes_are_pinned() {
    let bench = Bench::new(20, SMALL);
    done(bench.build("out", &["--threads", "1"]));
    assert_eq!(tree(&bench.path("out")).len(), 20 * 3 + 2);
    assert_eq!(
        hash_of_pictures(&bench.path("out")),
        "c8131630215225e12f3f8b5290fbcc0d22693dbb247c5309f08e1148ac5d64df"
    );
}

#[test]
fn threads_change_no_byte() {
    let bench = Bench::new(40, SMALL);
    for (out, threads) in [("one", "1"), ("sixteen", "16")] {
        done(bench.build(out, &["--threads", threads]));
    }
    assert_eq!(tree(&bench.path("one")), tree(&bench.path("sixteen")));
}

#[test]
fn killed_and_run_again_gives_the_same_bytes() {
    let bench = Bench::new(900, SMALL);
    done(bench.build("whole", &[]));
    let out = bench.path("killed");
    let lines = |out: &Path| std::fs::read_to_string(out.join("samples.jsonl")).unwrap_or_default().lines().count();
    let mut kills = 0;
    // Killed as soon as each run has written a group of lines, until one gets to its end.
    loop {
        let before = lines(&out);
        let mut child = bench.command("killed", &["--threads", "2"]).spawn().unwrap();
        while child.try_wait().unwrap().is_none() && lines(&out) == before {
            std::thread::sleep(Duration::from_millis(1));
        }
        // SIGKILL; fails only when it has ended by itself.
        let _ = child.kill();
        let status = child.wait().unwrap();
        match status.signal() {
            Some(signal) => assert_eq!(signal, 9),
            None => break assert!(status.success()),
        }
        kills += 1;
        assert!(kills < 20, "each run gets further");
    }
    assert!(kills > 0, "at least one run was killed with lines written");
    // What a kill tears in the middle of a line is dropped as well.
    let text = std::fs::read(out.join("samples.jsonl")).unwrap();
    std::fs::write(out.join("samples.jsonl"), &text[..text.len() * 2 / 3]).unwrap();
    let said = done(bench.build("killed", &[]));
    assert!(said.contains("were there"), "{said}");
    assert_eq!(tree(&bench.path("whole")), tree(&out));
}

#[test]
fn interrupted_it_saves_and_says_so() {
    let bench = Bench::new(3000, SMALL);
    let mut child = bench.command("out", &["--threads", "1"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let samples = bench.path("out/samples.jsonl");
    while child.try_wait().unwrap().is_none() && std::fs::read(&samples).unwrap_or_default().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (code, said) = told(&output);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("of 3000 samples finished; the same command goes on from there"), "{said}");
    // Nothing half-written: what is listed is whole, and nothing else lies about but finished pictures.
    bench.recipe(1, SMALL);
    let log = manifests::read_log::<manifests::dataset::Sample>(&samples).unwrap();
    assert!(!log.torn && !log.rows.is_empty());
    for sample in &log.rows {
        for file in [&sample.mixture, &sample.background, &sample.reflection] {
            assert_eq!(manifests::Digest::of_file(&file.path.under(&bench.path("out"))).unwrap(), file.blake3);
        }
    }
    assert!(tree(&bench.path("out")).keys().all(|name| !name.contains(".writing-")));
}

#[test]
fn mixed_online_equals_the_disk() {
    let windows =
        "preset: errnet\nmix: {jpeg_quality: [40, 90]}\nunscaled: true\nlimits: {contrast: 0.02, clipped: 0.3}";
    for more in ["mix: {blur_sigma: [0.5, 3]}", windows] {
        let bench = Bench::new(24, &format!("{SMALL}\n{more}"));
        done(bench.build("out", &[]));
        let reader = synth::dataset::open(&bench.path("out")).unwrap();
        let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
        assert_eq!(mixer.dataset(), &reader.dataset);
        let rgb = |path: &Path| image::open(path).unwrap().into_rgb8().into_raw();
        for i in 0..reader.samples.len() {
            let (online, line, paths) = (mixer.sample(i as u64).unwrap(), &reader.samples[i], reader.paths(i));
            assert_eq!((&online.drawn, online.split, online.clipped), (&line.drawn, line.split, line.clipped));
            assert_eq!((online.redrawn, online.rejected), (line.redrawn, line.rejected));
            assert_eq!(online.mixture.size(), line.size);
            assert!(line.rejected > 0 || mixer.outline(i as u64) == (line.split, line.size));
            assert_eq!(online.mixture.data, rgb(&paths.mixture));
            assert_eq!(online.background.data, rgb(&paths.background));
            assert_eq!(online.reflection.data, rgb(&paths.reflection));
            let whole = online.unscaled.map(|layers| layers.map(|layer| layer.data));
            assert_eq!(whole, paths.unscaled.map(|paths| paths.map(|path| rgb(&path))));
        }
        assert_eq!(reader.split(Split::Test).len(), 6);
    }
}

#[test]
fn every_sample_replays_and_a_changed_source_is_found() {
    let bench = Bench::new(12, SMALL);
    done(bench.build("out", &[]));
    for i in 0..12 {
        done(bench.run(&["replay", "out", &i.to_string()]));
    }
    let (code, said) = told(&bench.run(&["replay", "out", "12"]));
    assert_eq!((code, said.as_str()), (2, "synth: out: has no sample 12; it holds 12, counted from 0\n"));
    // Moved to another machine: the note of where the sources lay leads nowhere, --sources does.
    std::fs::create_dir(bench.path("moved")).unwrap();
    for part in ["behind", "before"] {
        std::fs::rename(bench.path(part), bench.path("moved").join(part)).unwrap();
    }
    assert_eq!(bench.run(&["replay", "out", "3"]).status.code(), Some(2));
    done(bench.run(&["replay", "out", "3", "--sources", "moved"]));
    support::photographs(&bench.path("moved/behind"), 6, 1);
    let (code, said) = told(&bench.run(&["replay", "out", "3", "--sources", "moved"]));
    assert_eq!(code, 2);
    assert!(said.contains("has changed since the data set was built"), "{said}");
    let (code, said) = told(&bench.run(&["check", "out", "--sources", "moved"]));
    assert!(code == 2 && said.contains("has changed since the data set was built"), "{said}");
}

/// Folders that were given on the command line are absolute in the data set, and lie elsewhere on another machine.
#[test]
fn sources_of_the_command_line_are_found_where_they_lie_now() {
    let bench = Bench::new(6, SMALL);
    let path = |name: &str| bench.path(name).display().to_string();
    done(bench.build("out", &["--backgrounds", &path("behind"), "--reflections", &path("before")]));
    done(bench.run(&["replay", "out", "5"]));
    for (from, to) in [("behind", "b"), ("before", "r")] {
        std::fs::rename(bench.path(from), bench.path(to)).unwrap();
    }
    std::fs::remove_file(bench.path("out/origin.yaml")).unwrap();
    let (code, said) = told(&bench.run(&["replay", "out", "5", "--backgrounds", "b"]));
    assert!(code == 2 && said.contains("before"), "{said}");
    let there = ["--backgrounds", "b", "--reflections", "r"];
    done(bench.run(&[&["replay", "out", "5"][..], &there].concat()));
    done(bench.run(&[&["check", "out"][..], &there].concat()));
}

#[test]
fn verify_finds_one_changed_pixel() {
    let bench = Bench::new(10, SMALL);
    done(bench.build("out", &[]));
    let said = done(bench.run(&["verify", "out"]));
    assert!(said.contains("10 samples, 0 with faults"), "{said}");
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let path = reader.paths(4).reflection;
    let mut picture = image::open(&path).unwrap().into_rgb8();
    picture.get_pixel_mut(3, 3)[0] ^= 1;
    picture.save(&path).unwrap();
    let (code, said) = told(&bench.run(&["verify", "out"]));
    assert_eq!(code, 1);
    assert!(said.contains("sample 4: ") && said.contains("its hash differs"), "{said}");
}

#[test]
fn a_cache_changes_no_byte_and_saves_the_reading() {
    let bench = Bench::new(20, SMALL);
    done(bench.build("plain", &[]));
    done(bench.build("first", &["--cache", "cache"]));
    // Which photographs are known to be as they were depends on the time since they were written.
    let reduced = || tree(&bench.path("cache")).into_iter().filter(|(name, _)| !name.starts_with("known/"));
    let kept: BTreeMap<String, Vec<u8>> = reduced().collect();
    assert!(!kept.is_empty());
    // What is taken from the cache is used: a photograph that was changed there shows in no sample, since its hash differs.
    let (name, bytes) = kept.iter().next().unwrap();
    std::fs::write(bench.path("cache").join(name), &bytes[..bytes.len() / 2]).unwrap();
    done(bench.build("second", &["--cache", "cache"]));
    assert_eq!(tree(&bench.path("plain")), tree(&bench.path("first")));
    assert_eq!(tree(&bench.path("plain")), tree(&bench.path("second")));
    assert_eq!(kept, reduced().collect(), "the torn one was made again");
}

#[test]
fn pictures_that_are_gone_or_empty_are_made_again() {
    let bench = Bench::new(20, SMALL);
    done(bench.build("out", &[]));
    let before = tree(&bench.path("out"));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    std::fs::remove_file(reader.paths(7).reflection).unwrap();
    std::fs::write(reader.paths(12).mixture, b"").unwrap();
    done(bench.build("out", &[]));
    assert_eq!(before, tree(&bench.path("out")));
}

#[test]
fn two_builds_never_write_one_folder() {
    let bench = Bench::new(3000, SMALL);
    let mut child = bench.command("out", &["--threads", "1"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    while !bench.path("out/samples.jsonl").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    for more in [&[][..], &["--shard", "0/2"]] {
        let (code, said) = told(&bench.build("out", more));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("another `synth build` is writing here"), "{said}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Whoever held it is gone, and so is the lock.
    done(bench.build("out", &[]));
}
