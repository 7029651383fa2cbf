//! A rehearsal body, a private home for libgphoto2's settings, and the stock gphoto2 program to drive it.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use capture::rehearsal::{Body, Faults, Operator, Options, Pace};

/// A body with a card that outlives it.
pub(crate) struct Rig {
    pub(crate) body: Body,
    pub(crate) hands: Operator,
    pub(crate) folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with_faults(Faults::default())
    }

    pub(crate) fn with_faults(faults: Faults) -> Self {
        Self::with(Options { faults, ..Options::default() })
    }

    pub(crate) fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("home/.gphoto")).unwrap();
        // Without this libgphoto2 keeps properties for two seconds, and read-backs lie.
        std::fs::write(folder.path().join("home/.gphoto/settings"), "ptp2=cachetime=0\n").unwrap();
        let card = Some(folder.path().join("card"));
        let body = Body::start(Options { pace: Pace::Fast, card, ..options }).unwrap();
        let hands = body.operator();
        Self { body, hands, folder }
    }

    /// Runs gphoto2 on the body, in the rig's folder.
    pub(crate) fn gphoto(&self, arguments: &[&str]) -> Output {
        let port = self.body.port();
        let output = Command::new("gphoto2")
            .args(["--camera", "Nikon DSC D5300", "--port", &format!("ptpip:127.0.0.1:{port}:{port}"), "--quiet"])
            .args(["--force-overwrite"])
            .args(arguments)
            .env("HOME", self.folder.path().join("home"))
            .env("LANG", "C")
            .current_dir(self.folder.path())
            .output();
        output.unwrap_or_else(|e| panic!("these tests drive the body with the gphoto2 program (package gphoto2): {e}"))
    }

    /// Runs gphoto2 and wants it to succeed; answers what it printed.
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.gphoto(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !errors.contains("*** Error"), "gphoto2 {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What `--get-config` calls the current value.
    pub(crate) fn setting(&self, name: &str) -> String {
        let text = self.good(&["--get-config", name]);
        let line = text.lines().find_map(|l| l.strip_prefix("Current: "));
        line.unwrap_or_else(|| panic!("no current value in {text}")).to_owned()
    }

    /// Sets the exposure with gphoto2, then presses the shutter; answers the file on the card.
    pub(crate) fn shoot(&self, shutter: &str, f_number: &str, iso: &str) -> PathBuf {
        let before = self.hands.card_shots();
        let settings = [format!("shutterspeed2={shutter}"), format!("f-number={f_number}"), format!("iso={iso}")];
        let [a, b, c] = settings.each_ref().map(String::as_str);
        self.good(&["--set-config", a, "--set-config", b, "--set-config", c]);
        self.hands.press_shutter();
        self.wait_for_files(before + 1);
        let mut files: Vec<_> = std::fs::read_dir(self.dcim()).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.pop().unwrap()
    }

    pub(crate) fn dcim(&self) -> PathBuf {
        self.folder.path().join("card/DCIM/100D5300")
    }

    /// Waits until the card has so many files.
    pub(crate) fn wait_for_files(&self, files: usize) {
        let patience = Instant::now() + Duration::from_secs(20);
        while self.hands.card_shots() < files {
            assert!(Instant::now() < patience, "the picture does not arrive");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A picture in linear light, 0 to 1, rows of R, G, B.
pub(crate) struct Linear {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<f64>,
}

/// Reads a JPEG back to linear light.
pub(crate) fn linear(path: &Path) -> Linear {
    let picture = image::open(path).unwrap().to_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let decode = |v: u8| {
        let e = f64::from(v) / 255.0;
        if e <= 0.040_45 { e / 12.92 } else { ((e + 0.055) / 1.055).powf(2.4) }
    };
    Linear { width, height, rgb: picture.into_raw().into_iter().map(decode).collect() }
}

impl Linear {
    /// Mean over the pixels that `keep` takes.
    pub(crate) fn mean_where(&self, keep: impl Fn(usize) -> bool) -> f64 {
        let kept: Vec<f64> = (0..self.rgb.len()).filter(|i| keep(*i)).map(|i| self.rgb[i]).collect();
        assert!(kept.len() * 10 > self.rgb.len(), "too few pixels to judge: {}", kept.len());
        kept.iter().sum::<f64>() / kept.len() as f64
    }

    /// Mean squared difference of neighbours in a row, over the mean squared level: higher is sharper.
    pub(crate) fn sharpness(&self) -> f64 {
        let green = |x: usize, y: usize| self.rgb[(y * self.width + x) * 3 + 1];
        let (mut edges, mut level) = (0.0, 0.0);
        for y in 0..self.height {
            for x in 0..self.width - 1 {
                edges += (green(x + 1, y) - green(x, y)).powi(2);
                level += green(x, y).powi(2);
            }
        }
        edges / level
    }

    /// Green means of a grid of cells over a rectangle given as fractions of the picture.
    pub(crate) fn cells(&self, left: f64, top: f64, right: f64, bottom: f64, columns: usize, rows: usize) -> Vec<f64> {
        let mut cells = Vec::with_capacity(columns * rows);
        let at = |from: f64, to: f64, i: usize, n: usize, size: usize| {
            ((from + (to - from) * i as f64 / n as f64) * size as f64).round() as usize
        };
        for j in 0..rows {
            for i in 0..columns {
                let xs = at(left, right, i, columns, self.width)..at(left, right, i + 1, columns, self.width);
                let ys = at(top, bottom, j, rows, self.height)..at(top, bottom, j + 1, rows, self.height);
                let count = (xs.len() * ys.len()) as f64;
                let sum: f64 = ys
                    .flat_map(|y| xs.clone().map(move |x| (x, y)))
                    .map(|(x, y)| self.rgb[(y * self.width + x) * 3 + 1])
                    .sum();
                cells.push(sum / count);
            }
        }
        cells
    }
}

/// Pearson's correlation.
pub(crate) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let cov: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let var = |v: &[f64], m: f64| v.iter().map(|x| (x - m).powi(2)).sum::<f64>();
    cov / (var(a, ma) * var(b, mb)).sqrt()
}
