//! Where photographs may come from: patterns, lists, tar files, sessions; and in which formats.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use support::{Bench, SMALL, done, photographs, picture, told};

/// A recipe with these sources of backgrounds.
fn recipe(bench: &Bench, backgrounds: &str) {
    let text = format!(
        "version: 1\nname: test\nseed: 7\ncount: 12\nsources:\n  backgrounds:\n    - {backgrounds}\n  reflections:\n    \
         - folder: before\n      licence: CC0-1.0\n{SMALL}\n"
    );
    std::fs::write(bench.path("recipe.yaml"), text).unwrap();
}

/// Paths and licences of the backgrounds of a data set.
fn listed(bench: &Bench, out: &str) -> Vec<(String, String)> {
    let reader = synth::dataset::open(&bench.path(out)).unwrap();
    reader.dataset.backgrounds.into_iter().map(|s| (s.path, s.licence)).collect()
}

fn paths(bench: &Bench, out: &str) -> Vec<String> {
    listed(bench, out).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn a_pattern_takes_what_fits_it() {
    let bench = Bench::new(12, SMALL);
    photographs(&bench.path("photos/2024-a/raw"), 4, 100);
    photographs(&bench.path("photos/2024-b"), 3, 200);
    photographs(&bench.path("photos/2023"), 3, 300);
    recipe(&bench, "{glob: 'photos/2024-*/**/*.jpg', licence: MIT}");
    done(bench.build("out", &[]));
    assert_eq!(paths(&bench, "out"), ["2024-a/raw/000.jpg", "2024-a/raw/002.jpg", "2024-b/000.jpg", "2024-b/002.jpg"]);
    done(bench.run(&["replay", "out", "3"]));
    done(bench.run(&["check", "out"]));
    recipe(&bench, "{glob: 'photos/2025-*/*.jpg', licence: MIT}");
    let (code, said) = told(&bench.build("none", &[]));
    assert_eq!(code, 2);
    assert!(said.contains("recipe.yaml:7:14: sources.backgrounds[0].glob: ") && said.contains("holds no"), "{said}");
}

#[test]
fn lists_of_three_kinds() {
    let bench = Bench::new(12, SMALL);
    // VOC's image sets: names without suffix, and a column that says whether the class is there.
    std::fs::write(bench.path("train.txt"), "# chosen\n000  1\n\n002 -1\n003\n004\n").unwrap();
    recipe(&bench, "{folder: behind, list: train.txt, licence: MIT}");
    done(bench.build("voc", &[]));
    assert_eq!(paths(&bench, "voc"), ["000.jpg", "002.jpg", "003.png", "004.jpg"]);

    std::fs::write(bench.path("plain.txt"), "001.png\n003.png\n004.jpg\n003.png\n").unwrap();
    recipe(&bench, "{folder: behind, list: plain.txt, licence: MIT}");
    done(bench.build("plain", &[]));
    assert_eq!(paths(&bench, "plain"), ["001.png", "003.png", "004.jpg"], "named twice, taken once");

    let coco = r#"{"info": {"year": 2017}, "images": [{"id": 9, "file_name": "000.jpg", "license": 2},
        {"id": 4, "file_name": "002.jpg", "license": 7}, {"id": 5, "file_name": "005.png"}],
        "annotations": [], "licenses": [{"id": 2, "name": "CC BY 2.0", "url": "x"}]}"#;
    std::fs::write(bench.path("instances.json"), coco).unwrap();
    recipe(&bench, "{folder: behind, list: instances.json, licence: not stated}");
    done(bench.build("coco", &[]));
    let with = |path: &str, licence: &str| (path.to_owned(), licence.to_owned());
    assert_eq!(
        listed(&bench, "coco"),
        [with("000.jpg", "CC BY 2.0"), with("002.jpg", "not stated"), with("005.png", "not stated")]
    );
    done(bench.run(&["replay", "coco", "3"]));
}

#[test]
fn whom_to_credit_goes_with_every_photograph_and_into_croissant() {
    let bench = Bench::new(12, SMALL);
    recipe(&bench, "{folder: behind, licence: CC-BY-4.0, credit: Ada Byron}");
    done(bench.build("out", &[]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    assert!(reader.dataset.backgrounds.iter().all(|s| s.credit.as_deref() == Some("Ada Byron")));
    assert!(reader.dataset.reflections.iter().all(|s| s.credit.is_none()));
    done(bench.run(&["export", "croissant", "out", "--out", "export"]));
    let text = std::fs::read_to_string(bench.path("export/croissant.json")).unwrap();
    let croissant: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(croissant["license"], serde_json::json!(["CC-BY-4.0", "CC0-1.0"]));
    assert_eq!(croissant["creator"][0]["name"], "Ada Byron");
}

/// A pipe would wait for somebody who writes into it, and a file beyond any photograph would take all memory.
#[test]
fn what_is_no_photographs_file_is_not_opened() {
    let bench = Bench::new(12, SMALL);
    let made = std::process::Command::new("mkfifo").arg(bench.path("behind/pipe.jpg")).status().unwrap();
    assert!(made.success());
    let huge = std::fs::File::create(bench.path("behind/huge.png")).unwrap();
    huge.set_len(3 << 30).unwrap();
    std::fs::write(bench.path("list.txt"), "pipe.jpg\nhuge.png\n000.jpg\n").unwrap();
    recipe(&bench, "{folder: behind, list: list.txt, licence: MIT}");
    let (code, said) = told(&bench.build("out", &[]));
    assert_eq!(code, 2);
    assert!(said.contains("pipe.jpg: cannot be read (is no regular file)"), "{said}");
    assert!(said.contains("huge.png: cannot be read (3221225472 bytes, above the limit of 2 GiB)"), "{said}");
}

/// A pattern beside the output that does not reach into it is no danger.
#[test]
fn a_pattern_may_begin_in_the_folder_that_holds_the_output() {
    let bench = Bench::new(12, SMALL);
    photographs(&bench.path("shots-1"), 6, 60);
    recipe(&bench, "{glob: 'shots-*/*.png', licence: MIT}");
    done(bench.build("out", &[]));
    assert_eq!(paths(&bench, "out"), ["shots-1/001.png", "shots-1/003.png", "shots-1/005.png"]);
    recipe(&bench, "{glob: '**/*.png', licence: MIT}");
    let (code, said) = told(&bench.build("other", &[]));
    assert!(code == 2 && said.contains("--out other lies inside this folder"), "{code} {said}");
    recipe(&bench, "{glob: '**/*.jpg', licence: MIT}");
    done(bench.build("other", &[]));
    assert!(paths(&bench, "other").iter().all(|path| path.ends_with(".jpg")));
}

#[test]
fn lists_that_are_wrong_name_file_and_line() {
    let bench = Bench::new(12, SMALL);
    for (list, text, clauses) in [
        ("a.txt", "000\n../secret.jpg\n", &["a.txt:2: `../secret.jpg` is not a relative path"][..]),
        ("b.txt", "000\nnowhere\n", &["b.txt:2: nowhere is no photograph below ./behind"]),
        ("c.txt", "000\nnowhere.jpg\n", &["behind/nowhere.jpg: cannot be read (No such file"]),
        ("d.json", "{\"images\": 3}", &["d.json:1:12: is no list of images as COCO has it"]),
        ("e.txt", "", &["recipe.yaml:7:16: sources.backgrounds[0].folder", "holds no JPEG"]),
    ] {
        std::fs::write(bench.path(list), text).unwrap();
        recipe(&bench, &format!("{{folder: behind, list: {list}, licence: MIT}}"));
        let (code, said) = told(&bench.build("out", &[]));
        assert_eq!((code, said.lines().count()), (2, 1), "{said}");
        assert!(clauses.iter().all(|clause| said.contains(clause)), "{said}");
    }
    for (source, clause) in [
        ("{folder: behind, glob: '*.jpg', licence: MIT}", "names one of `folder`, `glob`, `tar` and `session`"),
        ("{glob: '*.jpg', list: a.txt, licence: MIT}", "names photographs of a `folder`"),
        ("{glob: 'behind/a***b/*.jpg', licence: MIT}", "is no pattern"),
        ("{folder: behind, list: missing.txt, licence: MIT}", "missing.txt: cannot read"),
    ] {
        recipe(&bench, source);
        let (code, said) = told(&bench.build("out", &[]));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(clause), "{said}");
    }
}

#[test]
fn photographs_inside_tar_files_are_read_in_place() {
    let bench = Bench::new(12, SMALL);
    done(bench.build("folder", &[]));
    // The real tar writes them, with its own long names.
    let long = "a".repeat(120);
    std::fs::create_dir_all(bench.path("in").join(&long)).unwrap();
    for (i, name) in ["000.jpg", "001.png", "002.jpg", "003.png", "004.jpg", "005.png"].iter().enumerate() {
        let place = if i < 4 { bench.path("in").join(name) } else { bench.path("in").join(&long).join(name) };
        std::fs::copy(bench.path("behind").join(name), place).unwrap();
    }
    std::fs::write(bench.path("in/labels.json"), "{}").unwrap();
    std::fs::create_dir(bench.path("shards")).unwrap();
    let tar = |name: &str, what: &[&str]| {
        let mut command = std::process::Command::new("tar");
        command.current_dir(bench.path("in")).arg("-cf").arg(bench.path(name)).args(what);
        assert!(command.status().unwrap().success());
    };
    tar("shards/a-000.tar", &["./000.jpg", "001.png", "labels.json", "002.jpg"]);
    tar("shards/a-001.tar", &["003.png", &long]);
    recipe(&bench, "{tar: 'shards/a-*.tar', licence: CC0-1.0}");
    done(bench.build("out", &[]));
    let long = |name: &str| format!("a-001.tar/{long}/{name}");
    let expected =
        ["a-000.tar/000.jpg", "a-000.tar/001.png", "a-000.tar/002.jpg", "a-001.tar/003.png"].map(str::to_owned);
    assert_eq!(paths(&bench, "out"), [expected.to_vec(), vec![long("004.jpg"), long("005.png")]].concat());
    let bytes = |out: &str| {
        let reader = synth::dataset::open(&bench.path(out)).unwrap();
        reader.dataset.backgrounds.iter().map(|s| s.blake3).collect::<Vec<_>>()
    };
    assert_eq!(bytes("folder"), bytes("out"), "the same photographs");
    for i in 0..12 {
        done(bench.run(&["replay", "out", &i.to_string()]));
    }
    done(bench.run(&["check", "out"]));
    // A member that was appended again counts as its last one does.
    std::fs::copy(bench.path("before/001.png"), bench.path("in/001.png")).unwrap();
    let mut again = std::process::Command::new("tar");
    again.current_dir(bench.path("in")).arg("-rf").arg(bench.path("shards/a-000.tar")).arg("001.png");
    assert!(again.status().unwrap().success());
    done(bench.build("again", &[]));
    assert_ne!(bytes("again"), bytes("out"));
    for i in 0..12 {
        done(bench.run(&["replay", "again", &i.to_string()]));
    }
    // Torn in the middle of a photograph, and no archive at all.
    let whole = std::fs::read(bench.path("shards/a-001.tar")).unwrap();
    std::fs::write(bench.path("shards/a-001.tar"), &whole[..1024]).unwrap();
    std::fs::write(bench.path("shards/a-002.tar"), "no archive".repeat(200)).unwrap();
    let (code, said) = told(&bench.build("torn", &[]));
    assert_eq!((code, said.lines().count()), (2, 2), "{said}");
    assert!(said.contains("a-001.tar/003.png: ") && said.contains("a-002.tar: cannot be read as a tar file"), "{said}");
}

#[test]
fn tiff_and_webp_are_photographs_too() {
    let bench = Bench::new(12, SMALL);
    let folder = bench.path("formats");
    std::fs::create_dir(&folder).unwrap();
    for (i, name) in ["a.tif", "b.tiff", "c.webp", "d.TIF"].iter().enumerate() {
        let shown = image::DynamicImage::from(picture(i as u32, 100, 70));
        match *name {
            // 16 bits, as raw converters write.
            "b.tiff" => image::DynamicImage::from(shown.to_rgb16()).save(folder.join(name)).unwrap(),
            _ => shown.save(folder.join(name)).unwrap(),
        }
    }
    recipe(&bench, "{folder: formats, licence: MIT}");
    done(bench.build("out", &[]));
    assert_eq!(paths(&bench, "out"), ["a.tif", "b.tiff", "c.webp", "d.TIF"]);
    done(bench.run(&["verify", "out"]));
}

/// A session's journal with shots of two scenes under several settings.
fn session(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let mut lines = String::new();
    for (i, (scene, light, f_number, focal, tags)) in [
        ("hall", "bright", 4.0, 18.0, "[\"wood\"]"),
        ("hall", "bright", 8.0, 18.0, "[\"wood\"]"),
        ("hall", "dark", 4.0, 35.0, "[\"wood\"]"),
        ("yard", "bright", 4.0, 55.0, "[\"wood\", \"tree\"]"),
        ("yard", "dark", 11.0, 55.0, "[\"tree\"]"),
        ("roof", "bright", 5.6, 35.0, "[]"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{i}.jpg");
        picture(i as u32, 100, 70).save(folder.join(&name)).unwrap();
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        let settings =
            format!("{{\"shutter\":\"1/60\",\"f_number\":{f_number:.1},\"iso\":100,\"focal_length_mm\":{focal:.1}}}");
        lines += &format!(
            "{{\"index\":{i},\"key\":\"k{i}\",\"scene\":\"{scene}\",\"place\":\"indoor\",\"light\":\"{light}\",\"tags\":{tags},\
             \"subject\":\"background\",\"requested\":{settings},\"read_back\":{settings},\"files\":[{{\"path\":\"{name}\",\
             \"camera_name\":\"x\",\"bytes\":{},\"blake3\":\"{}\",\"width\":100,\"height\":70}}],\"stored\":\"now\"}}\n",
            bytes.len(),
            manifests::Digest::of(&bytes)
        );
    }
    std::fs::write(folder.join("shots.jsonl"), lines).unwrap();
}

#[test]
fn shots_are_chosen_by_light_aperture_focal_length_and_tags() {
    let bench = Bench::new(12, SMALL);
    session(&bench.path("session"));
    for (filter, expected) in [
        ("light: bright", &["0.jpg", "1.jpg", "3.jpg", "5.jpg"][..]),
        ("f_number: [4, 6]", &["0.jpg", "2.jpg", "3.jpg", "5.jpg"]),
        ("focal_length_mm: [30, 60]", &["2.jpg", "3.jpg", "4.jpg", "5.jpg"]),
        ("tags: [wood]", &["0.jpg", "1.jpg", "2.jpg", "3.jpg"]),
        ("tags: [wood, tree]", &["3.jpg"]),
        ("light: dark, focal_length_mm: [50, 60]", &["4.jpg"]),
    ] {
        let out = format!("out{}", filter.len());
        recipe(&bench, &format!("{{session: session, filter: {{{filter}}}, licence: MIT}}"));
        let text = std::fs::read_to_string(bench.path("recipe.yaml")).unwrap();
        let text = text.replace("train: 0.5, validation: 0.25, test: 0.25", "train: 1, validation: 0, test: 0");
        std::fs::write(bench.path("recipe.yaml"), text).unwrap();
        done(bench.build(&out, &[]));
        assert_eq!(paths(&bench, &out), expected, "{filter}");
    }
    recipe(&bench, "{session: session, filter: {subject: reflection}, licence: MIT}");
    let (code, said) = told(&bench.build("none", &[]));
    assert_eq!(code, 2);
    assert!(said.contains("none of the 6 shots") && said.contains("passes the filter"), "{said}");
}

/// What nobody can name in a manifest is told, in patterns and archives too; so is why a source has nothing that can be used.
#[test]
fn names_that_are_not_text_are_told_wherever_they_are() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let bench = Bench::new(12, SMALL);
    let folder = bench.path("odd");
    std::fs::create_dir(&folder).unwrap();
    for name in [&b"caf\xe8-1.png"[..], b"caf\xe9-2.png"] {
        picture(1, 90, 70).save(folder.join("plain.png")).unwrap();
        std::fs::rename(folder.join("plain.png"), folder.join(OsStr::from_bytes(name))).unwrap();
    }
    let mut tar = std::process::Command::new("tar");
    tar.current_dir(&folder).arg("-cf").arg(bench.path("odd.tar")).arg(".");
    assert!(tar.status().unwrap().success());
    for source in ["{folder: odd, licence: MIT}", "{glob: 'odd/*.png', licence: MIT}", "{tar: 'odd.tar', licence: MIT}"]
    {
        recipe(&bench, source);
        let (code, said) = told(&bench.build("out", &[]));
        assert!(
            code == 2 && said.contains("recipe.yaml:7:") && said.contains("has a name that is not UTF-8 text"),
            "{said}"
        );
        picture(2, 90, 70).save(folder.join("plain.png")).unwrap();
        tar.status().unwrap();
        let (code, said) = told(&bench.build("out", &[]));
        let told = said.matches("has a name that is not UTF-8 text").count();
        assert_eq!((code, told), (2, 2), "{source}: {said}");
        std::fs::remove_file(folder.join("plain.png")).unwrap();
        tar.status().unwrap();
    }
    // A link that leads nowhere is of no matter to a pattern that it does not fit.
    photographs(&bench.path("links"), 6, 80);
    std::os::unix::fs::symlink("nowhere", bench.path("links/z.png")).unwrap();
    recipe(&bench, "{glob: 'links/00*', licence: MIT}");
    done(bench.build("linked", &[]));
    // A photograph that serves both layers is named once.
    std::fs::write(bench.path("before/bad.png"), "no picture").unwrap();
    recipe(&bench, "{folder: before, licence: CC0-1.0}");
    let (code, said) = told(&bench.build("both", &[]));
    assert_eq!((code, said.matches("bad.png").count()), (2, 1), "{said}");
}
