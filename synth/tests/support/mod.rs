//! Photographs that are computed, recipes, and the program itself.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use image::{Rgb, RgbImage};

/// A picture with structure at every scale, different for each `n`.
pub(crate) fn picture(n: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |k: u32| ((x * k + y * (7 - k) + n * 31) * (n % 5 + 1)) % 256;
        let block = ((x / 8 + y / 8 + n) % 2) * 90;
        Rgb([(wave(2) / 2 + block) as u8, (wave(3) / 2 + n * 11 % 100) as u8, (wave(5) / 3 + block / 2) as u8])
    })
}

/// A folder with `n` photographs: JPEG and PNG, landscape and portrait.
pub(crate) fn photographs(folder: &Path, n: u32, first: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for i in 0..n {
        let (w, h) = if i % 3 == 2 { (60, 90) } else { (100, 70) };
        let end = if i % 2 == 0 { "jpg" } else { "png" };
        picture(first + i, w, h).save(folder.join(format!("{i:03}.{end}"))).unwrap();
    }
}

/// A bench of sources and a recipe, in a folder that goes when it is dropped.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
}

impl Bench {
    /// Six backgrounds, six reflections and a recipe of `count` samples with `more` lines.
    pub(crate) fn new(count: u64, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        photographs(&dir.path().join("behind"), 6, 0);
        photographs(&dir.path().join("before"), 6, 40);
        let bench = Self { dir };
        bench.recipe(count, more);
        bench
    }
    pub(crate) fn recipe(&self, count: u64, more: &str) {
        let text = format!(
            "version: 1\nname: test\nseed: 7\ncount: {count}\nsources:\n  backgrounds:\n    - folder: behind\n      \
             licence: CC0-1.0\n  reflections:\n    - folder: before\n      licence: CC0-1.0\n{more}\n"
        );
        std::fs::write(self.path("recipe.yaml"), text).unwrap();
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    /// Runs `synth build recipe.yaml --out OUT ...`.
    pub(crate) fn build(&self, out: &str, more: &[&str]) -> Output {
        self.command(out, more).output().unwrap()
    }
    pub(crate) fn command(&self, out: &str, more: &[&str]) -> Command {
        let mut command = synth();
        command.current_dir(self.dir.path()).args(["build", "recipe.yaml", "--out", out]).args(more);
        command
    }
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        synth().current_dir(self.dir.path()).args(args).output().unwrap()
    }
}

pub(crate) const SMALL: &str = "sizes: [32x64, 48x32]\nsplits: {train: 0.5, validation: 0.25, test: 0.25}";

pub(crate) fn synth() -> Command {
    Command::new(env!("CARGO_BIN_EXE_synth"))
}

/// The exit code and everything that was said, for assertions.
pub(crate) fn told(output: &Output) -> (i32, String) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

/// Asserts success and gives what was said.
pub(crate) fn done(output: Output) -> String {
    let (code, text) = told(&output);
    assert_eq!(code, 0, "{text}");
    text
}

/// Every file below a folder with its bytes, but for the note of where the sources lay.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|e| e.file_type().is_file() && e.file_name() != "origin.yaml")
        .map(|e| {
            let name = e.path().strip_prefix(folder).unwrap().display().to_string();
            (name, std::fs::read(e.path()).unwrap())
        })
        .collect()
}

/// One hash over the names and bytes of all pictures.
pub(crate) fn hash_of_pictures(folder: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, bytes) in tree(folder).into_iter().filter(|(name, _)| name.ends_with(".png")) {
        hasher.update(name.as_bytes()).update(blake3::hash(&bytes).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
