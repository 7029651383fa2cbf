//! What users get wrong, and what disks and files do: one sentence, an exit code, nothing half-written.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{os::unix::ffi::OsStrExt, path::Path};

use image::{DynamicImage, ImageFormat};
use support::{Bench, SMALL, done, picture, synth, told, tree};

/// A build that is refused: what it said, on one line, with exit code 2 and no sample.
fn refused(bench: &Bench) -> String {
    let (code, said) = told(&bench.build("out", &[]));
    assert_eq!(code, 2, "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!bench.path("out/samples.jsonl").exists());
    said
}

#[test]
fn an_empty_folder_names_recipe_line_and_folder() {
    let bench = Bench::new(4, SMALL);
    std::fs::remove_dir_all(bench.path("before")).unwrap();
    assert!(refused(&bench).contains("recipe.yaml:10:15: sources.reflections[0].folder: ./before is not a folder"));
    std::fs::create_dir(bench.path("before")).unwrap();
    let said = refused(&bench);
    assert!(
        said.contains("recipe.yaml:10:15") && said.contains("./before holds no JPEG, PNG, TIFF, WebP, NEF or DNG"),
        "{said}"
    );
    let (code, said) = told(&bench.build("out", &["--reflections", "before"]));
    assert_eq!(code, 2);
    assert!(
        said.starts_with("synth: --reflections: ")
            && said.contains("before holds no JPEG, PNG, TIFF, WebP, NEF or DNG"),
        "{said}"
    );
}

const LENS: &str = "{f_number: [4, 8], focal_length_mm: [50, 85], focus_m: [0.7, 2], reflected_m: [1, 10]}";
const GLASS: &str = "{thickness_mm: [3, 10], angle_degrees: [20, 45], field_width_mm: [400, 900], absorption_per_m: [4, 32], \
                     fresnel: {view_degrees: [30, 60]}}";

#[test]
fn keys_ranges_and_versions() {
    let bench = Bench::new(4, SMALL);
    for (more, expected) in [
        ("sizs: [32x32]", "unknown key `sizs`; did you mean `sizes`?"),
        ("mix: {alpha: [1, 0.8]}", "the range [1, 0.8] is reversed: write [0.8, 1]"),
        ("splits: {train: 0.5, validation: 0.1, test: 0.1}", "must sum to 1"),
        ("sizes: [0x32]", "is not a size"),
        ("sizes: []", "sizes: lists no size"),
        (
            "mix: {complement: true, beta: [0.2, 1.1]}",
            "mix.beta: must lie within [0, 1], because alpha is 1 - beta here",
        ),
        ("mix: {complement: true, alpha: [0.5, 1]}", "mix.alpha: is 1 - beta with `complement`"),
        ("mix: {pairs: [[0.8, 0.7]], beta: [0, 1]}", "mix.beta: the pairs say which weights there are"),
        ("mix: {blur_kernel: [3, 8]}", "mix.blur_kernel: must be a range of two odd numbers"),
        ("mix: {jpeg_quality: [0, 50]}", "mix.jpeg_quality: must lie within [1, 100]"),
        ("mix: {light: camera}", "mix.light: camera needs the camera's curve"),
        ("mix: {camera_curve: [[0, 0], [1, 1]]}", "mix.camera_curve: is used with `light: camera` only"),
        ("mix: {light: camera, camera_curve: [[0, 0], [0.6, 0.4], [0.5, 0.5], [1, 1]]}", "must rise in both numbers"),
        (&format!("mix: {{blur_sigma: [1, 2], aperture: {LENS}}}"), "mix.blur_sigma: the aperture says how far"),
        (&format!("mix: {{aperture: {}}}", LENS.replace("[50, 85]", "[50, 850]")), "at least twice the focal length"),
        (&format!("mix: {{aperture: {}}}", LENS.replace("[4, 8]", "[0.7, 8]")), "85 mm at f/0.7, focused at"),
        (&format!("mix: {{ghost: {}}}", GLASS.replace("[20, 45]", "[20, 70]")), "would look past the glass"),
        ("mix: {attenuation: {least: [0.5, 0.8], cells: 0}}", "mix.attenuation.cells: must be from 1 to 32"),
    ] {
        bench.recipe(4, more);
        let said = refused(&bench);
        assert!(said.contains("recipe.yaml:12:") && said.contains(expected), "{said}");
    }
    bench.recipe(4, "preset: errnet\nsizes: [9000x9000]");
    assert!(refused(&bench).contains("sizes[0]: makes pictures of more than 100 million pixels"));
    bench.recipe(0, "");
    assert!(refused(&bench).contains("recipe.yaml:4:8: count: must be at least 1"));
    std::fs::write(bench.path("recipe.yaml"), "version: 99\nhologram: 1\n").unwrap();
    assert!(refused(&bench).contains("newer than this program"));
    assert_eq!(bench.run(&["build", "nowhere.yaml", "--out", "out"]).status.code(), Some(2));
    assert_eq!(bench.run(&["build", "recipe.yaml", "--out", "out", "--threads", "0"]).status.code(), Some(2));
    assert_eq!(bench.run(&["verify", "behind"]).status.code(), Some(2));
}

/// Every bad file with the clause that tells it.
fn bad_files(folder: &Path) -> Vec<(&'static str, &'static str)> {
    let jpeg = std::fs::read(folder.join("000.jpg")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("truncated.jpg", &jpeg[..jpeg.len() / 2]);
    write("empty.png", &[]);
    write("text.jpg", b"this is no picture at all");
    write("bomb.png", &png_header(60_000, 60_000));
    write("bomb.jpg", &jpeg_of_size(&jpeg, 60_000, 60_000));
    write("bomb.tif", &tiff_header(60_000, 60_000));
    write("bomb.webp", &webp_header(16_383, 16_383));
    write("cmyk.jpg", &cmyk(&jpeg));
    let png = std::fs::read(folder.join("001.png")).unwrap();
    write("torn.png", &png[..png.len() - 400]);
    vec![
        ("truncated.jpg", "is truncated: the JPEG has no end marker"),
        ("empty.png", "is empty (0 bytes)"),
        ("text.jpg", "is no JPEG, PNG, TIFF, WebP, NEF or DNG picture"),
        ("bomb.png", "claims 60000 x 60000 pixels"),
        ("bomb.jpg", "claims 60000 x 60000 pixels"),
        ("bomb.tif", "claims 60000 x 60000 pixels"),
        ("bomb.webp", "claims 16383 x 16383 pixels"),
        ("cmyk.jpg", "is a CMYK JPEG; convert it to RGB"),
        ("torn.png", "cannot be decoded"),
    ]
}

/// A PNG that announces its size and holds nothing.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0x78]).unwrap();
    drop(writer);
    bytes
}

/// A JPEG whose frame says another size.
fn jpeg_of_size(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let mut bytes = jpeg.to_vec();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A grey TIFF whose one strip would begin where it ends.
fn tiff_header(width: u32, height: u32) -> Vec<u8> {
    // Width, length, bits, no compression, black is 0, offset of the strip, samples, its rows, its bytes.
    let entries =
        [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, width)];
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        const LONG: u16 = 4;
        bytes.extend([u16::to_le_bytes(tag), LONG.to_le_bytes()].as_flattened());
        bytes.extend([1, value].map(u32::to_le_bytes).as_flattened());
    }
    bytes.extend([0; 4]);
    bytes
}

/// A lossless WebP of at most 16383 pixels a side that announces its size and holds nothing.
fn webp_header(width: u32, height: u32) -> Vec<u8> {
    let size = ((width - 1) | (height - 1) << 14).to_le_bytes();
    let chunk = [b"VP8L".as_slice(), &6u32.to_le_bytes(), &[0x2f], &size, &[0]].concat();
    [b"RIFF".as_slice(), &(4 + chunk.len() as u32).to_le_bytes(), b"WEBP", &chunk].concat()
}

/// A JPEG whose frame says four components.
fn cmyk(jpeg: &[u8]) -> Vec<u8> {
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let length = usize::from(u16::from_be_bytes([jpeg[frame + 2], jpeg[frame + 3]]));
    let mut bytes = jpeg[..frame + 2 + length].to_vec();
    bytes[frame + 3] += 3;
    bytes[frame + 9] = 4;
    bytes.extend([4, 0x11, 0]);
    let rest = &jpeg[frame + 2 + length..];
    let scan = rest.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    bytes.extend(&rest[..scan]);
    bytes.extend([0xff, 0xda, 0, 14, 4, 1, 0, 2, 0x11, 3, 0x11, 4, 0x11, 0, 63, 0]);
    bytes.extend(&rest[scan + 14..]);
    bytes
}

#[test]
fn bad_photographs_are_fatal_or_left_out_as_asked() {
    for unreadable in ["fail", "skip"] {
        let bench = Bench::new(8, &format!("{SMALL}\nunreadable: {unreadable}"));
        done(bench.build("clean", &[]));
        let bad = bad_files(&bench.path("behind"));
        let latin1 = std::ffi::OsStr::from_bytes(b"caf\xe9.jpg");
        std::fs::copy(bench.path("behind/000.jpg"), bench.path("behind").join(latin1)).unwrap();
        std::os::unix::fs::symlink(bench.path("behind"), bench.path("behind/loop")).unwrap();
        if unreadable == "fail" {
            // All of them, so that nobody repairs one after another.
            let (code, said) = told(&bench.build("out", &[]));
            assert!(code == 2 && !bench.path("out/samples.jsonl").exists(), "{said}");
            assert!(said.ends_with("; repair or remove them, or set `unreadable: skip` in the recipe\n"), "{said}");
            for (name, clause) in bad {
                assert_eq!(
                    said.lines().filter(|l| l.contains(name) && l.contains(clause)).count(),
                    1,
                    "{name}: {said}"
                );
            }
            continue;
        }
        let said = done(bench.build("out", &[]));
        for (name, clause) in bad {
            let line: Vec<&str> = said.lines().filter(|l| l.contains(name)).collect();
            assert_eq!(line.len(), 1, "{name} once in {said}");
            assert!(line[0].starts_with("note: left out: ") && line[0].contains(clause), "{said}");
        }
        assert!(said.contains("has a name that is not UTF-8 text"), "{said}");
        assert_eq!(tree(&bench.path("clean")), tree(&bench.path("out")), "the others are as without them");
    }
}

#[test]
fn every_kind_of_png_and_exif_orientation() {
    let bench = Bench::new(4, "sizes: [35x50]\nsplits: {train: 1, validation: 0, test: 0}");
    let folder = bench.path("behind");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let rgb = DynamicImage::ImageRgb8(picture(3, 50, 35));
    rgb.to_rgb16().save(folder.join("sixteen.png")).unwrap();
    rgb.to_luma8().save(folder.join("grey.png")).unwrap();
    rgb.to_luma16().save(folder.join("grey16.png")).unwrap();
    let mut clear = rgb.to_rgba8();
    clear.pixels_mut().for_each(|p| p[3] = 0);
    clear.save(folder.join("clear.png")).unwrap();
    let palette = std::fs::File::create(folder.join("palette.png")).unwrap();
    let mut encoder = png::Encoder::new(palette, 50, 35);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![0, 0, 0, 250, 10, 90]);
    encoder.write_header().unwrap().write_image_data(&[1; 50 * 35]).unwrap();
    // Stored lying on its side, 35 wide: orientation 6 says turn clockwise to look at it.
    let mut side = std::io::Cursor::new(Vec::new());
    rgb.rotate270().write_to(&mut side, ImageFormat::Jpeg).unwrap();
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let side = side.into_inner();
    std::fs::write(folder.join("turned.jpg"), [&side[..2], exif, &side[2..]].concat()).unwrap();

    bench.recipe(60, "sizes: [35x50]\nmix: {alpha: [1, 1], beta: [0, 0], rotate: false, flip: 0}\nsplits: {train: 1, validation: 0, test: 0}");
    done(bench.build("out", &[]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let of = |name: &str| {
        let source = reader.dataset.backgrounds.iter().position(|s| s.path == name).unwrap();
        let sample = reader.samples.iter().position(|s| s.drawn.background as usize == source).unwrap();
        image::open(reader.paths(sample).background).unwrap().into_rgb8()
    };
    assert_eq!(of("sixteen.png"), *rgb.as_rgb8().unwrap());
    assert_eq!(of("grey.png"), DynamicImage::from(rgb.to_luma8()).into_rgb8());
    assert_eq!(of("grey16.png"), of("grey.png"));
    assert!(of("clear.png").pixels().all(|p| p.0 == [0, 0, 0]), "transparent is black");
    assert!(of("palette.png").pixels().all(|p| p.0 == [250, 10, 90]));
    let turned = of("turned.jpg");
    let distance: f64 = turned.iter().zip(rgb.as_rgb8().unwrap().iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    let mean = distance / turned.len() as f64;
    assert!(mean < 25.0, "upright but for JPEG's loss: {mean}");
}

#[test]
fn photographs_smaller_than_the_sample_are_enlarged_and_counted() {
    let bench = Bench::new(6, "sizes: [48x64]\nsplits: {train: 1, validation: 0, test: 0}");
    picture(70, 20, 12).save(bench.path("behind/small.png")).unwrap();
    picture(71, 1, 1).save(bench.path("behind/speck.png")).unwrap();
    let said = done(bench.build("out", &[]));
    assert!(said.contains("2 photographs are smaller than the largest sample and were enlarged"), "{said}");
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    for (i, sample) in reader.samples.iter().enumerate() {
        let mixture = image::open(reader.paths(i).mixture).unwrap();
        assert_eq!((mixture.height(), mixture.width()), (sample.size.height, sample.size.width));
    }
    done(bench.run(&["verify", "out"]));
}

/// Lines may come from anybody: numbers that would take all memory are a sentence.
#[test]
fn a_line_with_numbers_that_nobody_drew_is_told() {
    let bench = Bench::new(3, SMALL);
    done(bench.build("out", &[]));
    let file = bench.path("out/samples.jsonl");
    let sound = std::fs::read_to_string(&file).unwrap();
    let first = |with: &str| sound.replacen("\"blur_sigma\":0.0", with, 1);
    for (line, clause) in [
        (first("\"blur_sigma\":1e300"), "`blur_sigma` is beyond what any recipe draws"),
        (first("\"blur_sigma\":0.0,\"defocus_radius\":100000"), "`defocus_radius` is beyond"),
        (first("\"blur_sigma\":0.0,\"background_window\":{\"zoom\":0,\"top\":0,\"left\":0}"), "a window's `zoom` is"),
        (sound.replacen("\"quarter_turns\":", "\"quarter_turns\":25", 1), "`quarter_turns` is beyond"),
    ] {
        assert_ne!(line, sound);
        std::fs::write(&file, line).unwrap();
        let (code, said) = told(&bench.run(&["replay", "out", "0"]));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("out/samples.jsonl:1: ") && said.contains(clause), "{said}");
    }
}

#[test]
fn more_lines_than_samples_are_told() {
    let bench = Bench::new(3, SMALL);
    // What NFS calls a file that another shard has removed and reads still.
    std::fs::create_dir(bench.path("out")).unwrap();
    std::fs::write(bench.path("out/.nfs000000000a"), "").unwrap();
    done(bench.build("out", &[]));
    let file = bench.path("out/samples.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let last = text.lines().last().unwrap();
    let more = last.replacen("\"index\":2", "\"index\":3", 1);
    assert_ne!(more, last);
    std::fs::write(&file, format!("{text}{more}\n")).unwrap();
    let (code, said) = told(&bench.build("out", &[]));
    assert!(code == 1 && said.contains("samples.jsonl:4: there are more lines than samples"), "{code} {said}");
}

/// So may the recipe in a data set's file, and lines that do not fit it.
#[test]
fn a_data_set_whose_recipe_or_windows_were_edited_is_told() {
    let bench = Bench::new(3, &format!("{SMALL}\nmix: {{zoom: [1, 2]}}"));
    done(bench.build("out", &[]));
    let (lines, header) = (bench.path("out/samples.jsonl"), bench.path("out/dataset.yaml"));
    let text = std::fs::read_to_string(&lines).unwrap();
    let start = text.find("\"background_window\":").unwrap();
    let end = start + text[start..].find("},").unwrap() + 2;
    std::fs::write(&lines, format!("{}{}", &text[..start], &text[end..])).unwrap();
    let (code, said) = told(&bench.run(&["replay", "out", "0"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("out/samples.jsonl:1: a window that is there, or is not, is beyond"), "{said}");

    std::fs::write(&lines, text).unwrap();
    let text = std::fs::read_to_string(&header).unwrap();
    let edited = text.replacen("count: 3", "count: 0", 1);
    assert_ne!(edited, text);
    std::fs::write(&header, edited).unwrap();
    let (code, said) = told(&bench.run(&["replay", "out", "0"]));
    assert!(code == 2 && said.contains("dataset.yaml") && said.contains("recipe.count"), "{code} {said}");

    bench.recipe(3, "sizes: [65535x65535]\nsplits: {train: 1, validation: 0, test: 0}");
    let (code, said) = told(&bench.build("large", &[]));
    assert!(code == 2 && said.contains("sizes[0]") && said.contains("100 million pixels"), "{said}");
}

#[test]
fn another_recipe_or_source_is_refused_by_name() {
    let bench = Bench::new(6, SMALL);
    done(bench.build("out", &[]));
    let before = tree(&bench.path("out"));
    let differs = |expected: &str| {
        let (code, said) = told(&bench.build("out", &[]));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(before, tree(&bench.path("out")));
    };
    bench.recipe(6, &format!("{SMALL}\nmix: {{beta: [0.2, 0.3]}}"));
    differs("another `mix.beta` in its recipe");
    bench.recipe(6, SMALL);
    picture(99, 100, 70).save(bench.path("before/001.png")).unwrap();
    differs("the reflection 001.png has changed");
    std::fs::remove_file(bench.path("before/001.png")).unwrap();
    differs("the reflection 001.png is in the data set here and no longer among the sources");
}

#[test]
fn a_folder_with_other_files_and_one_inside_a_source_are_left_alone() {
    let bench = Bench::new(4, SMALL);
    let (code, said) = told(&bench.build(".", &[]));
    assert_eq!(code, 2);
    assert!(said.contains("holds other files"), "{said}");
    let (code, said) = told(&bench.build("behind/out", &[]));
    assert_eq!(code, 2);
    assert!(said.contains("recipe.yaml:7:15") && said.contains("lies inside this folder"), "{said}");
    assert!(!bench.path("behind/out").exists(), "nothing is made before it is known to be right");
}

/// A limit on file sizes stands for a disk that fills: writes fail, and with them the group of lines.
#[test]
fn a_full_disk_loses_nothing() {
    let bench = Bench::new(600, SMALL);
    done(bench.build("whole", &[]));
    let program = synth().get_program().to_owned();
    let output = std::process::Command::new("bash")
        .current_dir(bench.dir.path())
        .args(["-c", "trap '' XFSZ; ulimit -f 140; exec \"$0\" build recipe.yaml --out out"])
        .arg(program)
        .output()
        .unwrap();
    let (code, said) = told(&output);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("out/samples.jsonl: cannot append to: File too large"), "{said}");
    let log = manifests::read_log::<manifests::dataset::Sample>(&bench.path("out/samples.jsonl")).unwrap();
    assert!(!log.torn && log.rows.len() < 600, "whole lines only");
    done(bench.build("out", &[]));
    assert_eq!(tree(&bench.path("whole")), tree(&bench.path("out")));
}
