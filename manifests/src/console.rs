//! Lines for whoever reads a program's output, and what happens when nobody can.
//!
//! `println!` panics where its reader has gone: in `train doctor | head`, or in a fit of three days when the `tee`
//! that keeps its lines is ended. Here a reader who left has what it wanted, and the work goes on, also where the reader was
//! a terminal that has hung up; any other failure, a full disk under `> scores.json` say, is told once and makes the
//! program's exit code say so.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{fs::FileType, io::Errno};

static LOST: AtomicBool = AtomicBool::new(false);

/// A line to the standard output; as `println!`, but see [`console`](crate::console).
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::console::line(format_args!($($text)*)) };
}

/// A line to the standard error; as `eprintln!`, but never a panic: where it is lost, the exit code still says what matters.
#[macro_export]
macro_rules! tell {
    ($($text:tt)*) => { $crate::console::aside(format_args!($($text)*)) };
}

/// What [`say!`](crate::say) does.
#[doc(hidden)]
pub fn line(text: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(e) = out.write_fmt(format_args!("{text}\n")).and_then(|()| out.flush())
        && !reader_left(&e)
        && !LOST.swap(true, Ordering::Relaxed)
    {
        aside(format_args!("the standard output cannot be written ({e}): what was printed is not whole"));
    }
}

/// Whether a pipe was closed at its other end, or a terminal hung up: writing to one that has fails with EIO, as a broken disk
/// does, which is no character device.
fn reader_left(error: &io::Error) -> bool {
    let terminal =
        || rustix::fs::fstat(io::stdout()).is_ok_and(|m| FileType::from_raw_mode(m.st_mode).is_char_device());
    error.kind() == ErrorKind::BrokenPipe || (Errno::from_io_error(error) == Some(Errno::IO) && terminal())
}

/// What [`tell!`](crate::tell) does.
#[doc(hidden)]
pub fn aside(text: fmt::Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(format_args!("{text}\n"));
}

/// How a program ends that would have ended with `code`: with 1 if it would have been content, but a line of its output
/// was lost.
pub fn ended(code: ExitCode) -> ExitCode {
    if LOST.load(Ordering::Relaxed) && code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
}
