//! Line and column of a key path, for rules that are checked after parsing.
//!
//! serde_yaml keeps no positions, but attaches one to every error. So the text is parsed once more
//! with a seed that follows the path and fails on purpose at its end.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Line and column (from 1) of `path` (`sweeps[1].shutter`), or of the nearest parent that exists.
pub(crate) fn line_column(text: &str, path: &str) -> (usize, usize) {
    let parts: Vec<String> =
        path.split(['.', '[']).map(|p| p.trim_end_matches(']').to_owned()).filter(|p| !p.is_empty()).collect();
    (1..=parts.len())
        .rev()
        .find_map(|depth| {
            let error = Follow(&parts[..depth]).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
            error.location().map(|l| (l.line(), l.column()))
        })
        .unwrap_or((1, 1))
}

/// Follows the remaining parts of a path and fails where they end.
struct Follow<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key that is looked for")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        while let Some(key) = map.next_key::<String>()? {
            if key == *first {
                return map.next_value_seed(Follow(rest));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        let wanted: usize = first.parse().unwrap_or(usize::MAX);
        let mut i = 0;
        while i < wanted {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
            i += 1;
        }
        seq.next_element_seed(Follow(rest)).map(|_| ())
    }
    // Scalars: the path ends here or goes no further.
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("here"))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom("here"))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom("here"))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom("here"))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom("here"))
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(E::custom("here"))
    }
}
