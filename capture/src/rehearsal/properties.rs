//! Device properties of the body: type, access, choices and current value, as DevicePropDesc reports them.

use std::collections::BTreeMap;

use super::{
    codec::{Reader, Writer},
    codes::{prop, rc},
    lens, property_table,
};

/// A property's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    U32(u32),
    Text(String),
}

impl Value {
    /// The PTP data type code.
    fn kind(&self) -> u16 {
        match self {
            Self::I8(_) => 1,
            Self::U8(_) => 2,
            Self::I16(_) => 3,
            Self::U16(_) => 4,
            Self::U32(_) => 6,
            Self::Text(_) => 0xFFFF,
        }
    }
    fn write(&self, w: &mut Writer) {
        match self {
            Self::I8(v) => w.bytes(&v.to_le_bytes()),
            Self::U8(v) => w.u8(*v),
            Self::I16(v) => w.bytes(&v.to_le_bytes()),
            Self::U16(v) => w.u16(*v),
            Self::U32(v) => w.u32(*v),
            Self::Text(v) => w.string(v),
        };
    }
    /// A value of the same type from a client's bytes.
    fn read_like(&self, bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        Some(match self {
            Self::I8(_) => Self::I8(r.u8()?.cast_signed()),
            Self::U8(_) => Self::U8(r.u8()?),
            Self::I16(_) => Self::I16(r.u16()?.cast_signed()),
            Self::U16(_) => Self::U16(r.u16()?),
            Self::U32(_) => Self::U32(r.u32()?),
            Self::Text(_) => Self::Text(r.string()?),
        })
    }
    /// The number, zero for text.
    pub(super) fn number(&self) -> i64 {
        match self {
            Self::I8(v) => i64::from(*v),
            Self::U8(v) => i64::from(*v),
            Self::I16(v) => i64::from(*v),
            Self::U16(v) => i64::from(*v),
            Self::U32(v) => i64::from(*v),
            Self::Text(_) => 0,
        }
    }
}

/// Which values a property takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Any of its type.
    Any,
    /// From, to, step.
    Range(Value, Value, Value),
    /// One of these.
    Choices(Vec<Value>),
}

/// A property.
#[derive(Debug, Clone)]
pub(super) struct Property {
    pub(super) settable: bool,
    pub(super) default: Value,
    pub(super) current: Value,
    pub(super) form: Form,
}

impl Property {
    fn allows(&self, value: &Value) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Range(low, high, step) => {
                let (v, low, high, step) = (value.number(), low.number(), high.number(), step.number().max(1));
                (low..=high).contains(&v) && (v - low) % step == 0
            }
            Form::Choices(choices) => choices.contains(value),
        }
    }
}

/// All properties of the body.
pub(super) struct Properties(BTreeMap<u16, Property>);

impl Properties {
    pub(super) fn new() -> Self {
        let mut properties = Self(property_table::properties().into_iter().collect());
        properties.zoom(35.0);
        properties
    }

    /// Codes below 0xD000, which GetDeviceInfo lists, or the vendor's, which 90CA lists.
    pub(super) fn codes(&self, vendor: bool) -> Vec<u16> {
        self.0.keys().copied().filter(|c| (*c >= 0xD000) == vendor).collect()
    }

    /// DevicePropDesc of a property.
    pub(super) fn describe(&self, code: u16) -> Result<Vec<u8>, u16> {
        let p = self.0.get(&code).ok_or(rc::PROPERTY_NOT_SUPPORTED)?;
        let mut w = Writer::default();
        w.u16(code).u16(p.current.kind()).u8(u8::from(p.settable));
        p.default.write(&mut w);
        p.current.write(&mut w);
        match &p.form {
            Form::Any => {
                w.u8(0);
            }
            Form::Range(low, high, step) => {
                w.u8(1);
                [low, high, step].iter().for_each(|v| v.write(&mut w));
            }
            Form::Choices(choices) => {
                w.u8(2).u16(choices.len() as u16);
                choices.iter().for_each(|v| v.write(&mut w));
            }
        }
        Ok(w.done())
    }

    /// The current value's bytes.
    pub(super) fn value(&self, code: u16) -> Result<Vec<u8>, u16> {
        let p = self.0.get(&code).ok_or(rc::PROPERTY_NOT_SUPPORTED)?;
        let mut w = Writer::default();
        p.current.write(&mut w);
        Ok(w.done())
    }

    /// The current value as a number; zero where the body has no such property.
    pub(super) fn number(&self, code: u16) -> i64 {
        self.0.get(&code).map_or(0, |p| p.current.number())
    }

    /// What a client sets. Answers the properties that changed, or the response code of a refusal.
    pub(super) fn set(&mut self, code: u16, bytes: &[u8]) -> Result<Vec<u16>, u16> {
        let p = self.0.get_mut(&code).ok_or(rc::PROPERTY_NOT_SUPPORTED)?;
        if !p.settable {
            return Err(rc::ACCESS_DENIED);
        }
        let value = p.current.read_like(bytes).ok_or(rc::INVALID_VALUE)?;
        if !p.allows(&value) {
            return Err(rc::INVALID_VALUE);
        }
        if p.current == value {
            return Ok(Vec::new());
        }
        p.current = value;
        // Nikon's shutter speed and the standard one are two views of one dial.
        let pairs = property_table::shutter_speeds();
        let twin = match code {
            prop::SHUTTER => {
                let new = self.number(prop::SHUTTER);
                pairs.iter().find(|s| i64::from(s.0) == new).map(|s| (prop::EXPOSURE_TIME, s.1))
            }
            prop::EXPOSURE_TIME => {
                let new = self.number(prop::EXPOSURE_TIME);
                pairs.iter().find(|s| i64::from(s.1) == new).map(|s| (prop::SHUTTER, s.0))
            }
            _ => None,
        };
        match twin {
            Some((other, value)) => {
                self.put(other, Value::U32(value));
                Ok(vec![code, other])
            }
            None => Ok(vec![code]),
        }
    }

    /// What the body itself sets; unknown codes are ignored.
    pub(super) fn put(&mut self, code: u16, value: Value) {
        if let Some(p) = self.0.get_mut(&code) {
            p.current = value;
        }
    }

    /// Makes a property settable or not: the exposure mode is the host's only in its own control mode.
    pub(super) fn allow(&mut self, code: u16, settable: bool) {
        if let Some(p) = self.0.get_mut(&code) {
            p.settable = settable;
        }
    }

    /// Keeps, of a property's choices, these.
    pub(super) fn limit(&mut self, code: u16, to: &[i64]) {
        if let Some(Property { form: Form::Choices(choices), .. }) = self.0.get_mut(&code) {
            choices.retain(|c| to.contains(&c.number()));
        }
    }

    /// Takes a property away.
    pub(super) fn remove(&mut self, code: u16) {
        self.0.remove(&code);
    }

    /// Turns the zoom ring: focal length, and the f-numbers that the lens has there. Answers what changed.
    pub(super) fn zoom(&mut self, focal_mm: f64) -> Vec<u16> {
        let mut changed = vec![prop::FOCAL_LENGTH];
        self.put(prop::FOCAL_LENGTH, Value::U32((focal_mm * 100.0).round() as u32));
        let stops = lens::f_numbers(focal_mm);
        if let Some(p) = self.0.get_mut(&prop::F_NUMBER) {
            let (widest, narrowest) = (stops[0], stops[stops.len() - 1]);
            let now = p.current.number().clamp(i64::from(widest), i64::from(narrowest));
            // The stop that the ring ends on is one of the lens's own.
            let nearest = stops.iter().min_by_key(|s| (i64::from(**s) - now).abs()).copied().unwrap_or(widest);
            p.form = Form::Choices(stops.into_iter().map(Value::U16).collect());
            if p.current != Value::U16(nearest) {
                p.current = Value::U16(nearest);
                changed.push(prop::F_NUMBER);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_kept_and_anything_else_is_refused() {
        let mut p = Properties::new();
        assert_eq!(
            p.set(prop::SHUTTER, &((1u32 << 16) | 125).to_le_bytes()),
            Ok(vec![prop::SHUTTER, prop::EXPOSURE_TIME])
        );
        assert_eq!(p.number(prop::EXPOSURE_TIME), 80);
        assert_eq!(p.set(prop::SHUTTER, &((1u32 << 16) | 61).to_le_bytes()), Err(rc::INVALID_VALUE));
        assert_eq!(p.set(prop::FOCAL_LENGTH, &1800u32.to_le_bytes()), Err(rc::ACCESS_DENIED));
        assert_eq!(p.set(0x5FFF, &[0]), Err(rc::PROPERTY_NOT_SUPPORTED));
        assert_eq!(p.set(prop::ISO, &[1]), Err(rc::INVALID_VALUE), "half a value is none");
        assert_eq!(p.number(prop::EXPOSURE_TIME), 80, "a refusal changes nothing");
    }

    #[test]
    fn zooming_limits_the_aperture() {
        let mut p = Properties::new();
        p.zoom(18.0);
        assert_eq!(p.set(prop::F_NUMBER, &350u16.to_le_bytes()), Ok(vec![prop::F_NUMBER]));
        assert_eq!(p.zoom(55.0), [prop::FOCAL_LENGTH, prop::F_NUMBER]);
        assert_eq!(p.number(prop::F_NUMBER), 560);
        assert_eq!(p.set(prop::F_NUMBER, &350u16.to_le_bytes()), Err(rc::INVALID_VALUE));
    }
}
