//! `--camera`: which camera is meant.

use std::{fmt, path::PathBuf, str::FromStr};

use manifests::session::CameraKind;

/// Which camera is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The one on USB, or the one on that port (`usb:001,007`).
    Usb(Option<String>),
    /// A camera on the network: host and port.
    Ptpip(String, u16),
    /// The simulated body, in its own scene or in that file's.
    Rehearsal(Option<PathBuf>),
}

/// The port of PTP/IP (CIPA DC-005, 3.1).
const PTPIP_PORT: u16 = 15740;
/// The model that network cameras are driven as: libgphoto2's generic PTP/IP model cannot trigger a Nikon.
const NETWORK_MODEL: &str = "Nikon DSC D5300";

impl Address {
    /// How the camera is reached.
    pub fn kind(&self) -> CameraKind {
        match self {
            Self::Usb(_) => CameraKind::Usb,
            Self::Ptpip(..) => CameraKind::Ptpip,
            Self::Rehearsal(_) => CameraKind::Rehearsal,
        }
    }

    /// libgphoto2's model and port for a network camera.
    pub(crate) fn network(host: &str, port: u16) -> (String, String) {
        // Given once, the port is used for commands only, and events still go to the standard one.
        let path = if port == PTPIP_PORT { format!("ptpip:{host}") } else { format!("ptpip:{host}:{port}:{port}") };
        (NETWORK_MODEL.into(), path)
    }
}

impl FromStr for Address {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let (kind, rest) = s.split_once(':').map_or((s, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("usb", None) => Ok(Self::Usb(None)),
            ("usb", Some(port)) if port.split(',').count() == 2 && !port.contains(char::is_whitespace) => {
                Ok(Self::Usb(Some(s.to_owned())))
            }
            ("ptpip", Some(rest)) if !rest.is_empty() => {
                let mut parts = rest.split(':');
                let host = parts.next().unwrap_or_default().to_owned();
                let port = parts.next().map_or(Ok(PTPIP_PORT), str::parse);
                match (host.is_empty(), port) {
                    (false, Ok(port)) => Ok(Self::Ptpip(host, port)),
                    _ => Err(format!("`{s}` is no network camera: write ptpip:HOST or ptpip:HOST:PORT")),
                }
            }
            ("rehearsal", None) => Ok(Self::Rehearsal(None)),
            ("rehearsal", Some(scene)) if !scene.is_empty() => Ok(Self::Rehearsal(Some(scene.into()))),
            _ => Err(format!("`{s}` is no camera: usb, usb:BUS,DEV, ptpip:HOST[:PORT] or rehearsal[:SCENE]")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usb(port) => f.write_str(port.as_deref().unwrap_or("usb")),
            Self::Ptpip(host, port) => write!(f, "ptpip:{host}:{port}"),
            Self::Rehearsal(None) => f.write_str("rehearsal"),
            Self::Rehearsal(Some(scene)) => write!(f, "rehearsal:{}", scene.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip_and_nonsense_is_refused() {
        for text in ["usb", "usb:001,007", "ptpip:10.0.0.2:15740", "rehearsal", "rehearsal:scenes/lab.yaml"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("ptpip:cam".parse::<Address>().unwrap(), Address::Ptpip("cam".into(), PTPIP_PORT));
        for text in ["", "usb:", "usb:7", "ptpip", "ptpip:", "ptpip:cam:x", "nikon", "rehearsal:"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
