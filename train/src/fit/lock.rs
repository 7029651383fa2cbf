//! Keeps two fits from writing one run at the same time, as a batch system that starts a job again too early would have them.

use std::{fs::File, path::Path};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::Error;

/// Held until it is dropped; the system lets go of it however a program ends, and it leaves no file behind.
#[derive(Debug)]
pub(super) struct Lock {
    _folder: File,
}

impl Lock {
    /// Locks a run's folder.
    ///
    /// # Errors
    /// A sentence where another fit has it.
    pub(super) fn of(folder: &Path) -> Result<Self, Error> {
        let file = File::open(folder).map_err(Error::io(folder, "open"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let message = "another `train fit` is writing here: wait for it, stop it, or give another --out";
                return Err(Error::input_at(folder, message));
            }
            // Some network file systems have no locks; nothing is wrong with a single fit there.
            Err(e) => {
                manifests::tell!(
                    "{}: cannot be locked ({e}): see to it that no other fit writes here",
                    folder.display()
                );
            }
        }
        Ok(Self { _folder: file })
    }
}
