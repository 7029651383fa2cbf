//! What libgphoto2 says about its errors, and what kind of error that makes.

use std::sync::Mutex;

use gphoto2::error::ErrorKind;

use super::super::{Error, Kind};

/// The last words of libgphoto2: its error codes say less ("Unspecified error" for a full card).
static WORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Catches libgphoto2's messages.
struct Listener;

impl log::Log for Listener {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Error
    }
    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        if let Ok(mut words) = WORDS.lock()
            && !text.trim().is_empty()
        {
            words.push(text.trim().to_owned());
        }
    }
    fn flush(&self) {}
}

/// Listens from now on. This must come before the first context.
pub(super) fn listen() {
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(log::LevelFilter::Error);
    }
}

/// libgphoto2's error with the last words that it said about it, and what kind it is.
pub(super) fn said(what: &str, e: &gphoto2::Error) -> Error {
    let words = WORDS.lock().map(|mut w| w.drain(..).collect::<Vec<_>>()).unwrap_or_default();
    let last = words.last().cloned().unwrap_or_default();
    let lower = words.join(" ").to_lowercase();
    let kind = match e.kind() {
        _ if lower.contains("store full") || lower.contains("no space") => Kind::CardFull,
        _ if lower.contains("does not support liveview") => Kind::Refused,
        // Of focus steps that the motor does not start for: the lens has not moved.
        _ if lower.contains("stepping too small") => Kind::Refused,
        _ if lower.contains("focus") => Kind::OutOfFocus,
        _ if lower.contains("busy") => Kind::Busy,
        _ if lower.contains("not open") || lower.contains("io-library") => Kind::Gone,
        ErrorKind::IoUsbClaim | ErrorKind::IoLock => Kind::Claimed,
        ErrorKind::ModelNotFound | ErrorKind::UnknownPort | ErrorKind::IoUsbFind => Kind::NotFound,
        ErrorKind::CameraBusy => Kind::Busy,
        ErrorKind::NoSpace => Kind::CardFull,
        ErrorKind::Io | ErrorKind::IoRead | ErrorKind::IoWrite | ErrorKind::Timeout | ErrorKind::IoUpdate => Kind::Gone,
        // After a disconnection libgphoto2 no longer knows any setting's name.
        ErrorKind::BadParameters => Kind::Gone,
        _ => Kind::Other,
    };
    let detail = if last.is_empty() { e.to_string() } else { format!("{e} ({last})") };
    Error::new(kind, format!("cannot {what}: {detail}"))
}
