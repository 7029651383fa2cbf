//! Quantities that appear in several manifests, each checked as it is read.

use std::{fmt, path::Path, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Implements serde and JSON Schema for a type that is written as a string, verbatim or not as [`FromText`] has it.
macro_rules! as_string {
    ($ty:ty, $name:literal, $pattern:literal, $help:literal) => {
        as_string!($ty, $name, $pattern, $help, false);
    };
    ($ty:ty, $name:literal, $pattern:literal, $help:literal, $verbatim:literal) => {
        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_any(FromText::<$ty, $verbatim>($help, std::marker::PhantomData))
            }
        }
        impl JsonSchema for $ty {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "number"], "pattern": $pattern, "description": $help })
            }
        }
    };
}

/// Reads a string, or a number as if it had been quoted: in YAML `4` and `"4"` are the same shutter speed. With `VERBATIM`, of
/// which every character counts, a number with a point is refused: `1.10` arrives here as 1.1.
pub(crate) struct FromText<T, const VERBATIM: bool = false>(
    pub(crate) &'static str,
    pub(crate) std::marker::PhantomData<T>,
);

impl<T: FromStr<Err = String>, const VERBATIM: bool> de::Visitor<'_> for FromText<T, VERBATIM> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<T, E> {
        v.parse().map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<T, E> {
        self.visit_str(&v.to_string())
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<T, E> {
        self.visit_str(&v.to_string())
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<T, E> {
        if VERBATIM {
            return Err(E::custom(format_args!(
                "is read as the number {v}, whatever zeros were written: put it in quotes to keep it as it is"
            )));
        }
        self.visit_str(&v.to_string())
    }
}

/// Implements serde and JSON Schema for a number with a range.
macro_rules! as_number {
    ($ty:ident, $name:literal, $min:expr, $max:expr, $help:literal) => {
        impl $ty {
            /// The value, checked.
            ///
            /// # Errors
            /// A sentence when `value` is not finite or out of range.
            pub fn new(value: f64) -> Result<Self, String> {
                let (min, max): (f64, f64) = ($min, $max);
                if value.is_finite() && value >= min && value <= max {
                    Ok(Self(value))
                } else {
                    Err(format!("{value} is not {}", $help))
                }
            }
            /// The bare number.
            pub fn get(self) -> f64 {
                self.0
            }
        }
        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_f64(self.0)
            }
        }
        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_f64(FromNumber($help, Self::new))
            }
        }
        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl JsonSchema for $ty {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "number", "minimum": $min, "maximum": $max, "description": $help })
            }
        }
    };
}

/// Reads a number and checks it while the parser still knows its place; `#[serde(try_from)]` would name the parent.
struct FromNumber<T>(&'static str, fn(f64) -> Result<T, String>);

impl<T> de::Visitor<'_> for FromNumber<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<T, E> {
        self.1(v).map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<T, E> {
        self.visit_f64(v as f64)
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<T, E> {
        self.visit_f64(v as f64)
    }
}

/// A generator's seed. Written as a string, because JSON numbers lose precision above 2^53; read from either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for Seed {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        s.parse().map(Self).map_err(|_| format!("`{s}` is not a seed: a whole number from 0 to 2^64 - 1"))
    }
}
as_string!(Seed, "Seed", "^[0-9]{1,20}$", "a whole number from 0 to 2^64 - 1");

/// A BLAKE3 hash of a file's bytes, 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Hashes bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
    /// Hashes a file, streaming.
    ///
    /// # Errors
    /// Whatever reading the file answers.
    pub fn of_file(path: &Path) -> std::io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(path)?)?;
        Ok(Self(*hasher.finalize().as_bytes()))
    }
    /// The first `n` hexadecimal digits, for people.
    pub fn short(&self, n: usize) -> String {
        self.to_string().chars().take(n).collect()
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
impl FromStr for Digest {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let bad = || format!("`{s}` is not a BLAKE3 hash: 64 lower-case hexadecimal digits");
        if s.len() != 64 || !s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut out = [0u8; 32];
        for (byte, pair) in out.iter_mut().zip(s.as_bytes().chunks_exact(2)) {
            let text = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(text, 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}
as_string!(Digest, "Digest", "^[0-9a-f]{64}$", "a BLAKE3 hash: 64 lower-case hexadecimal digits");

/// A path below the folder that holds the manifest: relative, `/` between parts, no `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(String);

impl RelPath {
    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The path below `root`.
    pub fn under(&self, root: &Path) -> std::path::PathBuf {
        self.0.split('/').fold(root.to_path_buf(), |p, part| p.join(part))
    }
}
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for RelPath {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let ok = !s.is_empty()
            && !s.contains(['\\', '\0', '\n'])
            && s.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if ok { Ok(Self(s.to_owned())) } else { Err(format!("`{s}` is not a relative path with `/` and without `..`")) }
    }
}
as_string!(RelPath, "RelPath", "^[^/\\\\]+(/[^/\\\\]+)*$", "a relative path with `/` and without `..`", true);

/// An identifier that is safe as a file name: letters, digits, `-`, `_` and `.`, not starting with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The identifier as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for Name {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let ok = (1..=64).contains(&s.len())
            && !s.starts_with('.')
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if ok {
            Ok(Self(s.to_owned()))
        } else {
            Err(format!("`{s}` is not a name: 1 to 64 letters, digits, `-`, `_` or `.`"))
        }
    }
}
as_string!(
    Name,
    "Name",
    "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
    "a name: 1 to 64 letters, digits, `-`, `_` or `.`",
    true
);

/// A shutter speed in seconds as the camera writes it: `1/60`, `10/25`, `13/10`, `4`.
///
/// Kept as the fraction, because a body's own choices are fractions and `0.0166` is none of them.
/// Two spellings of one duration are equal only through [`Shutter::seconds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shutter {
    /// Numerator, seconds, at least 1.
    pub numerator: u32,
    /// Denominator, at least 1.
    pub denominator: u32,
}

impl Shutter {
    /// The duration in seconds.
    pub fn seconds(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}
impl fmt::Display for Shutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            d => write!(f, "{}/{d}", self.numerator),
        }
    }
}
impl FromStr for Shutter {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let (n, d) = s.split_once('/').unwrap_or((s, "1"));
        match (n.trim().parse(), d.trim().parse()) {
            (Ok(numerator), Ok(denominator)) if numerator > 0 && denominator > 0 => Ok(Self { numerator, denominator }),
            _ => Err(format!("`{s}` is not a shutter speed: seconds as `1/60`, `13/10` or `4`")),
        }
    }
}
as_string!(
    Shutter,
    "Shutter",
    "^[1-9][0-9]{0,8}(/[1-9][0-9]{0,8})?$",
    "a shutter speed in seconds: `1/60`, `13/10` or `4`"
);

/// An f-number: focal length over the entrance pupil's diameter, 0.5 to 128.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct FNumber(f64);
as_number!(FNumber, "FNumber", 0.5, 128.0, "an f-number from 0.5 to 128");

/// A focal length in millimetres, 1 to 2000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct FocalLength(f64);
as_number!(FocalLength, "FocalLength", 1.0, 2000.0, "a focal length from 1 to 2000 mm");

/// A fraction from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Unit(f64);
as_number!(Unit, "Unit", 0.0, 1.0, "a fraction from 0 to 1");

/// A closed interval `[low, high]`, finite, low not above high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The range, checked.
    ///
    /// # Errors
    /// A sentence when an end is not finite or the ends are reversed.
    pub fn new(low: f64, high: f64) -> Result<Self, String> {
        if !low.is_finite() || !high.is_finite() {
            Err(format!("[{low}, {high}] is not a range of finite numbers"))
        } else if low > high {
            Err(format!("the range [{low}, {high}] is reversed: write [{high}, {low}]"))
        } else {
            Ok(Self { low, high })
        }
    }
    /// Whether `value` lies in the range, ends included.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        [self.low, self.high].serialize(s)
    }
}
impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(FromPair)
    }
}

struct FromPair;

impl<'de> de::Visitor<'de> for FromPair {
    type Value = Interval;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a range, [low, high]")
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Interval, A::Error> {
        let mut next =
            |i| seq.next_element::<f64>()?.ok_or_else(|| de::Error::invalid_length(i, &"a range, [low, high]"));
        let (low, high) = (next(0)?, next(1)?);
        let mut more = 2;
        while seq.next_element::<de::IgnoredAny>()?.is_some() {
            more += 1;
        }
        if more > 2 {
            return Err(de::Error::invalid_length(more, &"a range, [low, high]"));
        }
        Interval::new(low, high).map_err(de::Error::custom)
    }
}
impl JsonSchema for Interval {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Interval".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2, "description": "a range, [low, high]" })
    }
}

/// A picture's size in pixels, written `224x288`: height first, as tensors have it (H x W).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Size {
    /// Rows, 1 to 65535.
    pub height: u32,
    /// Columns, 1 to 65535.
    pub width: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}
impl FromStr for Size {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let parsed = s.split_once('x').and_then(|(h, w)| Some((h.parse().ok()?, w.parse().ok()?)));
        match parsed {
            Some((height, width)) if (1..=65535).contains(&height) && (1..=65535).contains(&width) => {
                Ok(Self { height, width })
            }
            _ => Err(format!("`{s}` is not a size: height and width in pixels as `224x288`")),
        }
    }
}
as_string!(Size, "Size", "^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$", "a size, height x width in pixels: `224x288`");
