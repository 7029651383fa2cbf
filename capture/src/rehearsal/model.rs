//! Which body is simulated.

use super::{
    codes::{op, prop},
    properties::Properties,
};

/// Which body is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// The Nikon D5300.
    D5300,
    /// A simpler sibling: no RAW, no live view, no battery level, no count of pictures left.
    NoRaw,
    /// A body whose exposure cannot be set from a computer, as of many compact cameras.
    NoExposure,
}

impl Model {
    /// As GetDeviceInfo names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::D5300 => "D5300",
            Self::NoRaw => "D40",
            Self::NoExposure => "COOLPIX P80",
        }
    }

    /// Operations that it has, as GetDeviceInfo lists them.
    pub(super) fn operations(self) -> Vec<u16> {
        let live_view = [op::START_LIVE_VIEW, op::END_LIVE_VIEW, op::GET_LIVE_VIEW_IMAGE, op::MF_DRIVE];
        let has = |code: &u16| self == Self::D5300 || !live_view.contains(code);
        op::ALL.iter().copied().filter(has).collect()
    }

    /// Takes away what it does not have of a D5300's properties.
    pub(super) fn strip(self, properties: &mut Properties) {
        if self == Self::D5300 {
            return;
        }
        // Basic, normal, fine.
        properties.limit(prop::COMPRESSION, &[0, 1, 2]);
        for code in [prop::BATTERY_LEVEL, prop::EXPOSURE_REMAINING, prop::LIVE_VIEW_STATUS, prop::LIVE_VIEW_PROHIBIT] {
            properties.remove(code);
        }
        if self == Self::NoExposure {
            for code in [prop::SHUTTER, prop::EXPOSURE_TIME, prop::F_NUMBER, prop::ISO] {
                properties.remove(code);
            }
        }
    }
}
