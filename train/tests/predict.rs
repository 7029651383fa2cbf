//! `train predict` on pictures of any size: tiles without seams, EXIF, standard input, what is already there.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use candle_core::{DType, Device};
use image::{ImageDecoder, ImageEncoder, Rgb, RgbImage, codecs::jpeg::JpegEncoder};
use manifests::run::Model;
use support::{command, data_set, failure, run_file, train};
use train::{eval::separate, net::Corrn, tiles::Tiles};

/// Waves and noise, so that no two places look alike.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |f: f64, c: u32| 90.0 * ((f64::from(x) * f).sin() + (f64::from(y + 40 * c) * f * 0.7).cos()) / 2.0;
        let noise = f64::from((x * 7919 + y * 104_729 + x * y) % 31);
        Rgb([0, 1, 2].map(|c| (128.0 + wave(0.03, c) + noise - 15.0).clamp(0.0, 255.0) as u8))
    })
}

/// A bare state_dict of a narrow network with weights as they are drawn.
fn checkpoint(folder: &Path) -> PathBuf {
    let model = Model { width: 1.0 / 32.0, ..Model::default() };
    let net = Corrn::new(&model, 5, DType::F32, &Device::Cpu).unwrap();
    let tensors = net.params().all().iter().map(|p| (p.name.clone(), p.var.as_detached_tensor())).collect();
    let file = folder.join("net.safetensors");
    candle_core::safetensors::save(&tensors, &file).unwrap();
    file
}

#[test]
fn tiles_differ_from_the_whole_by_less_than_a_level() {
    let model = Model { width: 1.0 / 32.0, ..Model::default() };
    let net = Corrn::new(&model, 5, DType::F32, &Device::Cpu).unwrap();
    let picture = picture(1100, 700);
    let whole = separate(&net, &picture, &Device::Cpu).unwrap();
    let (whole_b, whole_r) = (whole.background, whole.reflection);
    let tiles = Tiles::new(700, 1100, 512);
    assert!(tiles.count() >= 6, "{tiles:?}");
    let mut done = 0;
    let (b, r) = tiles.separate(&net, &picture, &Device::Cpu, || done += 1).unwrap();
    assert_eq!(done, tiles.count());
    assert_eq!(Tiles::new(700, 1100, 1120).separate(&net, &picture, &Device::Cpu, || {}).unwrap().0, whole_b);
    for (name, tiled, whole) in [("B", b, whole_b), ("R", r, whole_r)] {
        let largest = tiled.iter().zip(whole.iter()).map(|(t, w)| t.abs_diff(*w)).max().unwrap();
        assert!(largest <= 1, "{name} differs by {largest} levels");
    }
}

#[test]
fn exif_and_profile_stay_and_standard_input_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let net = checkpoint(folder.path()).display().to_string();
    // A TIFF header with one entry, the orientation: turned by a quarter.
    let exif = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".as_slice(), &[0; 4]].concat();
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new(&mut jpeg);
    encoder.set_exif_metadata(exif.clone()).unwrap();
    let profile = b"what Adobe RGB is, in several segments of a JPEG".repeat(3_000);
    encoder.set_icc_profile(profile.clone()).unwrap();
    picture(70, 50).write_with_encoder(encoder).unwrap();
    std::fs::write(path("a.jpg"), &jpeg).unwrap();

    let done = train(&["predict", &net, &path("a.jpg"), "--out", &path("out")]);
    assert!(done.status.success(), "{:?}", failure(&done));
    let mut child = command(&["predict", &net, "-", "--out", &path("out")]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&jpeg).unwrap();
    assert!(child.wait().unwrap().success());
    for layer in ["background", "reflection"] {
        let read = |name: &str| std::fs::read(path(&format!("out/{name}.{layer}.png"))).unwrap();
        assert_eq!(read("a"), read("stdin"), "{layer}");
        let bytes = read("a");
        let mut decoder = image::codecs::png::PngDecoder::new(std::io::Cursor::new(&bytes)).unwrap();
        assert_eq!(decoder.dimensions(), (70, 50));
        assert_eq!(decoder.exif_metadata().unwrap(), Some(exif.clone()), "{layer}");
        assert_eq!(decoder.icc_profile().unwrap(), Some(profile.clone()), "{layer}");
    }
}

#[test]
fn what_is_there_stays_and_bad_input_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let net = checkpoint(folder.path()).display().to_string();
    for name in ["in/x.png", "in/deep/y.png"] {
        std::fs::create_dir_all(Path::new(&path(name)).parent().unwrap()).unwrap();
        picture(40, 33).save(path(name)).unwrap();
    }
    let predict = || train(&["predict", &net, &path("in"), "--out", &path("out")]);
    assert!(String::from_utf8(predict().stdout).unwrap().contains("2 pictures, 0 of them already there"));
    std::fs::write(path("out/x.reflection.png"), "kept").unwrap();
    assert!(String::from_utf8(predict().stdout).unwrap().contains("2 pictures, 2 of them already there"));
    assert_eq!(std::fs::read(path("out/x.reflection.png")).unwrap(), b"kept");

    std::fs::write(path("torn.jpg"), [0xff, 0xd8, 0xff, 0xe0, 0, 16]).unwrap();
    for (arguments, words) in [
        (
            ["predict", &net, &path("torn.jpg"), "--out", &path("none")].as_slice(),
            "torn.jpg: is truncated: the JPEG has no end marker",
        ),
        (&["predict", &net, &path("nowhere"), "--out", &path("none")], "there is no such file or folder"),
        (&["predict", &net, &path("in"), "--out", &path("none"), "--tile", "500"], "a multiple of 32, at least 512"),
    ] {
        let (code, text) = failure(&train(arguments));
        assert!(code == Some(2) && text.contains(words), "{text}");
        assert!(!Path::new(&path("none")).exists());
    }

    // Among others a picture that cannot be read is left out, and told.
    std::fs::rename(path("torn.jpg"), path("in/a.jpg")).unwrap();
    let (code, text) = failure(&train(&["predict", &net, &path("in"), "--out", &path("rest")]));
    assert!(
        code == Some(1) && text.contains("left out: ") && text.contains("1 of 3 pictures could not be read"),
        "{text}"
    );
    assert!(
        Path::new(&path("rest/deep/y.reflection.png")).exists() && Path::new(&path("rest/x.reflection.png")).exists()
    );
}

/// A bare state_dict keeps what its last layer gives: R and B do not change places.
#[test]
fn an_exported_network_gives_what_its_checkpoint_gives() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 4, 2, 2);
    let run = run_file(folder.path(), 1).display().to_string();
    let fitted = train(&["fit", &run, "--out", &path("run"), "--max-steps", "1"]);
    assert!(fitted.status.success(), "{:?}", failure(&fitted));
    let exported = train(&["export", &path("run"), "--format", "safetensors", "--out", &path("bare.safetensors")]);
    assert!(exported.status.success(), "{:?}", failure(&exported));
    let said = String::from_utf8_lossy(&exported.stderr).into_owned();
    assert!(said.contains("the last layer of this network gives R"), "{said}");
    picture(96, 64).save(path("a.png")).unwrap();
    for (checkpoint, out) in [("run", "whole"), ("bare.safetensors", "bare")] {
        let done = train(&["predict", &path(checkpoint), &path("a.png"), "--out", &path(out)]);
        assert!(done.status.success(), "{:?}", failure(&done));
    }
    for layer in ["background", "reflection"] {
        let of = |out: &str| image::open(path(&format!("{out}/a.{layer}.png"))).unwrap().into_rgb8();
        assert_eq!(of("whole"), of("bare"), "{layer}");
    }
}

#[test]
fn answers_below_the_input_are_no_pictures_to_take_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let net = checkpoint(folder.path()).display().to_string();
    std::fs::create_dir(path("in")).unwrap();
    picture(64, 64).save(path("in/a.png")).unwrap();
    for there in [0, 1] {
        let done = train(&["predict", &net, &path("in"), "--out", &path("in/out")]);
        assert!(done.status.success(), "{:?}", failure(&done));
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(said.contains(&format!("1 pictures, {there} of them already there")), "{said}");
    }
    let (code, said) = failure(&train(&["predict", &net, &path("in"), "--out", &path("in")]));
    assert!(code == Some(2) && said.contains("is --out too"), "{code:?} {said}");
}

/// Links are followed, hidden files are none, half a JPEG is left out, and of a built data set mixtures alone are taken apart.
#[cfg(unix)]
#[test]
fn what_is_no_whole_picture_of_the_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let net = checkpoint(folder.path()).display().to_string();
    for name in ["in/a.png", "elsewhere/b.jpg", "in/._a.png"] {
        std::fs::create_dir_all(Path::new(&path(name)).parent().unwrap()).unwrap();
        picture(40, 33).save(path(name)).unwrap();
    }
    std::os::unix::fs::symlink(path("elsewhere"), path("in/linked")).unwrap();
    std::os::unix::fs::symlink(path("in"), path("elsewhere/loop")).unwrap();
    for nowhere in ["in/.#lock", "in/gone.png"] {
        std::os::unix::fs::symlink("nowhere", path(nowhere)).unwrap();
    }
    let jpeg = std::fs::read(path("elsewhere/b.jpg")).unwrap();
    std::fs::write(path("in/half.jpg"), &jpeg[..jpeg.len() / 2]).unwrap();
    let done = train(&["predict", &net, &path("in"), "--out", &path("out")]);
    let (code, said) = failure(&done);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("half.jpg: is truncated: the JPEG has no end marker"), "{said}");
    let mut names: Vec<_> = walkdir::WalkDir::new(path("out")).into_iter().map(Result::unwrap).collect();
    names.retain(|entry| entry.file_type().is_file());
    let mut names: Vec<String> = names.iter().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["a.background.png", "a.reflection.png", "b.background.png", "b.reflection.png"]);

    data_set(&folder.path().join("data"), 2, 0, 2);
    let done = train(&["predict", &net, &path("data/test"), "--out", &path("of_set")]);
    assert!(String::from_utf8(done.stdout).unwrap().contains("2 pictures"));
    // Somebody's own folder below a data set is no split of it.
    std::fs::create_dir(path("data/mine")).unwrap();
    picture(40, 33).save(path("data/mine/a.png")).unwrap();
    assert!(train(&["predict", &net, &path("data/mine"), "--out", &path("mine")]).status.success());
}

#[test]
fn a_run_without_a_validation_names_the_checkpoint_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir_all(path("run/checkpoints")).unwrap();
    std::fs::copy(checkpoint(folder.path()), path("run/checkpoints/last.safetensors")).unwrap();
    picture(40, 33).save(path("a.png")).unwrap();
    let (code, said) = failure(&train(&["predict", &path("run"), &path("a.png"), "--out", &path("out")]));
    assert_eq!(code, Some(2));
    assert!(said.contains("has not been validated yet") && said.contains("last.safetensors"), "{said}");
}
