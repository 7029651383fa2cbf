//! The settings and the date that a photograph's file carries.

use std::io::Cursor;

use exif::{Exif, In, Rational, Reader, Tag, Value};
use manifests::{FNumber, FocalLength, Shutter, session::Settings};

use crate::{
    clock,
    plan::{same_f_number, same_focal_length, same_shutter},
};

/// What a photograph's file says of how and when it was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct About {
    /// Exposure time, f-number, ISO and focal length; none where one of the first three is missing.
    pub(crate) settings: Option<Settings>,
    /// When the shutter opened by the body's clock, in seconds since 1970 as if that showed UTC.
    pub(crate) taken: Option<i64>,
}

/// Reads what a JPEG or NEF says of itself.
pub(crate) fn about(file: &[u8]) -> About {
    let Ok(exif) = Reader::new().read_from_container(&mut Cursor::new(file)) else { return About::default() };
    About { settings: settings(&exif), taken: taken(&exif) }
}

fn taken(exif: &Exif) -> Option<i64> {
    match &exif.get_field(Tag::DateTimeOriginal, In::PRIMARY)?.value {
        Value::Ascii(lines) => clock::parse(std::str::from_utf8(lines.first()?).ok()?),
        _ => None,
    }
}

fn settings(exif: &Exif) -> Option<Settings> {
    let rational = |tag| match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Rational(v) => v.first().copied().filter(|r: &Rational| r.denom > 0),
        _ => None,
    };
    let time = rational(Tag::ExposureTime).filter(|r| r.num > 0)?;
    Some(Settings {
        shutter: Shutter { numerator: time.num, denominator: time.denom },
        f_number: FNumber::new(rational(Tag::FNumber)?.to_f64()).ok()?,
        iso: exif.get_field(Tag::PhotographicSensitivity, In::PRIMARY)?.value.get_uint(0)?,
        focal_length_mm: rational(Tag::FocalLength).and_then(|r| FocalLength::new(r.to_f64()).ok()),
        focus: None,
    })
}

/// Where two sources of a photograph's settings differ, in words: `the plan has f/8 where the file has f/5.6`.
pub(crate) fn differences(a: &Settings, who_a: &str, b: &Settings, who_b: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut differ = |same: bool, one: String, other: String| {
        if !same {
            words.push(format!("{who_a} has {one} where {who_b} has {other}"));
        }
    };
    differ(
        same_shutter(a.shutter, b.shutter) || near(a.shutter, b.shutter),
        a.shutter.to_string(),
        b.shutter.to_string(),
    );
    differ(same_f_number(a.f_number, b.f_number), format!("f/{}", a.f_number), format!("f/{}", b.f_number));
    differ(a.iso == b.iso, format!("ISO {}", a.iso), format!("ISO {}", b.iso));
    if let (Some(x), Some(y)) = (a.focal_length_mm, b.focal_length_mm) {
        differ(same_focal_length(x, y), format!("{x} mm"), format!("{y} mm"));
    }
    words
}

/// EXIF may spell 1/60 s as 166/10000: within 3 %, a tenth of the step between two speeds.
fn near(a: Shutter, b: Shutter) -> bool {
    (a.seconds() / b.seconds()).log2().abs() < 0.04
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_and_roundings_are_none() {
        let settings = |t: &str, f: f64, iso, mm| Settings {
            shutter: t.parse().unwrap(),
            f_number: FNumber::new(f).unwrap(),
            iso,
            focal_length_mm: Some(FocalLength::new(mm).unwrap()),
            focus: None,
        };
        let plan = settings("1/60", 5.6, 100, 35.0);
        assert!(differences(&plan, "the plan", &settings("166/10000", 5.657, 100, 35.4), "the file").is_empty());
        let words = differences(&plan, "the plan", &settings("1/50", 8.0, 200, 55.0), "the file");
        assert_eq!(words.len(), 4);
        assert_eq!(words[1], "the plan has f/5.6 where the file has f/8");
    }
}
