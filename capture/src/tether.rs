//! A camera that is opened again when it is lost: the address, the rehearsal body where that is meant, and the child
//! process that holds the connection.

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Error,
    camera::{
        self, Address, Kind, Setting,
        host::{Host, Zone},
    },
    doctor,
    progress::Progress,
    rehearsal::{Body, Faults, Operator, Options, Pace, SceneFile},
    signals::Stop,
};

/// Attempts to open a lost camera, with pauses that double from a half second: half a minute for a cable.
const REOPENINGS: u32 = 6;

/// How long the first connection is tried again.
const WAKING: Duration = Duration::from_secs(10);

/// Pause between attempts while somebody looks after a camera that is gone.
const WAITING: Duration = Duration::from_secs(2);

/// A camera, connected and kept so.
pub(crate) struct Tether {
    model: Option<String>,
    port: Option<String>,
    /// What the body is set to whenever it is opened.
    initial: Vec<Setting>,
    host: Option<Host>,
    body: Option<Body>,
    openings: u32,
    /// Whether somebody is there who can do something about a camera that does not come back.
    attended: bool,
}

impl Tether {
    /// Connects; `card` is the rehearsal body's memory card, `faults` a file of what goes wrong with it.
    pub(crate) fn open(
        address: &Address,
        initial: Vec<Setting>,
        card: Option<&Path>,
        faults: Option<&Path>,
        real_time: bool,
        stop: &Stop,
    ) -> Result<Self, Error> {
        let mut body = None;
        let (model, port) = match address {
            Address::Usb(port) => (None, port.clone()),
            Address::Ptpip(host, port) => {
                let (model, port) = Address::network(host, *port);
                (Some(model), Some(port))
            }
            Address::Rehearsal(scene) => {
                let options = Options {
                    scene: scene.as_deref().map(SceneFile::read).transpose()?.unwrap_or_default(),
                    faults: faults.map(Faults::read).transpose()?.unwrap_or_default(),
                    pace: if real_time { Pace::RealTime } else { Pace::Fast },
                    card: card.map(Path::to_path_buf),
                    ..Options::default()
                };
                let started = Body::start(options)
                    .map_err(|e| Error::Failed(format!("cannot start the rehearsal camera: {e}")))?;
                let (model, port) = Address::network("127.0.0.1", started.port());
                body = Some(started);
                (Some(model), Some(port))
            }
        };
        let mut tether = Self { model, port, initial, host: None, body, openings: 0, attended: false };
        tether.begin(stop)?;
        Ok(tether)
    }

    /// Connects for the first time. A body that is waking up, or was unplugged a moment ago, often fails at first; one that
    /// is not there, or is another program's, is tried twice.
    fn begin(&mut self, stop: &Stop) -> Result<(), Error> {
        let begun = Instant::now();
        for attempt in 1.. {
            match self.connect().map(drop) {
                Ok(()) => break,
                Err(e) => {
                    let most = if matches!(e.kind, Kind::NotFound | Kind::Claimed) { 2 } else { REOPENINGS };
                    if !passing(e.kind) || attempt >= most || begun.elapsed() > WAKING {
                        return Err(doctor::explain(e).into());
                    }
                }
            }
            wait(Duration::from_millis(50) * 2u32.pow(attempt), stop)?;
        }
        Ok(())
    }

    /// The hands at the simulated set.
    pub(crate) fn set(&self) -> Option<Operator> {
        self.body.as_ref().map(Body::operator)
    }

    fn connect(&mut self) -> Result<&mut Host, camera::Error> {
        use camera::Camera;
        let mut host = Host::open(
            self.model.clone(),
            self.port.clone(),
            if self.body.is_some() { Zone::Utc } else { Zone::Local },
        )?;
        for setting in &self.initial {
            host.set(*setting)?;
        }
        self.openings += 1;
        Ok(self.host.insert(host))
    }

    /// Opens a camera that was lost again, once.
    pub(crate) fn try_again(&mut self) -> Result<(), camera::Error> {
        self.host = None;
        self.connect().map(drop)
    }

    /// A camera that does not come back is waited for until the user stops the program.
    pub(crate) fn attended(mut self, attended: bool) -> Self {
        self.attended = attended;
        self
    }

    /// How often the camera was opened: another number is another connection, and events before it are lost.
    pub(crate) fn openings(&self) -> u32 {
        self.openings
    }

    /// Asks the camera once: for what must not happen twice.
    pub(crate) fn once<T>(
        &mut self,
        ask: impl FnOnce(&mut Host) -> Result<T, camera::Error>,
    ) -> Result<T, camera::Error> {
        match &mut self.host {
            Some(host) => ask(host),
            None => Err(camera::Error::new(Kind::Gone, "the camera is not connected")),
        }
    }

    /// Asks the camera, opening it again as often as patience lasts: for what may happen twice.
    pub(crate) fn steadily<T>(
        &mut self,
        progress: &Progress,
        stop: &Stop,
        mut ask: impl FnMut(&mut Host) -> Result<T, camera::Error>,
    ) -> Result<T, Error> {
        let mut failures = 0;
        loop {
            match self.once(&mut ask) {
                Ok(answer) => return Ok(answer),
                Err(e) if passing(e.kind) && failures < 4 => {
                    failures += 1;
                    self.reopen(&e, progress, stop)?;
                }
                Err(e) => return Err(doctor::explain(e).into()),
            }
        }
    }

    /// After an error: waits for a busy body, or opens the camera again.
    pub(crate) fn reopen(&mut self, why: &camera::Error, progress: &Progress, stop: &Stop) -> Result<(), Error> {
        progress.note(&format!("{why}; connecting again"));
        self.host = None;
        let mut pause = Duration::from_millis(if why.kind == Kind::Busy { 500 } else { 50 });
        for attempt in 1.. {
            wait(pause, stop)?;
            match self.connect().map(drop) {
                Ok(()) => break,
                Err(e) if attempt < REOPENINGS => {
                    progress.note(&format!("{e}; attempt {attempt} of {REOPENINGS}"));
                    pause = Duration::from_millis(500) * 2u32.pow(attempt - 1);
                }
                Err(e) if self.attended && passing(e.kind) => {
                    if attempt == REOPENINGS {
                        progress.prompt(&format!("{}. Waiting for the camera; Ctrl-C stops here.", doctor::explain(e)));
                    }
                    pause = WAITING;
                }
                Err(e) => return Err(doctor::explain(e).into()),
            }
        }
        Ok(())
    }
}

/// Whether an error may pass when the camera is opened again.
pub(crate) fn passing(kind: Kind) -> bool {
    matches!(kind, Kind::Gone | Kind::Hung | Kind::Busy | Kind::Other | Kind::Claimed | Kind::NotFound)
}

/// Sleeps, unless the user asks for a stop.
pub(crate) fn wait(time: Duration, stop: &Stop) -> Result<(), Error> {
    let until = Instant::now() + time;
    loop {
        stop.check()?;
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return Ok(()),
            left => sleep(left.min(Duration::from_millis(50))),
        }
    }
}
