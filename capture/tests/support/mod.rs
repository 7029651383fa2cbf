//! The program as a process, on the rehearsal camera, through the real libgphoto2.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use capture::rehearsal::Body;
use manifests::{
    Digest, read_log, read_yaml,
    session::{SHOTS_FILE, Session, Shot, UNPLANNED_FILE, Unplanned},
};
use tempfile::TempDir;

/// Two scenes, three subjects, two zooms: 2 x (2 x 2 x 2) + 2 + 1 shots.
pub(crate) const PLAN: &str = "version: 1
name: small
scenes:
  - { id: hall, place: indoor, light: bright }
  - { id: roof, place: outdoor, light: dark }
sweeps:
  - { subject: reflection, shutter: [1/60, 1/15], f_number: [5.6, 11], focal_length_mm: [24, 50] }
  - { subject: background, shutter: [1/30], f_number: [8], focal_length_mm: [35] }
  - { subject: mixture, scenes: [hall], shutter: [10/25], f_number: [16], iso: [200], focal_length_mm: [50] }
";
/// Shots of [`PLAN`].
pub(crate) const SHOTS: usize = 19;

/// A plan and a session's folder, and the command that shoots the one into the other.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) camera: String,
    pub(crate) extra: Vec<String>,
}

impl Bench {
    pub(crate) fn new(plan: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), camera: "rehearsal".into(), extra: Vec::new() };
        std::fs::write(bench.plan(), plan).unwrap();
        bench
    }

    /// With a camera that outlives the program.
    pub(crate) fn on(plan: &str, body: &Body) -> Self {
        Self { camera: format!("ptpip:127.0.0.1:{}", body.port()), ..Self::new(plan) }
    }

    /// With a file of faults, given as the list below `faults:`.
    pub(crate) fn with_faults(plan: &str, faults: &str) -> Self {
        let mut bench = Self::new(plan);
        let path = bench.folder.path().join("faults.yaml");
        std::fs::write(&path, format!("version: 1\nfaults:\n{faults}")).unwrap();
        bench.extra = vec!["--faults".into(), path.display().to_string()];
        bench
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.folder.path().join("plan.yaml")
    }
    pub(crate) fn session(&self) -> PathBuf {
        self.folder.path().join("session")
    }

    /// The command that shoots, not yet run.
    pub(crate) fn command(&self) -> Command {
        let mut command = capture();
        command.arg("run").arg(self.plan()).arg("--session").arg(self.session());
        command.args(["--camera", &self.camera, "--yes", "--json"]).args(&self.extra);
        command
    }

    pub(crate) fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    pub(crate) fn shots(&self) -> Vec<Shot> {
        read_log(&self.session().join(SHOTS_FILE)).unwrap().rows
    }

    /// Takes the last shot's line and files from the session, as if the program had died before it had them.
    pub(crate) fn forget_last(&self) -> Shot {
        let log = self.session().join(SHOTS_FILE);
        let lines = std::fs::read_to_string(&log).unwrap();
        let (kept, _) = lines.trim_end().rsplit_once('\n').unwrap();
        let last = self.shots().pop().unwrap();
        std::fs::write(&log, format!("{kept}\n")).unwrap();
        for file in &last.files {
            std::fs::remove_file(file.path.under(&self.session())).unwrap();
        }
        last
    }

    pub(crate) fn unplanned(&self) -> Vec<Unplanned> {
        read_log(&self.session().join(UNPLANNED_FILE)).unwrap().rows
    }

    /// Names of the files on the rehearsal camera's card, sorted.
    pub(crate) fn card(&self) -> Vec<String> {
        let folder = std::fs::read_dir(self.session().join(".rehearsal-card/DCIM/100D5300")).unwrap();
        let mut names: Vec<String> = folder.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every shot of the plan exactly once, every file as recorded, none that no shot names, and nothing mislabelled.
    pub(crate) fn assert_complete(&self, shots: usize) {
        let session: Session = read_yaml(&self.session().join("session.yaml")).unwrap();
        let planned: HashSet<String> = capture::plan::list(&session.plan).into_iter().map(|s| s.key).collect();
        let stored = self.shots();
        let keys: HashSet<String> = stored.iter().map(|s| s.key.clone()).collect();
        assert_eq!((stored.len(), planned.len()), (shots, shots));
        assert_eq!(keys, planned);
        for shot in &stored {
            assert_eq!(shot.disagreements, Vec::<String>::new(), "{}", shot.key);
            for file in &shot.files {
                assert_eq!(Digest::of_file(&file.path.under(&self.session())).unwrap(), file.blake3, "{}", file.path);
            }
        }
        let unplanned = self.unplanned();
        let files = || stored.iter().flat_map(|s| &s.files).chain(unplanned.iter().flat_map(|u| &u.files));
        let hashes: HashSet<Digest> = files().map(|f| f.blake3).collect();
        assert_eq!(hashes.len(), files().count(), "two shots share a photograph");
        // From memory, names are libgphoto2's own, and each connection begins anew.
        let on_card = || files().map(|f| f.camera_name.as_str()).filter(|n| n.contains("DCIM"));
        assert_eq!(on_card().collect::<HashSet<_>>().len(), on_card().count(), "a photograph was stored twice");
        let verify = verify(&self.session());
        assert!(verify.status.success(), "{}", text(&verify.stdout));
    }
}

pub(crate) fn capture() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_capture"));
    command.stdin(Stdio::null());
    command
}

pub(crate) fn verify(session: &Path) -> Output {
    capture().arg("verify").arg(session).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code and the standard error.
pub(crate) fn ending(output: &Output) -> (i32, String) {
    (output.status.code().unwrap_or(-1), text(&output.stderr))
}
