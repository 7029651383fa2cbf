//! A session's folder: one program at a time, one plan, one camera.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use manifests::{
    Manifest,
    plan::Plan,
    read_yaml,
    session::{CameraIdentity, CameraKind, SESSION_FILE, Session},
    write_yaml,
};
use rustix::fs::{FlockOperation, flock};

use crate::{Error, camera::Identity, clock};

/// A session's folder, locked for this program.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The folder.
    pub(crate) root: PathBuf,
    /// What an earlier run wrote.
    begun: Option<Session>,
    _lock: File,
}

impl Folder {
    /// Opens or creates the folder, and refuses one that holds a session of another plan or is in use.
    pub(crate) fn open(root: &Path, plan: &Plan) -> Result<Self, Error> {
        let new = !is_there(root)?;
        fs::create_dir_all(root).map_err(manifests::Error::io(root, "create"))?;
        if new {
            // The folder's own name must outlast a power loss as what is in it does.
            let parent = root.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            manifests::io::sync_folder(parent).map_err(manifests::Error::io(parent, "sync"))?;
        }
        let path = root.join(".lock");
        let lock = File::create(&path).map_err(manifests::Error::io(&path, "create"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
            rustix::io::Errno::WOULDBLOCK => Error::Failed(format!(
                "{}: another `capture` is shooting into this session; let it end first",
                root.display()
            )),
            e => manifests::Error::io(&path, "lock")(e.into()).into(),
        })?;
        let begun = read(root)?;
        if let Some(what) = begun.as_ref().and_then(|s| difference(&s.plan, plan)) {
            return Err(Error::Input(format!(
                "{}: this session was begun with another plan ({what}); give the changed plan a folder of its own with --session",
                root.join(SESSION_FILE).display()
            )));
        }
        Ok(Self { root: root.to_path_buf(), begun, _lock: lock })
    }

    /// Writes `session.yaml`, or checks that the camera is the one that the session was begun with. Answers when that was,
    /// in seconds since 1970, UTC.
    pub(crate) fn begin(&self, plan: &Plan, kind: CameraKind, who: &Identity) -> Result<Option<u64>, Error> {
        let camera = CameraIdentity {
            kind,
            manufacturer: who.manufacturer.clone(),
            model: who.model.clone(),
            serial: who.serial.clone(),
            firmware: who.firmware.clone(),
        };
        match &self.begun {
            Some(s) if (s.camera.kind, &s.camera.serial) != (kind, &camera.serial) => Err(Error::Input(format!(
                "{}: this session was begun with {} {} (serial {}), and this is {} (serial {}); give it a folder of its own with --session",
                self.root.join(SESSION_FILE).display(),
                s.camera.manufacturer,
                s.camera.model,
                s.camera.serial,
                camera.model,
                camera.serial
            ))),
            Some(s) => Ok(clock::parse(&s.begun).and_then(|begun| u64::try_from(begun).ok())),
            None => {
                let session = Session {
                    version: Session::VERSION,
                    program: format!("capture {}", env!("CARGO_PKG_VERSION")),
                    begun: clock::now(),
                    camera,
                    plan: plan.clone(),
                };
                write_yaml(&self.root.join(SESSION_FILE), &session)?;
                Ok(Some(clock::unix_seconds()))
            }
        }
    }
}

/// The session in a folder; none where there is none yet.
pub(crate) fn read(root: &Path) -> Result<Option<Session>, Error> {
    let path = root.join(SESSION_FILE);
    if is_there(&path)? { Ok(Some(read_yaml(&path)?)) } else { Ok(None) }
}

/// Whether a file or folder is there. One that cannot be looked at is not taken for none: a session would begin anew over
/// it.
fn is_there(path: &Path) -> Result<bool, Error> {
    Ok(path.try_exists().map_err(manifests::Error::io(path, "look at"))?)
}

/// The session in a folder that must hold one.
pub(crate) fn expect(root: &Path) -> Result<Session, Error> {
    read(root)?.ok_or_else(|| {
        let hint = "`capture run PLAN --session DIR` makes one";
        Error::Input(format!("{}: holds no session: there is no {SESSION_FILE}; {hint}", root.display()))
    })
}

/// The first part in which two plans differ.
fn difference(old: &Plan, new: &Plan) -> Option<String> {
    let names = || format!("`{}`, not `{}`", old.name, new.name);
    [
        (old.name != new.name).then(names),
        (old.camera != new.camera).then(|| "camera differs".into()),
        (old.glass != new.glass).then(|| "glass differs".into()),
        (old.scenes != new.scenes).then(|| "scenes differ".into()),
        (old.naming != new.naming).then(|| "naming differs".into()),
        (old.sweeps != new.sweeps).then(|| "sweeps differ".into()),
    ]
    .into_iter()
    .flatten()
    .next()
}
