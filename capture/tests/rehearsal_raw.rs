//! RAW files of the rehearsal camera, as stock gphoto2 fetches them and other decoders read them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rehearsal_support;

use std::process::Command;

use rehearsal_support::{Linear, Rig, correlation, linear};

/// Develops a NEF with dcraw to linear sRGB, white balance as shot; none where dcraw is not installed.
fn dcraw(path: &std::path::Path) -> Option<Linear> {
    let output = Command::new("dcraw").args(["-c", "-w", "-4", "-o", "1"]).arg(path).output().ok()?;
    assert!(output.status.success(), "dcraw: {}", String::from_utf8_lossy(&output.stderr));
    // A PPM of 16 bits: "P6", width, height, 65535, then big-endian samples.
    let header: Vec<usize> =
        output.stdout.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i).take(3).collect();
    let size = std::str::from_utf8(&output.stdout[header[0] + 1..header[1]]).unwrap();
    let (width, height) = size.split_once(' ').unwrap();
    let samples = output.stdout[header[2] + 1..].chunks_exact(2);
    Some(Linear {
        width: width.parse().unwrap(),
        height: height.parse().unwrap(),
        rgb: samples.map(|s| f64::from(u16::from_be_bytes([s[0], s[1]])) / 65535.0).collect(),
    })
}

#[test]
fn raw_develops_to_the_light_of_the_jpeg() {
    let rig = Rig::new();
    rig.hands.set_scene("shelf");
    rig.good(&[
        "--set-config",
        "imagequality=NEF+Fine",
        "--set-config",
        "shutterspeed2=1/60",
        "--set-config",
        "iso=200",
    ]);
    rig.hands.press_shutter();
    rig.wait_for_files(2);
    let jpeg = linear(&rig.dcim().join("DSC_0001.JPG"));
    let nef = rig.dcim().join("DSC_0001.NEF");
    let tags =
        exif::Reader::new().read_from_container(&mut std::io::BufReader::new(std::fs::File::open(&nef).unwrap()));
    let tags = tags.unwrap();
    let model = tags.get_field(exif::Tag::Model, exif::In::PRIMARY).unwrap().display_value().to_string();
    assert_eq!(model, "\"NIKON D5300\"");
    assert_eq!(
        tags.get_field(exif::Tag::PhotographicSensitivity, exif::In::PRIMARY).unwrap().value.get_uint(0),
        Some(200)
    );
    let Some(raw) = dcraw(&nef) else {
        println!("skipped: dcraw is not installed");
        return;
    };
    assert_eq!((raw.width, raw.height), (jpeg.width, jpeg.height));
    for channel in 0..3 {
        let plane = |p: &Linear| Linear {
            width: p.width,
            height: p.height,
            rgb: p.rgb.chunks_exact(3).flat_map(|c| [c[channel]; 3]).collect(),
        };
        let (a, b) = (plane(&raw).cells(0.0, 0.0, 1.0, 1.0, 30, 20), plane(&jpeg).cells(0.0, 0.0, 1.0, 1.0, 30, 20));
        let factor = a.iter().sum::<f64>() / b.iter().sum::<f64>();
        assert!((0.93..1.07).contains(&factor), "channel {channel}: RAW has {factor} of the JPEG's light");
        assert!(correlation(&a, &b) > 0.995, "channel {channel}: {}", correlation(&a, &b));
    }
}

#[test]
fn raw_and_jpeg_come_as_two_files_from_card_and_from_memory() {
    let rig = Rig::new();
    rig.good(&[
        "--set-config",
        "imagequality=NEF+Fine",
        "--set-config",
        "capturetarget=0",
        "--capture-image-and-download",
    ]);
    let have = |name: &str| std::fs::read(rig.folder.path().join(name)).unwrap();
    assert!(have("capt0000.nef").starts_with(b"II\x2a\0"));
    assert!(have("capt0001.jpg").starts_with(&[0xFF, 0xD8]));
    assert_eq!(rig.hands.card_shots(), 0);
    rig.good(&["--set-config", "capturetarget=1", "--capture-image-and-download", "--keep"]);
    assert!(have("DSC_0001.NEF") == std::fs::read(rig.dcim().join("DSC_0001.NEF")).unwrap());
    assert!(have("DSC_0001.JPG") == std::fs::read(rig.dcim().join("DSC_0001.JPG")).unwrap());
    rig.good(&["--set-config", "imagequality=NEF (Raw)", "--capture-image"]);
    assert!(rig.dcim().join("DSC_0002.NEF").exists() && !rig.dcim().join("DSC_0002.JPG").exists());
}
