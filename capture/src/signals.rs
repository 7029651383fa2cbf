//! Ctrl-C: the first asks for a stop after the shot under way, the second ends the program at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM, SIGXFSZ},
    flag,
};

use crate::Error;

/// Whether the user asked for a stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let register = || -> std::io::Result<()> {
            for signal in [SIGINT, SIGTERM] {
                // In this order: the second signal finds the flag set, and the journal makes ending there safe.
                flag::register_conditional_shutdown(signal, 3, Arc::clone(&stop))?;
                flag::register(signal, Arc::clone(&stop))?;
            }
            Ok(())
        };
        register().map_err(|e| Error::Failed(format!("cannot listen for Ctrl-C: {e}")))?;
        Ok(Self(stop))
    }

    /// Asks for a stop, as the first Ctrl-C does.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends what can end between two shots.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.asked() { Err(Error::Stopped("stopped".into())) } else { Ok(()) }
    }
}

/// Lets a file size limit be an error of the write that meets it, instead of the end of the process.
pub(crate) fn file_size_limit_is_an_error() {
    // Where this cannot be registered the limit ends the process, and the journal makes that safe.
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}
