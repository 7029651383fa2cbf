//! The rehearsal camera: a simulated Nikon D5300 that speaks PTP/IP on loopback.
//!
//! Stock libgphoto2 drives it as it drives a real body over the network, with `ptpip:127.0.0.1:PORT:PORT`. Its pictures
//! follow from a scene, a lens and a sensor: exposure, depth of field, field of view, noise and the glass's ghost are
//! computed, not painted on. A script of faults makes it misbehave. It is for rehearsing a plan before the lab is
//! booked, and it is what the tests shoot with.

mod body;
mod clock;
mod codec;
mod codes;
mod defocus;
mod exif;
mod faults;
mod glass;
mod lens;
mod model;
mod nef;
mod operator;
mod optics;
mod packet;
mod paint;
mod picture;
mod properties;
mod property_table;
mod ptpip;
mod scene;
mod sensor;
mod serve;
mod shooting;
mod state;
mod store;
mod texture;
mod view;

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, mpsc},
    thread::{self, JoinHandle},
};

use manifests::plan::Subject;

pub use faults::{Action, Fault, Faults, Operation};
pub use model::Model;
pub use operator::Operator;
pub use scene::{GlassSpec, LayerSpec, SceneFile, SceneSpec, View};
pub use serve::serve;

/// How a body is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The scenes that it can photograph.
    pub scene: SceneFile,
    /// What goes wrong.
    pub faults: Faults,
    /// TCP port on loopback; 0 takes a free one.
    pub port: u16,
    /// Whether exposures take their time.
    pub pace: Pace,
    /// Columns and rows of its pictures. A real body has 6000 x 4000; the default is quick to compute.
    pub picture_size: (u32, u32),
    /// Whether JPEGs of one setup and setting share their pixels, noise included: a body of 24 megapixels is then as fast
    /// as a real one from the second on. Their EXIF still tells them apart.
    pub same_noise: bool,
    /// Which body it is.
    pub model: Model,
    /// Folder that is the memory card. A body that is started again on it still has its files; without one the card
    /// vanishes with the body.
    pub card: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scene: SceneFile::default(),
            faults: Faults::default(),
            port: 0,
            pace: Pace::RealTime,
            picture_size: (1500, 1000),
            same_noise: false,
            model: Model::D5300,
            card: None,
        }
    }
}

/// Whether exposures take their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As on a real body: the exposure, the mirror and the image processor.
    RealTime,
    /// As fast as the pictures are computed.
    Fast,
}

/// A body that is switched on. Dropping it switches it off.
pub struct Body {
    port: u16,
    server: Arc<ptpip::Server>,
    operator: Operator,
    accepting: Option<JoinHandle<()>>,
}

impl Body {
    /// Switches a body on; clients can connect when this returns.
    ///
    /// # Errors
    /// When the port is taken or the card's folder cannot be used.
    pub fn start(options: Options) -> io::Result<Self> {
        let (width, height) = options.picture_size;
        if !(16..=6000).contains(&width) || !(16..=4000).contains(&height) {
            let message = format!("pictures of {width} x {height}: the sensor has 6000 x 4000, and 16 is the least");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        let port = listener.local_addr()?.port();
        let optics = Arc::new(optics::Optics::new(options.scene, options.picture_size));
        let store = store::Store::open(options.card.as_deref(), options.picture_size)?;
        let (processor, releases) = mpsc::channel();
        let machine = Arc::new(body::Machine {
            state: Mutex::new(state::State::new(&optics, store, options.faults, options.model)),
            finished: Condvar::new(),
            processor,
            pace: options.pace,
            model: options.model,
            kept: options.same_noise.then(Mutex::default),
            optics,
        });
        // The image processor holds no reference that would keep the body alive: it ends when the body's sender is gone.
        let weak = Arc::downgrade(&machine);
        thread::Builder::new().name("rehearsal-processor".into()).spawn(move || shooting::process(&weak, &releases))?;
        let server = ptpip::Server::new(Arc::clone(&machine));
        let accepting = thread::Builder::new().name("rehearsal-accept".into()).spawn({
            let server = Arc::clone(&server);
            move || server.accept(listener)
        })?;
        let operator = Operator::new(machine, Arc::clone(&server));
        operator.set_subject(Subject::Background);
        Ok(Self { port, server, operator, accepting: Some(accepting) })
    }

    /// The TCP port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The hands at the set.
    pub fn operator(&self) -> Operator {
        self.operator.clone()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.server.stop(self.port);
        if let Some(accepting) = self.accepting.take() {
            // A panic there was reported when it happened.
            let _ = accepting.join();
        }
    }
}
