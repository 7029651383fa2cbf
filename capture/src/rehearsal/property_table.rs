//! The table of the body's properties: code, type, access, default and choices, as a D5300 lists them.

use super::{
    codes::prop,
    lens,
    properties::{Form, Property, Value},
};

/// Bulb, in both shutter properties.
pub(super) const BULB: u32 = u32::MAX;

/// Every shutter speed of the body in thirds of a stop, numerator and denominator in seconds.
const SPEEDS: &[(u16, u16)] = &[
    (1, 4000),
    (1, 3200),
    (1, 2500),
    (1, 2000),
    (1, 1600),
    (1, 1250),
    (1, 1000),
    (1, 800),
    (1, 640),
    (1, 500),
    (1, 400),
    (1, 320),
    (1, 250),
    (1, 200),
    (1, 160),
    (1, 125),
    (1, 100),
    (1, 80),
    (1, 60),
    (1, 50),
    (1, 40),
    (1, 30),
    (1, 25),
    (1, 20),
    (1, 15),
    (1, 13),
    (1, 10),
    (1, 8),
    (1, 6),
    (1, 5),
    (1, 4),
    (10, 30),
    (10, 25),
    (1, 2),
    (10, 16),
    (10, 13),
    (1, 1),
    (13, 10),
    (16, 10),
    (2, 1),
    (25, 10),
    (3, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (8, 1),
    (10, 1),
    (13, 1),
    (15, 1),
    (20, 1),
    (25, 1),
    (30, 1),
];

/// ISO sensitivities in thirds of a stop.
const ISO: &[u16] = &[
    100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6400, 8000,
    10000, 12800, 16000, 20000, 25600,
];

/// Pictures sizes large, medium and small, as the body names them.
const SIZES: &[&str] = &["6000x4000", "4496x3000", "2992x2000"];

/// Shutter speeds as (Nikon's fraction, the standard's tenths of a millisecond), bulb last.
pub(super) fn shutter_speeds() -> Vec<(u32, u32)> {
    let tenths = |n: u16, d: u16| (f64::from(n) / f64::from(d) * 10_000.0).round() as u32;
    let mut speeds: Vec<_> =
        SPEEDS.iter().map(|&(n, d)| ((u32::from(n) << 16) | u32::from(d), tenths(n, d).max(1))).collect();
    speeds.push((BULB, BULB));
    speeds
}

fn row(code: u16, settable: bool, default: Value, form: Form) -> (u16, Property) {
    (code, Property { settable, current: default.clone(), default, form })
}
fn any(code: u16, default: Value) -> (u16, Property) {
    row(code, true, default, Form::Any)
}
fn read_only(code: u16, value: Value) -> (u16, Property) {
    row(code, false, value, Form::Any)
}
fn range8(code: u16, default: u8, high: u8) -> (u16, Property) {
    row(code, true, Value::U8(default), Form::Range(Value::U8(0), Value::U8(high), Value::U8(1)))
}
fn choices8(code: u16, default: u8, choices: &[u8]) -> (u16, Property) {
    row(code, true, Value::U8(default), Form::Choices(choices.iter().map(|v| Value::U8(*v)).collect()))
}
fn choices16(code: u16, settable: bool, default: u16, choices: &[u16]) -> (u16, Property) {
    row(code, settable, Value::U16(default), Form::Choices(choices.iter().map(|v| Value::U16(*v)).collect()))
}

/// All properties with their values when the body is switched on.
pub(super) fn properties() -> Vec<(u16, Property)> {
    let mut all = standard();
    all.extend(vendor());
    all
}

fn standard() -> Vec<(u16, Property)> {
    let speeds = shutter_speeds();
    let sizes = SIZES.iter().map(|s| Value::Text((*s).into())).collect();
    let bias: Vec<Value> = (-15..=15).map(|third: i16| Value::I16((f64::from(third) * 1000.0 / 3.0) as i16)).collect();
    let zoom = |mm: f64| Value::U32((mm * 100.0) as u32);
    vec![
        row(prop::BATTERY_LEVEL, false, Value::U8(100), Form::Range(Value::U8(0), Value::U8(100), Value::U8(1))),
        row(prop::IMAGE_SIZE, true, Value::Text(SIZES[0].into()), Form::Choices(sizes)),
        // Basic, normal, fine, NEF, and NEF with each of the three.
        choices8(prop::COMPRESSION, 2, &[0, 1, 2, 4, 5, 6, 7]),
        // White balance: automatic, direct sun, fluorescent, incandescent, flash, cloudy, shade, preset.
        choices16(0x5005, true, 2, &[2, 4, 5, 6, 7, 0x8010, 0x8011, 0x8013]),
        choices16(prop::F_NUMBER, true, 560, &[560]),
        row(
            prop::FOCAL_LENGTH,
            false,
            zoom(35.0),
            Form::Range(zoom(lens::SHORTEST_MM), zoom(lens::LONGEST_MM), Value::U32(1)),
        ),
        // The lens's switch: manual, AF-S, AF-C, AF-A.
        choices16(prop::FOCUS_MODE, false, 1, &[1, 0x8010, 0x8011, 0x8012]),
        choices16(0x500B, true, 3, &[2, 3, 4]),
        choices16(0x500C, true, 2, &[2, 4, 0x8010, 0x8011, 0x8012, 0x8013]),
        row(
            prop::EXPOSURE_TIME,
            true,
            Value::U32(167),
            Form::Choices(speeds.iter().map(|s| Value::U32(s.1)).collect()),
        ),
        // The mode dial: M, P, A, S, automatic, scene modes.
        choices16(prop::EXPOSURE_PROGRAM, false, 1, &[1, 2, 3, 4, 0x8010, 0x8011, 0x8012]),
        choices16(prop::ISO, true, 100, ISO),
        row(0x5010, true, Value::I16(0), Form::Choices(bias)),
        any(prop::DATE_TIME, Value::Text(String::new())),
        choices16(0x5013, true, 1, &[1, 2, 0x8010, 0x8011, 0x8012, 0x8016]),
        row(0x5018, true, Value::U16(1), Form::Range(Value::U16(1), Value::U16(100), Value::U16(1))),
        choices16(0x501C, true, 0x8010, &[2, 0x8010, 0x8011, 0x8012]),
    ]
}

fn vendor() -> Vec<(u16, Property)> {
    let speeds = shutter_speeds().iter().map(|s| Value::U32(s.0)).collect();
    vec![
        // White balance fine tuning, one for each balance.
        range8(0xD017, 84, 168),
        range8(0xD018, 84, 168),
        range8(0xD019, 84, 168),
        range8(0xD01A, 84, 168),
        range8(0xD01B, 84, 168),
        range8(0xD01C, 84, 168),
        range8(0xD01D, 84, 168),
        // Colour space, sRGB or Adobe RGB.
        range8(0xD032, 0, 1),
        // Automatic ISO off; exposure step a third.
        range8(0xD054, 0, 1),
        range8(0xD056, 0, 1),
        // Live view: AF area, AF mode.
        choices8(0xD05D, 1, &[0, 1, 2, 3]),
        choices8(0xD061, 0, &[0, 2, 3]),
        // Auto-off timers, exposure delay, long-exposure noise reduction, file numbering, high-ISO noise reduction.
        range8(0xD066, 1, 3),
        range8(0xD06A, 0, 1),
        range8(0xD06B, 0, 1),
        range8(0xD06C, 1, 2),
        choices8(0xD070, 0, &[0, 1, 2, 3]),
        // Release without a card, AF points, image comment, rotation flag.
        range8(0xD08A, 1, 1),
        range8(0xD08D, 1, 1),
        any(0xD090, Value::Text(String::new())),
        range8(0xD091, 0, 1),
        range8(0xD092, 0, 1),
        // Bracketing off.
        range8(0xD0C0, 0, 1),
        // The lens: identity, sort, type, focal lengths x 100, widest apertures x 100.
        read_only(0xD0E0, Value::U8(160)),
        read_only(0xD0E1, Value::U8(1)),
        read_only(0xD0E2, Value::U8(14)),
        read_only(0xD0E3, Value::U32((lens::SHORTEST_MM * 100.0) as u32)),
        read_only(0xD0E4, Value::U32((lens::LONGEST_MM * 100.0) as u32)),
        read_only(0xD0E5, Value::U16(350)),
        read_only(0xD0E6, Value::U16(560)),
        range8(0xD0F8, 0, 1),
        row(prop::SHUTTER, true, Value::U32((1 << 16) | 60), Form::Choices(speeds)),
        // Mains power, warnings, AF and AE lock.
        read_only(0xD101, Value::U8(0)),
        read_only(0xD102, Value::U8(0)),
        read_only(prop::EXPOSURE_REMAINING, Value::U32(0)),
        read_only(0xD104, Value::U8(0)),
        read_only(0xD105, Value::U8(0)),
        range8(prop::RECORDING_MEDIA, 0, 1),
        read_only(0xD10E, Value::U8(0)),
        // Flash: none attached, compensation 0.
        read_only(0xD120, Value::U8(0)),
        range8(0xD130, 0, 3),
        read_only(0xD149, Value::U8(1)),
        choices8(0xD14E, 0, &[0, 1, 2, 3, 4, 5]),
        // Lens and body focus mode: AF-S, AF-C, AF-A, MF.
        row(prop::AUTOFOCUS_MODE, false, Value::U8(4), Form::Choices([0, 1, 2, 3, 4].map(Value::U8).to_vec())),
        range8(0xD163, 1, 1),
        range8(0xD16A, 0, 1),
        row(prop::LIVE_VIEW_STATUS, false, Value::U8(0), Form::Range(Value::U8(0), Value::U8(1), Value::U8(1))),
        choices8(0xD1A3, 0, &[0, 1, 2, 3, 4, 5]),
        read_only(prop::LIVE_VIEW_PROHIBIT, Value::U32(0)),
        read_only(0xD1B0, Value::U8(0)),
        row(0xD1B1, false, Value::I8(0), Form::Range(Value::I8(-60), Value::I8(60), Value::I8(1))),
        read_only(0xD1C0, Value::U8(0)),
        read_only(0xD1C1, Value::U8(0)),
    ]
}
