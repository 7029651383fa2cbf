//! A body on libgphoto2. The only module that names the crate `gphoto2` (LGPL-2.1).

mod values;
mod words;

use std::{
    collections::HashSet,
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use gphoto2::{Context, camera::CameraEvent, file::CameraFilePath, list::CameraDescriptor, widget::Widget};
use manifests::{
    Digest, FNumber, FocalLength, Shutter,
    plan::{CaptureTarget, Quality},
    session::Settings,
};

use values::text;
use words::said;

use super::{Camera, CardFile, Choices, Error, Identity, Kind, Release, Setting, Status};
use crate::clock;

/// libgphoto2's names of the settings. `shutterspeed` would snap to the nearest without a word; `shutterspeed2` refuses.
mod key {
    pub(super) const SHUTTER: &str = "shutterspeed2";
    pub(super) const F_NUMBER: &str = "f-number";
    pub(super) const ISO: &str = "iso";
    pub(super) const QUALITY: &str = "imagequality";
    pub(super) const TARGET: &str = "capturetarget";
    pub(super) const FOCAL_LENGTH: &str = "focallength";
    pub(super) const FOCUS: &str = "manualfocusdrive";
    pub(super) const LIVE_VIEW: &str = "viewfinder";
}

/// libgphoto2, ready to connect.
pub(crate) struct Library {
    context: Context,
}

impl Library {
    /// Loads libgphoto2. The listener must be there before the first context.
    pub(crate) fn load() -> Result<Self, Error> {
        words::listen();
        Ok(Self { context: Context::new().map_err(|e| said("load libgphoto2", &e))? })
    }

    /// Model and port of each camera on USB.
    pub(crate) fn list(&self) -> Result<Vec<(String, String)>, Error> {
        let found = self.context.list_cameras().wait().map_err(|e| said("list cameras", &e))?;
        Ok(found.map(|c| (c.model, c.port)).collect())
    }

    /// Connects to a camera: by model and port, or the one on USB.
    pub(crate) fn open(&self, model: Option<String>, port: Option<String>) -> Result<Body, Error> {
        let (model, port) = match (model, port) {
            (Some(model), Some(port)) => (model, port),
            (_, port) => {
                let found = self.list()?;
                let here = found.iter().filter(|c| port.as_ref().is_none_or(|p| *p == c.1)).collect::<Vec<_>>();
                match here.as_slice() {
                    [one] => (*one).clone(),
                    [] => {
                        let on = port.map(|p| format!(" on {p}")).unwrap_or_default();
                        return Err(Error::new(
                            Kind::NotFound,
                            format!("no camera found{on}: switch it on, plug it in, and see `capture doctor`"),
                        ));
                    }
                    several => {
                        let ports: Vec<&str> = several.iter().map(|c| c.1.as_str()).collect();
                        return Err(Error::new(
                            Kind::NotFound,
                            format!("{} cameras found: say which with --camera {}", ports.len(), ports.join(" or ")),
                        ));
                    }
                }
            }
        };
        let what = format!("open {model} on {port}");
        let camera = self
            .context
            .get_camera(&CameraDescriptor { model: model.clone(), port })
            .wait()
            .map_err(|e| said(&what, &e))?;
        // get_camera does not connect: the first question does.
        camera.storages().wait().map_err(|e| said(&what, &e))?;
        Ok(Body { camera, model, fetched: HashSet::new() })
    }
}

/// A connected body.
pub(crate) struct Body {
    camera: gphoto2::Camera,
    model: String,
    /// Names of what came from the body's memory over this connection.
    fetched: HashSet<String>,
}

impl Body {
    /// Reads events until none comes for `quiet`: what they announce would otherwise delay the next exposure.
    fn drain(&self, quiet: Duration) -> Result<Vec<CameraFilePath>, Error> {
        let mut files = Vec::new();
        for _ in 0..200 {
            match self.camera.wait_event(quiet).wait().map_err(|e| said("wait for the camera", &e))? {
                CameraEvent::Timeout => break,
                CameraEvent::NewFile(file) => files.push(file),
                _ => {}
            }
        }
        Ok(files)
    }

    fn file(&self, folder: &str, name: &str) -> Result<CardFile, Error> {
        let info = self.camera.fs().file_info(folder, name).wait().map_err(|e| said(&format!("look at {name}"), &e))?;
        Ok(CardFile { folder: folder.into(), name: name.into(), bytes: info.file().size().unwrap_or(0) })
    }

    /// A file in the list of the card: of unknown length where the body describes it neither now nor when asked again, and
    /// answers otherwise, as of one that was deleted meanwhile. One file must not hide the others.
    fn listed(&self, folder: &str, name: &str) -> Result<CardFile, Error> {
        for _ in 0..2 {
            match self.file(folder, name) {
                Err(e) if e.kind == Kind::Busy || self.camera.storages().wait().is_err() => return Err(e),
                Err(_) => {}
                listed => return listed,
            }
        }
        Ok(CardFile { folder: folder.into(), name: name.into(), bytes: 0 })
    }

    /// The files of a release to the body's memory. libgphoto2 has fetched them when it tells of them, and keeps them at
    /// its own root under numbers of its own; their lengths are known once they are here.
    fn take_from_memory(&mut self, files: usize, deadline: Instant) -> Result<Release, Error> {
        let mut release = Release::default();
        loop {
            let here = self.camera.fs().list_files("/").wait().map_err(|e| said("list what came from memory", &e))?;
            for name in here {
                if self.fetched.insert(name.clone()) {
                    release.files.push(CardFile { folder: "/".into(), name, bytes: 0 });
                }
            }
            if release.files.len() >= files || Instant::now() > deadline {
                return Ok(release);
            }
            self.drain(Duration::from_millis(100))?;
        }
    }

    fn walk(&self, folder: &str, files: &mut Vec<CardFile>) -> Result<(), Error> {
        let what = format!("list {folder} on the card");
        // libgphoto2 lists a folder whole or not at all.
        let unlisted = |e: &gphoto2::Error| {
            let mut e = said(&what, e);
            if e.kind == Kind::Other {
                e.message += "; a file there may be damaged: look at the card in the body or in a reader";
            }
            e
        };
        // At the root there is nothing of the card's, only what came from memory.
        if folder != "/" {
            for name in self.camera.fs().list_files(folder).wait().map_err(|e| unlisted(&e))? {
                files.push(self.listed(folder, &name)?);
            }
        }
        for name in self.camera.fs().list_folders(folder).wait().map_err(|e| unlisted(&e))? {
            self.walk(&format!("{}/{name}", folder.trim_end_matches('/')), files)?;
        }
        Ok(())
    }
}

impl Camera for Body {
    fn identity(&mut self) -> Result<Identity, Error> {
        let text = |name: &str| self.text(name).unwrap_or_default();
        let model = Some(text("cameramodel")).filter(|m| !m.is_empty()).unwrap_or_else(|| self.model.clone());
        Ok(Identity {
            manufacturer: text("manufacturer"),
            model,
            serial: text("serialnumber"),
            firmware: text("deviceversion"),
        })
    }

    fn status(&mut self) -> Result<Status, Error> {
        let storages = self.camera.storages().wait().map_err(|e| said("look at the card", &e))?;
        let now = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
        let number = |name: &str| self.text(name).and_then(|t| t.trim_end_matches('%').trim().parse::<f64>().ok());
        Ok(Status {
            battery: number("batterylevel").map(|v| v.clamp(0.0, 100.0) as u8),
            mode: self.text("expprogram"),
            auto_iso: self.text("isoauto").map(|t| t == "On"),
            focus_mode: self.text("focusmode"),
            // Known where the time zone is.
            clock_ahead: None,
            dates_ahead: self.clock().map(|shown| shown - now),
            // The crate calls these kilobytes and answers bytes.
            card_free: storages.iter().filter_map(|s| s.free_kb()).max(),
            shots_left: number("availableshots").filter(|v| *v >= 0.0).map(|v| v as u64),
        })
    }

    fn choices(&mut self) -> Result<Choices, Error> {
        let list = |name: &str| match self.widget(name) {
            Ok(Widget::Radio(w)) => w.choices_iter().collect(),
            _ => Vec::new(),
        };
        let focal_length_mm = match self.widget(key::FOCAL_LENGTH) {
            Ok(Widget::Range(w)) => {
                let (range, _) = w.range_and_step();
                Some((f64::from(*range.start()), f64::from(*range.end()))).filter(|(low, high)| high > low)
            }
            _ => None,
        };
        Ok(Choices {
            shutter: list(key::SHUTTER).iter().filter_map(|t| t.parse().ok()).collect(),
            f_number: list(key::F_NUMBER).iter().filter_map(|t| f_number(t)).collect(),
            iso: list(key::ISO).iter().filter_map(|t| t.parse().ok()).collect(),
            focal_length_mm,
        })
    }

    fn settings(&mut self) -> Result<Settings, Error> {
        let read = |name: &str| -> Result<String, Error> {
            let widget = self.widget(name)?;
            text(&widget).ok_or_else(|| Error::new(Kind::Other, format!("the camera's {name} has no value")))
        };
        let odd = |name: &str, value: &str| Error::new(Kind::Other, format!("the camera's {name} is `{value}`"));
        let (shutter, stop, iso) = (read(key::SHUTTER)?, read(key::F_NUMBER)?, read(key::ISO)?);
        Ok(Settings {
            shutter: shutter.parse().map_err(|_| odd("shutter speed", &shutter))?,
            f_number: f_number(&stop).ok_or_else(|| odd("f-number", &stop))?,
            iso: iso.parse().map_err(|_| odd("ISO", &iso))?,
            focal_length_mm: read(key::FOCAL_LENGTH)
                .ok()
                .and_then(|t| t.parse().ok())
                .and_then(|mm: f64| FocalLength::new((mm * 100.0).round() / 100.0).ok()),
            focus: None,
        })
    }

    fn set(&mut self, setting: Setting) -> Result<(), Error> {
        match setting {
            // The body's own spelling of the same duration: it has `10/25`, a plan may say `2/5`.
            Setting::Shutter(v) => self.set_to(key::SHUTTER, |choices| {
                let same = |c: &&String| c.parse::<Shutter>().is_ok_and(|c| crate::plan::same_shutter(c, v));
                choices.iter().find(same).cloned().unwrap_or_else(|| v.to_string())
            }),
            Setting::FNumber(v) => self.set_to(key::F_NUMBER, |choices| {
                let same = |c: &&String| f_number(c).is_some_and(|c| crate::plan::same_f_number(c, v));
                choices.iter().find(same).cloned().unwrap_or_else(|| format!("f/{v}"))
            }),
            Setting::Iso(v) => self.set_text(key::ISO, &v.to_string()),
            Setting::Quality(v) => self.set_text(
                key::QUALITY,
                match v {
                    Quality::JpegBasic => "JPEG Basic",
                    Quality::JpegNormal => "JPEG Normal",
                    Quality::JpegFine => "JPEG Fine",
                    Quality::Nef => "NEF (Raw)",
                    Quality::NefJpegFine => "NEF+Fine",
                },
            ),
            Setting::Target(v) => self.set_text(
                key::TARGET,
                match v {
                    CaptureTarget::Card => "Memory card",
                    CaptureTarget::Memory => "Internal RAM",
                },
            ),
        }
    }

    fn card(&mut self) -> Result<Vec<CardFile>, Error> {
        self.drain(Duration::from_millis(10))?;
        let mut files = Vec::new();
        self.walk("/", &mut files)?;
        Ok(files)
    }

    fn shoot(&mut self, shutter: Shutter, files: usize) -> Result<Release, Error> {
        // What came before this release is somebody else's.
        let told = self.drain(Duration::from_millis(5))?;
        let first = self.camera.capture_image().wait().map_err(|e| said("take the photograph", &e))?;
        let deadline = Instant::now() + Duration::from_secs_f64(10.0 + shutter.seconds());
        if first.folder() == "/" {
            return self.take_from_memory(files, deadline);
        }
        let mut release = Release { files: vec![self.file(&first.folder(), &first.name())?], others: Vec::new() };
        let stem = release.files[0].stem();
        let mut told: Vec<CardFile> = told.iter().filter_map(|f| self.file(&f.folder(), &f.name()).ok()).collect();
        // NEF+JPEG: the capture answers one file, events bring the other.
        loop {
            for file in told.drain(..) {
                if release.files.iter().chain(&release.others).any(|f| *f == file) {
                    continue;
                }
                let ours = file.stem() == stem && release.files.len() < files;
                if ours { release.files.push(file) } else { release.others.push(file) }
            }
            if release.files.len() >= files || Instant::now() > deadline {
                return Ok(release);
            }
            let more = self.drain(Duration::from_millis(100))?;
            // What was told of may have been deleted since.
            told.extend(more.iter().filter_map(|f| self.file(&f.folder(), &f.name()).ok()));
        }
    }

    fn download(&mut self, file: &CardFile, to: &Path) -> Result<Digest, Error> {
        let what = format!("download {}", file.name);
        // Through memory, not `download_to`: a full disk must not look like a lost camera.
        let got = self.camera.fs().download(&file.folder, &file.name).wait().map_err(|e| said(&what, &e))?;
        let bytes = got.get_data(&self.camera).wait().map_err(|e| said(&what, &e))?;
        let write = || File::create_new(to)?.write_all(&bytes);
        write().map_err(|e| Error::new(Kind::Disk, format!("{}: cannot write: {e}", to.display())))?;
        Ok(Digest::of(&bytes))
    }

    fn preview(&mut self) -> Result<Vec<u8>, Error> {
        let what = "show live view";
        let frame = self.camera.capture_preview().wait().map_err(|e| said(what, &e))?;
        Ok(frame.get_data(&self.camera).wait().map_err(|e| said(what, &e))?.into())
    }

    fn focus(&mut self, steps: i32) -> Result<(), Error> {
        for part in drives(steps) {
            let Widget::Range(w) = self.widget(key::FOCUS)? else {
                return Err(Error::new(Kind::Refused, "the body does not let a program turn its focus ring"));
            };
            w.set_value(part as f32);
            self.camera.set_config(&w).wait().map_err(|e| said("turn the focus ring", &e))?;
        }
        Ok(())
    }

    fn end_preview(&mut self) -> Result<(), Error> {
        let Widget::Toggle(w) = self.widget(key::LIVE_VIEW)? else { return Ok(()) };
        w.set_toggled(false);
        self.camera.set_config(&w).wait().map_err(|e| said("end live view", &e))
    }
}

/// Motor steps in drives of at most 32767 each, which is as far as libgphoto2's setting goes, and of equal length: the motor
/// does not start for a few.
fn drives(steps: i32) -> impl Iterator<Item = i32> {
    let parts = i64::from(steps.unsigned_abs().div_ceil(32_767).max(1));
    let upto = move |part: i64| (i64::from(steps) * part / parts) as i32;
    (0..parts).map(move |part| upto(part + 1) - upto(part))
}

fn f_number(text: &str) -> Option<FNumber> {
    FNumber::new(text.trim_start_matches("f/").parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_drives_of_the_focus_are_split_into_equal_ones() {
        for steps in [1, -300, 32_767, -32_767, 32_768, 60_000, -60_000, 65_535] {
            let parts: Vec<i32> = drives(steps).collect();
            assert_eq!(parts.iter().sum::<i32>(), steps);
            assert!(parts.iter().all(|p| p.abs() <= 32_767 && (p.abs() >= 10_000 || parts.len() == 1)), "{parts:?}");
        }
    }
}
