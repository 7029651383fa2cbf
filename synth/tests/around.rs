//! Shards, near-duplicates, gallery, statistics and exports of a built data set.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::Command;

use support::{Bench, SMALL, done, told, tree};

#[test]
fn shards_in_any_order_join_to_the_same_bytes() {
    let bench = Bench::new(50, SMALL);
    done(bench.build("whole", &[]));
    for shard in ["2/3", "0/3"] {
        done(bench.build("parts", &["--shard", shard]));
    }
    // The last one as a task of a Slurm array that counts from 1.
    let mut task = bench.command("parts", &["--shard", "slurm"]);
    task.env("SLURM_ARRAY_TASK_MIN", "1").env("SLURM_ARRAY_TASK_ID", "2").env("SLURM_ARRAY_TASK_COUNT", "3");
    done(task.output().unwrap());
    let (code, said) = told(&bench.run(&["verify", "parts"]));
    assert_eq!(code, 2);
    assert!(said.contains("cat samples.*-of-*.jsonl > samples.jsonl"), "{said}");
    let join = "cd parts && cat samples.*-of-*.jsonl > samples.jsonl && rm samples.*-of-*.jsonl";
    assert!(Command::new("sh").current_dir(bench.dir.path()).args(["-c", join]).status().unwrap().success());
    assert_eq!(tree(&bench.path("whole")), tree(&bench.path("parts")));
    let (code, said) = told(&bench.build("more", &["--shard", "3/3"]));
    assert_eq!(code, 2, "{said}");
}

/// Kubernetes tells a pod of an indexed job which one it is, and not of how many.
#[test]
fn pods_of_an_indexed_job_make_a_shard_each_and_join_to_the_same_bytes() {
    let bench = Bench::new(50, SMALL);
    done(bench.build("whole", &[]));
    let pod = |index: Option<&str>| {
        let mut pod = bench.command("parts", &["--shard", "kubernetes/4"]);
        pod.env_remove("JOB_COMPLETION_INDEX");
        index.map(|index| pod.env("JOB_COMPLETION_INDEX", index));
        pod.output().unwrap()
    };
    // Pods write to one volume at the same time, and a job may start one twice.
    std::thread::scope(|scope| {
        ["0", "1", "2", "3"].map(|index| scope.spawn(move || done(pod(Some(index))))).map(|pod| pod.join().unwrap())
    });
    assert!(
        done(pod(Some("2"))).contains("0 samples from") && bench.path("parts/samples.00002-of-00004.jsonl").exists()
    );
    let join = "cd parts && cat samples.*-of-*.jsonl > samples.jsonl && rm samples.*-of-*.jsonl";
    assert!(Command::new("sh").current_dir(bench.dir.path()).args(["-c", join]).status().unwrap().success());
    assert_eq!(tree(&bench.path("whole")), tree(&bench.path("parts")));
    for (index, clause) in [
        (None, "`--shard kubernetes/4` needs the variable JOB_COMPLETION_INDEX"),
        (Some("4"), "shard 4 of 4: shards count from 0 to n - 1"),
        (Some("one"), "JOB_COMPLETION_INDEX=one is not a whole number"),
    ] {
        let (code, said) = told(&pod(index));
        assert!(code == 2 && said.contains(clause), "{code} {said}");
    }
}

#[test]
fn one_picture_in_two_files_is_never_in_two_splits() {
    let bench = Bench::new(8, "sizes: [32x64]\nsplits: {train: 0.4, validation: 0.3, test: 0.3}");
    // The same picture at another size and as a JPEG, in the other layer.
    let wave = |x: u32, y: u32, k: f64| 120.0 + 90.0 * (f64::from(x) / 97.0 * k + f64::from(y) / 61.0).sin();
    let shown = image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([1.0, 1.7, 0.6].map(|k| wave(x, y, k) as u8)));
    let shown = image::DynamicImage::from(shown);
    shown.save(bench.path("behind/original.png")).unwrap();
    shown
        .resize_exact(320, 240, image::imageops::FilterType::Triangle)
        .to_rgb8()
        .save(bench.path("before/copy.jpg"))
        .unwrap();
    for seed in 0..6 {
        let text = std::fs::read_to_string(bench.path("recipe.yaml")).unwrap();
        let line = text.lines().find(|l| l.starts_with("seed")).unwrap();
        std::fs::write(bench.path("recipe.yaml"), text.replace(line, &format!("seed: {seed}"))).unwrap();
        let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
        let split = |list: &[manifests::dataset::SourceImage], name: &str| {
            list.iter().find(|s| s.path == name).map(|s| (s.split, s.scene.clone())).unwrap()
        };
        let dataset = mixer.dataset();
        assert_eq!(split(&dataset.backgrounds, "original.png"), split(&dataset.reflections, "copy.jpg"));
        assert!(mixer.notes().iter().any(|n| n.contains("show the same picture")), "{:?}", mixer.notes());
    }
    done(bench.build("out", &[]));
    done(bench.run(&["check", "out"]));
    // A manifest that someone else wrote: the copy on the other side is found.
    let text = std::fs::read_to_string(bench.path("out/dataset.yaml")).unwrap();
    let at = text.find("copy.jpg").unwrap();
    let (before, after) = text.split_at(at);
    let old =
        ["train", "validation", "test"].into_iter().find(|s| after.split("split: ").nth(1).unwrap().starts_with(s));
    let new = if old == Some("train") { "test" } else { "train" };
    let moved = after.replacen(&format!("split: {}", old.unwrap()), &format!("split: {new}"), 1);
    std::fs::write(bench.path("out/dataset.yaml"), format!("{before}{moved}")).unwrap();
    let (code, said) = told(&bench.run(&["check", "out"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("copy.jpg") && said.contains("show the same picture"), "{said}");
}

#[test]
fn the_gallery_is_one_file_with_every_picture_and_the_worst_of_each_kind() {
    // Weak and strong reflections, and alphas that clip.
    let bench = Bench::new(60, &format!("{SMALL}\nmix: {{alpha: [0.8, 1.2], beta: [0.02, 1]}}"));
    done(bench.build("out", &[]));
    done(bench.run(&["gallery", "out", "--limit", "10", "--out", "page.html"]));
    let page = std::fs::read_to_string(bench.path("page.html")).unwrap();
    assert_eq!(page.matches("<figure").count(), 10);
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 30);
    assert!(!page.contains("http://") && !page.contains("https://"), "needs nothing from elsewhere");
    let samples = synth::dataset::open(&bench.path("out")).unwrap().samples;
    let worst = |of: &dyn Fn(&manifests::dataset::Sample) -> f64| {
        samples.iter().max_by(|a, b| of(a).total_cmp(&of(b))).map(|s| s.index).unwrap()
    };
    for index in [
        worst(&|s| s.clipped),
        worst(&|s| s.quality.unwrap().effective_beta),
        worst(&|s| -s.quality.unwrap().effective_beta),
        worst(&|s| -s.quality.unwrap().contrast),
    ] {
        let at = page.find(&format!("data-index=\"{index}\"")).unwrap_or_else(|| panic!("{index} is not shown"));
        let figure = page[at..].split("</figure>").next().unwrap();
        // The worst of each kind comes before the second worst of any.
        let place = figure.split("data-worst=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(place.parse::<u64>().unwrap() < 4, "{index}: {place}");
        assert!(figure.contains("<mark>") && figure.contains("alpha") && figure.contains("effective_beta"));
    }
}

#[test]
fn statistics_are_those_of_the_lines() {
    let bench = Bench::new(40, SMALL);
    done(bench.build("out", &[]));
    let said = done(bench.run(&["stats", "out", "--json"]));
    let stats: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(stats["samples"], 40);
    assert_eq!(stats["splits"], serde_json::json!([20, 10, 10]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let mean = reader.samples.iter().map(|s| s.drawn.beta).sum::<f64>() / 40.0;
    let beta = stats["numbers"].as_array().unwrap().iter().find(|n| n["name"] == "beta").unwrap();
    assert!((beta["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert_eq!(beta["asked"], serde_json::json!([0.1, 0.5]));
    assert!(done(bench.run(&["stats", "out"])).contains("40 samples: 20 train, 10 validation, 10 test"));
}

#[test]
fn exports_hold_the_same_pictures() {
    let bench = Bench::new(12, SMALL);
    done(bench.build("out", &[]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    for format in ["errnet", "imagefolder", "webdataset"] {
        done(bench.run(&["export", format, "out", "--out", format]));
    }
    let read = |path: String| std::fs::read(bench.path(&path)).unwrap();
    for (i, sample) in reader.samples.iter().enumerate() {
        let (paths, split, name) = (reader.paths(i), sample.split, format!("{:06}.png", sample.index));
        let mixture = std::fs::read(&paths.mixture).unwrap();
        let reflection = std::fs::read(&paths.reflection).unwrap();
        assert_eq!(read(format!("errnet/{split}/blended/{name}")), mixture);
        assert_eq!(read(format!("errnet/{split}/reflection_layer/{name}")), reflection);
        let rows = String::from_utf8(read(format!("imagefolder/{split}/metadata.jsonl"))).unwrap();
        let row = rows
            .lines()
            .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
            .find(|r| r["index"] == sample.index)
            .unwrap();
        let file = row["mixture_file_name"].as_str().unwrap();
        assert_eq!(read(format!("imagefolder/{split}/{file}")), mixture);
        assert_eq!(row["alpha"].as_f64(), Some(sample.drawn.alpha));
        // The real tar reads it.
        let tar = Command::new("tar")
            .current_dir(bench.path("webdataset"))
            .args(["-xOf", &format!("{split}-000000.tar"), &format!("{:06}.reflection.png", sample.index)])
            .output()
            .unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        assert_eq!(tar.stdout, reflection);
    }
    let stopped = synth::export::export(
        synth::export::Format::Errnet,
        &bench.path("out"),
        &bench.path("stopped"),
        &synth::Progress::silent(),
        &std::sync::atomic::AtomicBool::new(true),
    );
    assert_eq!(stopped.unwrap_err().exit_code(), 3);
    let left = std::fs::read_dir(bench.path("")).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.filter(|n| n.as_encoded_bytes().starts_with(b".writing-") || n == "stopped").count() == 0);
    let (code, said) = told(&bench.run(&["export", "errnet", "out", "--out", "errnet"]));
    assert_eq!(code, 2);
    assert!(said.contains("is there already"), "{said}");
    assert!(
        std::fs::read_dir(bench.dir.path()).unwrap().all(|e| !e
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.'))
    );
}

/// Damaged pictures are not passed on, and what is missing is named where it should be.
#[test]
fn damage_is_not_exported_and_shows_in_replay_and_verify() {
    let bench = Bench::new(6, SMALL);
    done(bench.build("out", &[]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let (line, picture) =
        (std::fs::read_to_string(bench.path("out/samples.jsonl")).unwrap(), reader.paths(3).background);
    let bytes = std::fs::read(&picture).unwrap();
    let failed = |args: &[&str], clauses: &[&str]| {
        let (code, said) = told(&bench.run(args));
        assert!(code != 0 && clauses.iter().all(|clause| said.contains(clause)), "{args:?}: {code} {said}");
    };
    let name = picture.file_name().unwrap().to_str().unwrap();
    std::fs::write(&picture, &bytes[..bytes.len() / 2]).unwrap();
    failed(&["export", "errnet", "out", "--out", "export"], &[name, "its hash differs"]);
    failed(&["replay", "out", "3"], &[name, "is not what the manifest says, which rebuilds"]);
    std::fs::remove_file(&picture).unwrap();
    failed(&["export", "webdataset", "out", "--out", "export"], &[name, "cannot read"]);
    // The manifest is enough to rebuild a sample.
    done(bench.run(&["replay", "out", "3"]));
    std::fs::write(&picture, &bytes).unwrap();
    done(bench.run(&["export", "errnet", "out", "--out", "export"]));

    let clipped = format!("\"clipped\":{:?}", reader.samples[3].clipped);
    let (start, end) = line.split_once("{\"index\":3,").unwrap();
    let edited = format!("{start}{{\"index\":3,{}", end.replacen(&clipped, "\"clipped\":-5.0", 1));
    assert_ne!(edited, line);
    std::fs::write(bench.path("out/samples.jsonl"), edited).unwrap();
    failed(&["verify", "out"], &["sample 3: ", "the manifest says -5"]);
    failed(&["replay", "out", "3"], &["samples.jsonl:4: rebuilt, the sample has another `clipped`"]);
    // A number that no recipe draws is counted, not trusted.
    let alpha = format!("\"alpha\":{:?}", reader.samples[3].drawn.alpha);
    std::fs::write(bench.path("out/samples.jsonl"), line.replacen(&alpha, "\"alpha\":1e300", 1)).unwrap();
    let stats: serde_json::Value = serde_json::from_str(&done(bench.run(&["stats", "out", "--json"]))).unwrap();
    assert_eq!(stats["numbers"][0]["max"].as_f64(), Some(1e300));
}
