//! One child process holds one camera. libgphoto2's calls cannot be cancelled and may wait for minutes, so the parent
//! watches the clock: a child that does not answer in time is killed, and the camera is opened by another.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use manifests::{Digest, Shutter, session::Settings};
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

use super::{
    Camera, CardFile, Choices, Error, Identity, Kind, Release, Setting, Status,
    gphoto::{Body, Library},
    protocol::{Answer, Request},
};
use crate::clock;

/// For questions that only read or set a value: libgphoto2 itself waits 20 s for one USB read.
const SHORT: Duration = Duration::from_secs(25);
/// For listing the card and for opening the camera, which may list it.
const LISTING: Duration = Duration::from_secs(180);
/// After an exposure: processing, noise reduction not counted, and writing to the card.
const WRITING: Duration = Duration::from_secs(20);
/// The slowest transfer that is still one: 12.8 Mbit/s, a bad wireless link.
const BYTES_PER_SECOND: u64 = 1_600_000;

/// What the name of a child's HOME begins with; the id of the process that made it follows.
const HOME_PREFIX: &str = "capture-home-";

/// The name of the hidden subcommand that [`serve`] runs under.
pub const SUBCOMMAND: &str = "camera-host";

/// What a body's clock is meant to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// This computer's local time.
    Local,
    /// UTC, as the simulated body's does.
    Utc,
}

/// A camera held by a child process.
#[derive(Debug)]
pub struct Host {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    /// The child's HOME: libgphoto2 keeps settings there, and two cameras must not share them.
    home: Option<TempDir>,
    zone: Zone,
    dead: bool,
}

impl Host {
    /// Starts the child and connects it to a camera whose clock is meant to show the time of `zone`.
    ///
    /// # Errors
    /// When the child cannot be started or the camera not be opened.
    pub fn open(model: Option<String>, port: Option<String>, zone: Zone) -> Result<Self, Error> {
        let mut host = Self::start(zone)?;
        host.call(&Request::Open { model, port }, LISTING)?;
        Ok(host)
    }

    /// Model and port of each camera on USB.
    ///
    /// # Errors
    /// When libgphoto2 cannot look.
    pub fn list() -> Result<Vec<(String, String)>, Error> {
        match Self::start(Zone::Local)?.call(&Request::List, SHORT)? {
            Answer::Cameras(found) => Ok(found),
            other => Err(unexpected(&other)),
        }
    }

    fn start(zone: Zone) -> Result<Self, Error> {
        let failed = |what: &'static str| {
            move |e: std::io::Error| Error::new(Kind::Disk, format!("cannot {what} for the camera's process: {e}"))
        };
        let temporary = std::env::temp_dir();
        sweep(&temporary);
        let prefix = format!("{HOME_PREFIX}{}-", std::process::id());
        let home = tempfile::Builder::new().prefix(&prefix).tempdir_in(temporary).map_err(failed("make a folder"))?;
        let settings = home.path().join(".gphoto");
        std::fs::create_dir(&settings).map_err(failed("make a folder"))?;
        // libgphoto2 would answer values from two seconds ago.
        std::fs::write(settings.join("settings"), "ptp2=cachetime=0\n").map_err(failed("write settings"))?;
        // On Linux this program even when its file was replaced since, as an upgrade does in a long session.
        let itself = PathBuf::from("/proc/self/exe");
        let program =
            if itself.exists() { itself } else { std::env::current_exe().map_err(failed("find this program"))? };
        let mut child = Command::new(program)
            .arg0("capture")
            .arg(SUBCOMMAND)
            .env("HOME", home.path())
            // A body's clock knows no time zone: what libgphoto2 takes for local time is then what the clock shows.
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is the parent's to handle: the exposure under way is finished.
            .process_group(0)
            .spawn()
            .map_err(failed("start a process"))?;
        let stdin = child.stdin.take();
        let (tx, answers) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if tx.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { child, stdin, answers, home: Some(home), zone, dead: false })
    }

    /// Asks, and waits for the answer no longer than `patience`; then the child is killed.
    fn call(&mut self, request: &Request, patience: Duration) -> Result<Answer, Error> {
        if self.dead {
            return Err(Error::new(Kind::Gone, "the process that held the camera is gone"));
        }
        let mut line = serde_json::to_string(request).map_err(|e| Error::new(Kind::Other, e.to_string()))?;
        line.push('\n');
        let sent = self.stdin.as_mut().map(|s| s.write_all(line.as_bytes()).and_then(|()| s.flush()));
        let answer = match sent {
            Some(Ok(())) => self.answers.recv_timeout(patience),
            _ => Err(RecvTimeoutError::Disconnected),
        };
        match answer {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(Answer::Error(e)) => Err(e),
                Ok(answer) => Ok(answer),
                Err(e) => {
                    self.kill();
                    Err(Error::new(Kind::Gone, format!("the camera's process answered nonsense: {e}")))
                }
            },
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                let seconds = patience.as_secs_f64();
                Err(Error::new(Kind::Hung, format!("the camera did not answer for {seconds:.0} s")))
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.kill();
                Err(Error::new(Kind::Gone, "the process that held the camera ended"))
            }
        }
    }

    fn kill(&mut self) {
        self.dead = true;
        self.stdin = None;
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.dead {
            // A camera that hangs now hangs for nobody: five seconds for a good-bye, then the child is killed.
            let _ = self.call(&Request::Close, Duration::from_secs(5));
            self.kill();
        }
        drop(self.home.take());
    }
}

fn unexpected(answer: &Answer) -> Error {
    Error::new(Kind::Gone, format!("the camera's process answered something else: {answer:?}"))
}

/// Asks and takes the one variant that answers.
macro_rules! ask {
    ($self:ident, $request:expr, $patience:expr, $variant:ident) => {
        match $self.call(&$request, $patience)? {
            Answer::$variant(v) => Ok(v),
            other => Err(unexpected(&other)),
        }
    };
}

impl Camera for Host {
    fn identity(&mut self) -> Result<Identity, Error> {
        ask!(self, Request::Identity, SHORT, Identity)
    }
    fn status(&mut self) -> Result<Status, Error> {
        let mut status = ask!(self, Request::Status, SHORT, Status)?;
        let zone = match self.zone {
            Zone::Utc => Some(0),
            Zone::Local => clock::local_offset(clock::unix_seconds()),
        };
        status.clock_ahead = status.dates_ahead.zip(zone).map(|(ahead, zone)| (ahead - zone) as f64);
        Ok(status)
    }
    fn choices(&mut self) -> Result<Choices, Error> {
        ask!(self, Request::Choices, SHORT, Choices)
    }
    fn settings(&mut self) -> Result<Settings, Error> {
        ask!(self, Request::Settings, SHORT, Settings)
    }
    fn set(&mut self, setting: Setting) -> Result<(), Error> {
        self.call(&Request::Set { setting }, SHORT).map(drop)
    }
    fn card(&mut self) -> Result<Vec<CardFile>, Error> {
        ask!(self, Request::Card, LISTING, Files)
    }
    fn shoot(&mut self, shutter: Shutter, files: usize) -> Result<Release, Error> {
        // Long-exposure noise reduction takes a second exposure, with the shutter closed.
        let patience = WRITING + Duration::from_secs_f64(2.0 * shutter.seconds());
        ask!(self, Request::Shoot { shutter, files }, patience, Release)
    }
    fn download(&mut self, file: &CardFile, to: &Path) -> Result<Digest, Error> {
        let patience = SHORT + Duration::from_secs(file.bytes / BYTES_PER_SECOND);
        ask!(self, Request::Download { file: file.clone(), to: to.to_path_buf() }, patience, Digest)
    }
    fn preview(&mut self) -> Result<Vec<u8>, Error> {
        let text = ask!(self, Request::Preview, SHORT, Frame)?;
        STANDARD.decode(text).map_err(|e| Error::new(Kind::Gone, format!("the camera's process sent no frame: {e}")))
    }
    fn focus(&mut self, steps: i32) -> Result<(), Error> {
        self.call(&Request::Focus { steps }, SHORT).map(drop)
    }
    fn end_preview(&mut self) -> Result<(), Error> {
        self.call(&Request::EndPreview, SHORT).map(drop)
    }
}

/// The child's side: answers questions from stdin until it is told to close, or until the parent is gone.
pub fn serve() -> ExitCode {
    let (tx, requests) = channel::<String>();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                return;
            }
        }
        // The parent is gone, perhaps killed, and the camera may never answer again: nobody else will clean up.
        if let Some(home) = std::env::var_os("HOME").map(PathBuf::from).filter(|h| is_ours(h)) {
            let _ = std::fs::remove_dir_all(home);
        }
        std::process::exit(0);
    });
    let library = Library::load();
    let mut body = None;
    for line in requests {
        let (answer, last) = match serde_json::from_str::<Request>(&line) {
            Ok(request) => {
                let last = request == Request::Close;
                (handle(request, &library, &mut body).unwrap_or_else(Answer::Error), last)
            }
            Err(e) => (Answer::Error(Error::new(Kind::Other, format!("not a request: {e}"))), false),
        };
        let Ok(text) = serde_json::to_string(&answer) else { return ExitCode::FAILURE };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() || last {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Whether a HOME is one that [`Host::start`] made.
fn is_ours(home: &Path) -> bool {
    home.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(HOME_PREFIX))
}

/// Removes the HOMEs of programs that were killed together with their child: nobody else would.
fn sweep(temporary: &Path) {
    let Ok(entries) = std::fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix(HOME_PREFIX)) else { continue };
        let maker = rest.split_once('-').and_then(|(id, _)| Pid::from_raw(id.parse().ok()?));
        // A process of another user's is alive and answers that it may not be asked.
        if maker.is_some_and(|id| test_kill_process(id) == Err(rustix::io::Errno::SRCH)) {
            // Another program may be sweeping too.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn handle(request: Request, library: &Result<Library, Error>, body: &mut Option<Body>) -> Result<Answer, Error> {
    let library = library.as_ref().map_err(Clone::clone)?;
    match (request, body) {
        (Request::Open { model, port }, body) => {
            *body = Some(library.open(model, port)?);
            Ok(Answer::Done)
        }
        (Request::List, _) => library.list().map(Answer::Cameras),
        (Request::Close, body) => {
            *body = None;
            Ok(Answer::Done)
        }
        (request, Some(body)) => ask_body(request, body),
        (_, None) => Err(Error::new(Kind::Gone, "no camera is open")),
    }
}

fn ask_body(request: Request, body: &mut Body) -> Result<Answer, Error> {
    match request {
        Request::Identity => body.identity().map(Answer::Identity),
        Request::Status => body.status().map(Answer::Status),
        Request::Choices => body.choices().map(Answer::Choices),
        Request::Settings => body.settings().map(Answer::Settings),
        Request::Set { setting } => body.set(setting).map(|()| Answer::Done),
        Request::Card => body.card().map(Answer::Files),
        Request::Shoot { shutter, files } => body.shoot(shutter, files).map(Answer::Release),
        Request::Download { file, to } => body.download(&file, &to).map(Answer::Digest),
        Request::Preview => body.preview().map(|jpeg| Answer::Frame(STANDARD.encode(jpeg))),
        Request::Focus { steps } => body.focus(steps).map(|()| Answer::Done),
        Request::EndPreview => body.end_preview().map(|()| Answer::Done),
        Request::Open { .. } | Request::List | Request::Close => Ok(Answer::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_of_processes_that_are_gone_are_swept_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let make = |name: String| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.join(".gphoto")).unwrap();
            path
        };
        let leftover = make(format!("{HOME_PREFIX}{}-x1", gone.id()));
        let held = make(format!("{HOME_PREFIX}{}-x2", std::process::id()));
        let strange = make(format!("{HOME_PREFIX}x3"));
        let another = make("home".into());
        sweep(folder.path());
        assert!(!leftover.exists());
        assert!(held.exists() && strange.exists() && another.exists());
    }
}
