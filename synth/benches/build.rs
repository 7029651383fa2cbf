//! How fast a data set is built, beside the floor (encoding the same PNGs and nothing else), beside encoding and writing them,
//! and, if there is one, beside another program.
//!
//! ```text
//! cargo bench -p synth --bench build
//! BENCH_PEER="python bench_synth.py" cargo bench -p synth --bench build
//! ```
//!
//! Two sets of made photographs: reflections of 24 megapixels with backgrounds of 500 x 375, and small ones for both.
//! `BENCH_BACKGROUNDS` and `BENCH_REFLECTIONS` name folders of your own to use instead, `BENCH_COUNT` another number of
//! samples (a few hundred show starting more than mixing), `BENCH_TURNS` of turns, `BENCH_DIR` a folder to work in. Where there
//! is room it is `/dev/shm`, in memory: programs are compared here, and on a disk a build, which waits for it, would be held
//! against a floor that writes nothing. The peer is called with `--backgrounds DIR --reflections DIR --out DIR --count N` and
//! prints a line of JSON with `samples_per_s`. All take turns, so that whatever else the machine does touches all of them;
//! what is printed are medians. Beside the time on the clock stands the processors' (user and system), which a busy machine
//! stretches less.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at whatever is wrong")]

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use image::{Rgb, RgbImage, codecs::jpeg::JpegEncoder};
use rayon::prelude::*;

fn main() {
    // The floor has what builds have.
    synth::memory::keep_buffers();
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let number = |name: &str, default: usize| variable(name).map_or(default, |v| v.parse().unwrap());
    let (count, turns) = (number("BENCH_COUNT", 2500), number("BENCH_TURNS", 3));
    let peer = variable("BENCH_PEER");
    let home = tempfile::tempdir_in(variable("BENCH_DIR").map_or_else(|| place(count), PathBuf::from)).unwrap();
    let home = home.path();
    println!("Working in {}, {}", home.display(), if in_memory(home) { "in memory" } else { "on a disk" });
    let cases = match (variable("BENCH_BACKGROUNDS"), variable("BENCH_REFLECTIONS")) {
        (Some(b), Some(r)) => vec![("your photographs", PathBuf::from(b), PathBuf::from(r))],
        _ => vec![
            ("24-megapixel reflections", made(home, "behind", 60, 500, 375), made(home, "before", 16, 6000, 4000)),
            ("small sources", made(home, "small-b", 100, 481, 321), made(home, "small-r", 100, 481, 321)),
        ],
    };
    for (name, backgrounds, reflections) in cases {
        let job = Job { home, backgrounds: &backgrounds, reflections: &reflections, count, builds: Cell::new(0) };
        let (mut cold, mut warm, mut floor, mut written, mut other) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..turns {
            let _ = std::fs::remove_dir_all(home.join("cache"));
            cold.push(job.build());
            // Cheap beside the rest, and what the machine does besides moves each by a tenth or more.
            for _ in 0..PAIRS {
                warm.push(job.build());
                floor.push(job.encode(None));
                let out = tempfile::tempdir_in(home).unwrap();
                job.ready_memory();
                written.push(job.encode(Some(out.path())));
                // A disk keeps them, as it keeps builds.
                if !in_memory(home) {
                    let _ = out.keep();
                }
            }
            other.extend(peer.as_ref().map(|peer| job.peer(peer)));
        }
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let rate = |turns: &[Took]| count as f64 / median(&mut turns.iter().map(|took| took.clock).collect());
        let work =
            |turns: &[Took]| 1000.0 / count as f64 * median(&mut turns.iter().map(|took| took.processors).collect());
        println!(
            "{name}: {count} samples of 224x288 in PNG, medians of {turns} turns, {} from the cache",
            turns * PAIRS
        );
        println!("                                        samples a second   processors' ms a sample");
        for (what, turns) in [
            ("synth, photographs read for the first time", &cold),
            ("synth, photographs in the cache", &warm),
            ("encoding the same PNGs alone, the floor", &floor),
            ("encoding and writing them", &written),
        ] {
            println!("  {what:<44}  {:8.1}   {:8.2}", rate(turns), work(turns));
        }
        // Each build beside what ran right after it: what slows a machine for a minute slows both.
        for (what, turns) in [("the floor of its turn", &floor), ("encoding and writing", &written)] {
            let beside =
                |of: fn(&Took) -> f64| median(&mut warm.iter().zip(turns).map(|(w, f)| of(w) / of(f)).collect());
            let (clock, processors) = (beside(|took| took.clock), beside(|took| took.processors));
            println!("  from the cache, times {what:<21}   {clock:8.2}   {processors:8.2}");
        }
        if !other.is_empty() {
            let other = median(&mut other);
            println!("  peer                                          {other:8.1}");
            println!("  synth, first time, times as fast as the peer  {:8.1}", rate(&cold) / other);
        }
    }
}

/// Builds from the cache in a turn, each with what is held against it after it.
const PAIRS: usize = 3;

/// More than three PNGs of 224 x 288 take: their pixels.
const BYTES_A_SAMPLE: usize = 3 * 224 * 288 * 3;

/// Seconds.
struct Took {
    clock: f64,
    processors: f64,
}

impl Took {
    /// Runs something that this process (`libc::RUSAGE_SELF`) or its children (`libc::RUSAGE_CHILDREN`) do.
    fn of(whose: libc::c_int, work: impl FnOnce()) -> Self {
        let spent = || {
            // SAFETY: getrusage fills the structure that it is given; zeros are a valid one.
            let usage = unsafe {
                let mut usage = std::mem::zeroed::<libc::rusage>();
                assert_eq!(libc::getrusage(whose, &raw mut usage), 0);
                usage
            };
            [usage.ru_utime, usage.ru_stime].map(|t| t.tv_sec as f64 + t.tv_usec as f64 / 1e6).iter().sum::<f64>()
        };
        let (before, begun) = (spent(), Instant::now());
        work();
        Self { clock: begun.elapsed().as_secs_f64(), processors: spent() - before }
    }
}

struct Job<'a> {
    home: &'a Path,
    backgrounds: &'a Path,
    reflections: &'a Path,
    count: usize,
    builds: Cell<usize>,
}

impl Job<'_> {
    /// The folder of the last build.
    fn out(&self) -> PathBuf {
        self.home.join(format!("{}-{}", self.backgrounds.file_name().unwrap().display(), self.builds.get()))
    }

    /// Builds anew as a user would.
    fn build(&self) -> Took {
        self.make_room(&self.out());
        self.builds.set(self.builds.get() + 1);
        let (out, recipe) = (self.out(), self.home.join("recipe.yaml"));
        let text = format!(
            "version: 1\nname: bench\nseed: 1\ncount: {}\nsizes: [224x288]\nsplits: {{train: 1, validation: 0, test: 0}}\n\
             sources:\n  backgrounds: [{{folder: '{}', licence: none}}]\n  reflections: [{{folder: '{}', licence: none}}]\n",
            self.count,
            self.backgrounds.canonicalize().unwrap().display(),
            self.reflections.canonicalize().unwrap().display()
        );
        std::fs::write(&recipe, text).unwrap();
        self.ready_memory();
        let mut command = Command::new(env!("CARGO_BIN_EXE_synth"));
        command.arg("build").arg(&recipe).arg("--out").arg(&out).arg("--cache").arg(self.home.join("cache"));
        Took::of(libc::RUSAGE_CHILDREN, || {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        })
    }

    /// Touches as much memory as a data set takes and gives it back, before each program alike.
    ///
    /// A virtual machine may hand free memory back to its host within seconds, and asking for it again takes several times
    /// as long as writing to it: that is the machine's time, no program's.
    fn ready_memory(&self) {
        drop(std::hint::black_box(vec![1u8; self.count * BYTES_A_SAMPLE]));
    }

    /// In memory what is done with makes room. A disk keeps it until the end: ext4 without a journal looks over every file
    /// that was removed in the last minutes when it creates one, which took longer than the build.
    fn make_room(&self, done: &Path) {
        if done.exists() && in_memory(self.home) {
            std::fs::remove_dir_all(done).unwrap();
        }
    }

    /// Encodes the pictures of the last build on every core, and writes the files to a folder where there is one.
    fn encode(&self, out: Option<&Path>) -> Took {
        let files = walkdir::WalkDir::new(self.out()).into_iter().map(|e| e.unwrap().into_path());
        let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "png")).collect();
        assert_eq!(files.len(), 3 * self.count);
        let mut took = Took { clock: 0.0, processors: 0.0 };
        // Some at a time: decoded, those of a large build are gigabytes.
        for files in files.chunks(3 * 256) {
            let decoded = files.par_iter().map(|path| image::open(path).unwrap().into_rgb8());
            let pictures: Vec<synth::Rgb8> = decoded
                .map(|p| synth::Rgb8 { height: p.height() as usize, width: p.width() as usize, data: p.into_raw() })
                .collect();
            let names: Vec<_> = files.iter().map(|path| Some(out?.join(path.file_name()?))).collect();
            let part = Took::of(libc::RUSAGE_SELF, || encode(&pictures, &names));
            took.clock += part.clock;
            took.processors += part.processors;
        }
        took
    }

    /// Runs the other program; samples a second, as it says.
    fn peer(&self, command: &str) -> f64 {
        let out =
            self.home.join(format!("{}-peer-{}", self.backgrounds.file_name().unwrap().display(), self.builds.get()));
        self.ready_memory();
        let mut words = command.split_whitespace();
        let output = Command::new(words.next().unwrap())
            .args(words)
            .arg("--backgrounds")
            .arg(self.backgrounds)
            .arg("--reflections")
            .arg(self.reflections)
            .arg("--out")
            .arg(&out)
            .args(["--count", &self.count.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        self.make_room(&out);
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        said["samples_per_s"].as_f64().unwrap()
    }
}

/// Encodes pictures on every core, writes those that have a name, and forgets the bytes.
fn encode(pictures: &[synth::Rgb8], names: &[Option<PathBuf>]) {
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    let jobs: Vec<_> = pictures.iter().zip(names).collect();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                let mut bytes = Vec::new();
                while let Some((picture, name)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    synth::encode::png_into(picture, &mut bytes).unwrap();
                    total.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    if let Some(name) = name {
                        std::fs::write(name, &bytes).unwrap();
                    }
                }
            });
        }
    });
    assert!(total.into_inner() > 0);
}

/// `/dev/shm` if it is in memory and has room for a data set of each program, else the folder for temporary files.
fn place(count: usize) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |about| about.f_bavail * about.f_frsize);
    if in_memory(memory) && room > 2 * (count * BYTES_A_SAMPLE) as u64 { memory.into() } else { std::env::temp_dir() }
}

fn in_memory(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|about| about.f_type == libc::TMPFS_MAGIC)
}

/// Photographs with shapes and a sensor's noise, as JPEGs.
fn made(home: &Path, name: &str, count: u32, width: u32, height: u32) -> PathBuf {
    let folder = home.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for n in 0..count {
        let (w, h) = if n % 5 == 4 { (height, width) } else { (width, height) };
        let mut state = n + 1;
        let scale = 20.0 / width as f32;
        let wave: Vec<f32> = (0..w.max(h)).map(|i| (i as f32 * scale * (1.0 + n as f32 / 7.0)).sin()).collect();
        let picture = RgbImage::from_fn(w, h, |x, y| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let noise = (state & 7) as f32;
            let (a, b) = (wave[x as usize], wave[y as usize]);
            let edge = if a * b > 0.3 { 40.0 } else { 0.0 };
            Rgb([110.0 + 70.0 * a + edge, 110.0 + 60.0 * b, 100.0 + 50.0 * a * b + edge].map(|v| (v + noise) as u8))
        });
        let file = std::io::BufWriter::new(std::fs::File::create(folder.join(format!("{n:03}.jpg"))).unwrap());
        picture.write_with_encoder(JpegEncoder::new_with_quality(file, 92)).unwrap();
    }
    folder
}
