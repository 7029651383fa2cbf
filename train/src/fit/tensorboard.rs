//! TensorBoard events of a run: scalars and sample pictures, in the format that `tensorboard --logdir` reads.
//!
//! The file says nothing that metrics and samples do not say: when a run goes on, it is appended to where it holds just them,
//! and else written anew, so that it never holds steps twice. A record is a length, its checksum, a protocol buffer `Event` and its checksum
//! (tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto).

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use manifests::run::{Record, Scores};

use crate::{Error, protobuf::Message};

/// Name of the file in a run's folder; TensorBoard looks for `tfevents` in it.
pub const EVENTS_FILE: &str = "events.out.tfevents.vitrine";

/// An open file of events.
#[derive(Debug)]
pub(super) struct Events {
    path: PathBuf,
    file: File,
    /// Seconds since 1970 at which the run would have begun, had it run in one piece up to now.
    began: f64,
}

impl Events {
    /// Opens the file to append. One that does not hold these records and pictures alone, whole, is replaced first: a
    /// TensorBoard that is running sees nothing of what comes then until it is started again.
    ///
    /// # Errors
    /// What the disk answers.
    pub(super) fn create(path: PathBuf, records: &[Record], pictures: &[(u64, PathBuf)]) -> Result<Self, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        let began = now - records.last().map_or(0.0, |r| r.seconds);
        let events = 1 + records.len() + pictures.len();
        if std::fs::read(&path).is_ok_and(|there| whole_events(&there) == Some(events)) {
            return Self::append_to(path, began);
        }
        let mut bytes = Vec::new();
        frame(&mut bytes, &Message::new().double(1, began).bytes(3, b"brain.Event:2").0);
        for record in records {
            frame(&mut bytes, &scalars(began, record));
        }
        for (step, picture) in pictures {
            let seconds = records.iter().rev().find(|r| r.step <= *step).map_or(0.0, |r| r.seconds);
            let png = std::fs::read(picture).map_err(Error::io(picture, "read"))?;
            frame(&mut bytes, &sample(began + seconds, *step, &png));
        }
        manifests::write_atomic(&path, &bytes)?;
        Self::append_to(path, began)
    }

    fn append_to(path: PathBuf, began: f64) -> Result<Self, Error> {
        let file = File::options().append(true).open(&path).map_err(Error::io(&path, "open"))?;
        Ok(Self { path, file, began })
    }

    /// Appends a record's figures.
    ///
    /// # Errors
    /// What the disk answers.
    pub(super) fn record(&mut self, record: &Record) -> Result<(), Error> {
        self.append(&scalars(self.began, record))
    }

    /// Appends a sample picture, a PNG file.
    ///
    /// # Errors
    /// What the disk answers.
    pub(super) fn picture(&mut self, step: u64, png: &Path) -> Result<(), Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        let png = std::fs::read(png).map_err(Error::io(png, "read"))?;
        self.append(&sample(now, step, &png))
    }

    fn append(&mut self, event: &[u8]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        frame(&mut bytes, event);
        self.file.write_all(&bytes).map_err(Error::io(&self.path, "write"))
    }
}

/// An event with every figure of a record.
fn scalars(began: f64, record: &Record) -> Vec<u8> {
    let mut values: Vec<(String, f64)> = Vec::new();
    if let Some(t) = &record.train {
        let terms = [
            ("ssim_b", t.ssim_b),
            ("statistic_b", t.statistic_b),
            ("l1_b", t.l1_b),
            ("ssim_r", t.ssim_r),
            ("statistic_r", t.statistic_r),
            ("si_gradient", t.si_gradient),
        ];
        values.push(("loss/total".into(), t.loss));
        values.extend(terms.into_iter().filter_map(|(name, v)| Some((format!("loss/{name}"), v?))));
        values.push(("schedule/learning_rate".into(), t.learning_rate));
        values.push(("speed/images_per_s".into(), t.images_per_s));
        values.push(("speed/data_wait".into(), t.data_wait));
        values.extend(t.memory_mib.map(|mib| ("speed/memory_mib".into(), mib)));
    }
    let mut scores = |name: &str, s: &Scores| {
        values.extend([("ssim", s.ssim), ("si", s.si), ("psnr", s.psnr)].map(|(key, v)| (format!("{name}/{key}"), v)));
    };
    record.validation.iter().for_each(|s| scores("validation", s));
    record.validation_input.iter().for_each(|s| scores("validation_input", s));
    let summary = values.iter().fold(Message::new(), |summary, (tag, value)| {
        summary.message(1, &Message::new().bytes(1, tag.as_bytes()).float(2, *value as f32))
    });
    event(began + record.seconds, record.step, &summary)
}

/// An event with a picture.
fn sample(at: f64, step: u64, png: &[u8]) -> Vec<u8> {
    // Width and height lie big-endian after a PNG's signature and the head of its first chunk.
    let side = |i: usize| png.get(i..i + 4).map_or(0, |b| b.iter().fold(0u64, |v, b| (v << 8) | u64::from(*b)));
    let picture = Message::new().integer(1, side(20)).integer(2, side(16)).integer(3, 3).bytes(4, png);
    let value = Message::new().bytes(1, b"validation/samples").message(4, &picture);
    event(at, step, &Message::new().message(1, &value))
}

fn event(at: f64, step: u64, summary: &Message) -> Vec<u8> {
    Message::new().double(1, at).integer(2, step).message(5, summary).0
}

/// Appends a record: length, its checksum, the event, its checksum.
fn frame(out: &mut Vec<u8>, event: &[u8]) {
    let length = (event.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(event);
    out.extend(masked(event).to_le_bytes());
}

/// How many records a file holds; none where one of them is torn or damaged.
fn whole_events(mut bytes: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (event, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let (of_event, rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*checksum) != masked(length) || u32::from_le_bytes(*of_event) != masked(event) {
            return None;
        }
        (count, bytes) = (count + 1, rest);
    }
    Some(count)
}

/// CRC-32C, turned and shifted as TensorFlow stores it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_format() {
        // The check value of CRC-32C, before it is masked.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let mut out = Vec::new();
        frame(&mut out, b"abc");
        assert_eq!(out.len(), 8 + 4 + 3 + 4);
        frame(&mut out, b"");
        assert_eq!(whole_events(&out), Some(2));
        assert_eq!(whole_events(&out[..out.len() - 1]), None, "torn");
        out[13] ^= 1;
        assert_eq!(whole_events(&out), None, "damaged");
        assert_eq!(masked(b"123456789"), 0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
