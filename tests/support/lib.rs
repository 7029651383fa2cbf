//! Starting the programs as a user would and judging what they say.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The repository's root, where the README's commands are typed.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the crate lies in the repository")
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The shared folder of photographs beside the checkout, if this machine has it; says that it skips otherwise.
pub fn photographs(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not on this machine", path.display());
    None
}

/// A program with its arguments, away from the user's configuration and with nobody at the keyboard.
pub fn command<A: AsRef<OsStr>>(program: &str, home: &Path, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).env("HOME", home).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs to the end and keeps what was said.
pub fn run<A: AsRef<OsStr>>(program: &str, home: &Path, args: impl IntoIterator<Item = A>) -> Said {
    Said::new(command(program, home, args).output().expect("the program starts"))
}

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// From a finished process.
    pub fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("programs speak UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// Asserts a refusal: this exit code, and standard error ending in one sentence that holds every part.
    #[track_caller]
    pub fn refused(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        let sentence = self.err.trim_end().lines().last().unwrap_or_default();
        for part in parts {
            assert!(sentence.contains(part), "`{part}` is not in: {sentence}\n--- stderr\n{}", self.err);
        }
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace", "unwrap"] {
            assert!(!self.err.contains(word), "a user saw `{word}`:\n{}", self.err);
        }
        self
    }
}

/// A running program with its output kept.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        Self { child }
    }

    /// Waits until `done` holds, at most a minute. False when the program ended first.
    pub fn wait_until(&mut self, mut done: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while !done() {
            if self.child.try_wait().expect("a child can be waited for").is_some() {
                return false;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "nothing happened for a minute");
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn finish(self) -> Said {
        Said::new(self.child.wait_with_output().expect("a child can be waited for"))
    }
}

/// Number of whole lines in a file; 0 when it is not there.
pub fn lines(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |b| b.iter().filter(|c| **c == b'\n').count())
}
