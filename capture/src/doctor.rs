//! `capture cameras` and `capture doctor`: what is connected, and what stands in the way.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    Error,
    camera::{self, Kind, host::Host},
};

/// Programs that take a camera as soon as it is plugged in.
/// By the first 15 letters of their names, which is what Linux keeps.
const TAKERS: &[&str] = &["gvfsd-gphoto2", "gvfs-gphoto2-vo", "darktable", "entangle", "gphoto2"];

/// Adds to a camera's error who is in the way or what the operator can do.
pub(crate) fn explain(mut e: camera::Error) -> camera::Error {
    let hint = match e.kind {
        Kind::Claimed => match takers().as_slice() {
            [] => "another program holds the camera: close photo managers and file managers".into(),
            held => format!(
                "{} may hold the camera: eject it in the file manager, or run `gio mount -s gphoto2`",
                held.join(", ")
            ),
        },
        Kind::CardFull => {
            "put in another card, an empty one, or clear this one once `capture verify` finds nothing wrong".into()
        }
        Kind::OutOfFocus => "switch the lens to M: autofocus finds nothing to hold on to".into(),
        Kind::Hung => "switch the body off and on, and look at cable and battery".into(),
        Kind::Gone => "look at cable, battery and the body's auto-off timer".into(),
        Kind::Busy => "look at the battery: a flat one keeps a body busy for ever".into(),
        Kind::Disk | Kind::NotFound | Kind::Refused | Kind::Other => return e,
    };
    e.message = format!("{} ({hint})", e.message);
    e
}

/// Names and process ids of running programs that may hold a camera.
fn takers() -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<String> = processes
        .flatten()
        .filter_map(|p| {
            let id = p.file_name().into_string().ok().filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?;
            let name = fs::read_to_string(p.path().join("comm")).ok()?;
            TAKERS.contains(&name.trim()).then(|| format!("{} (process {id})", name.trim()))
        })
        .collect();
    found.sort();
    found
}

/// A connected camera.
#[derive(Debug, Serialize)]
struct Found {
    model: String,
    port: String,
}

/// Lists the cameras on USB.
pub(crate) fn cameras(json: bool) -> Result<(), Error> {
    let found: Vec<Found> = Host::list()?.into_iter().map(|(model, port)| Found { model, port }).collect();
    if json {
        manifests::say!("{}", serde_json::to_string(&found).unwrap_or_default());
    } else if found.is_empty() {
        manifests::say!(
            "no camera on USB; `--camera ptpip:HOST` reaches one on the network, `--camera rehearsal` a simulated one"
        );
    } else {
        for camera in &found {
            manifests::say!("{}  --camera {}", camera.model, camera.port);
        }
    }
    Ok(())
}

/// A line of the doctor's report.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    ok: bool,
    found: String,
}

/// Checks what shooting needs; an error when something is missing.
pub(crate) fn doctor(json: bool) -> Result<(), Error> {
    let listed = Host::list();
    let held = takers();
    let checks = [
        Check { what: "capture", ok: true, found: env!("CARGO_PKG_VERSION").into() },
        Check {
            what: "libgphoto2",
            ok: listed.is_ok(),
            found: listed.as_ref().map_or_else(ToString::to_string, |_| libraries()),
        },
        drivers("camera drivers", "CAMLIBS", "libgphoto2", "ptp2", "libgphoto2-6"),
        drivers("port drivers", "IOLIBS", "libgphoto2_port", "ptpip", "libgphoto2-port12"),
        Check {
            what: "cameras on USB",
            ok: true,
            found: listed.as_ref().map_or_else(
                |_| "unknown".into(),
                |l| match l.len() {
                    0 => "none".into(),
                    _ => l.iter().map(|c| format!("{} on {}", c.0, c.1)).collect::<Vec<_>>().join(", "),
                },
            ),
        },
        Check {
            what: "permissions",
            ok: denied().is_empty(),
            found: match denied().as_slice() {
                [] => "no camera's device file refuses this user".into(),
                paths => format!(
                    "{} cannot be written: install libgphoto2's udev rules, then plug in again",
                    paths.join(", ")
                ),
            },
        },
        Check {
            what: "other programs",
            ok: held.is_empty(),
            found: match held.as_slice() {
                [] => "none that takes cameras is running".into(),
                _ => format!("{} may take the camera: run `gio mount -s gphoto2`, or stop it", held.join(", ")),
            },
        },
    ];
    for check in &checks {
        if json {
            manifests::say!("{}", serde_json::to_string(check).unwrap_or_default());
        } else {
            manifests::say!("{}  {:<15} {}", if check.ok { "ok " } else { "BAD" }, check.what, check.found);
        }
    }
    match checks.iter().find(|c| !c.ok) {
        Some(bad) => Err(Error::Failed(format!("{}: {}", bad.what, bad.found))),
        None => Ok(()),
    }
}

/// Where the loaded libgphoto2 is, as this process has it mapped.
fn libraries() -> String {
    let found = mapped();
    if found.is_empty() { "loaded".into() } else { found.join(", ") }
}

fn mapped() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut found: Vec<String> = maps
        .lines()
        .filter_map(|l| l.split_whitespace().nth(5))
        .filter(|p| p.contains("libgphoto2"))
        .map(str::to_owned)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The drivers that libgphoto2 loads when it runs, from the folder that `variable` names or from the one beside the
/// library, whose name is libgphoto2's version; `needed` must be among them.
fn drivers(what: &'static str, variable: &str, library: &str, needed: &str, package: &str) -> Check {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let beside = || {
        let own = format!("{library}.so");
        let path = mapped().into_iter().find(|p| p.rsplit('/').next().is_some_and(|n| n.starts_with(&own)))?;
        let folder = Path::new(&path).parent()?.join(library);
        let mut versions: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
        versions.retain(|v| v.is_dir());
        versions.sort();
        versions.pop()
    };
    let Some(folder) = named.or_else(beside) else {
        let found = format!("none found beside the library: install the package {package}, or set {variable}");
        return Check { what, ok: false, found };
    };
    let mut names: Vec<String> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok()?.strip_suffix(".so").map(str::to_owned))
        .collect();
    names.sort();
    let version = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let ok = names.iter().any(|n| n == needed);
    let found = if ok {
        format!("version {version}, {} in {}: {}", names.len(), folder.display(), names.join(", "))
    } else {
        format!("{}: no {needed}.so: install the package {package}, or set {variable}", folder.display())
    };
    Check { what, ok, found }
}

/// USB device files of cameras (Nikon, Canon, Sony, Fujifilm) that this user cannot write.
fn denied() -> Vec<String> {
    let Ok(devices) = fs::read_dir("/sys/bus/usb/devices") else { return Vec::new() };
    let read = |path: &Path, name: &str| fs::read_to_string(path.join(name)).map(|t| t.trim().to_owned()).ok();
    devices
        .flatten()
        .filter_map(|d| {
            let path = d.path();
            read(&path, "idVendor").filter(|v| matches!(v.as_str(), "04b0" | "04a9" | "054c" | "04cb"))?;
            let bus: u32 = read(&path, "busnum")?.parse().ok()?;
            let device: u32 = read(&path, "devnum")?.parse().ok()?;
            let file = format!("/dev/bus/usb/{bus:03}/{device:03}");
            fs::OpenOptions::new().read(true).write(true).open(&file).is_err().then_some(file)
        })
        .collect()
}
