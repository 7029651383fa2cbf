//! Keeps two builds from writing one data set at the same time.
//!
//! Whole builds hold a lock on the folder alone; builds of shards share it, and each holds one on its own log. The system
//! lets go of both however a program ends, and neither leaves a file behind.

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::{error::Error, shard::Shard};

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _files: Vec<File>,
}

impl Lock {
    /// Locks what a build of `shard` in `folder` writes.
    ///
    /// # Errors
    /// A sentence where another build has it.
    pub(crate) fn of(folder: &Path, shard: Shard) -> Result<Self, Error> {
        let directory = File::open(folder).map_err(Error::io(folder, "open"))?;
        if shard == Shard::WHOLE {
            hold(&directory, FlockOperation::NonBlockingLockExclusive, folder)?;
            return Ok(Self { _files: vec![directory] });
        }
        hold(&directory, FlockOperation::NonBlockingLockShared, folder)?;
        let path = folder.join(shard.log_name());
        let log = OpenOptions::new().append(true).create(true).open(&path).map_err(Error::io(&path, "open"))?;
        hold(&log, FlockOperation::NonBlockingLockExclusive, &path)?;
        Ok(Self { _files: vec![directory, log] })
    }
}

fn hold(file: &File, how: FlockOperation, path: &Path) -> Result<(), Error> {
    match flock(file, how) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(Error::BadInput(format!(
            "{}: another `synth build` is writing here; wait for it or name another folder",
            path.display()
        ))),
        // Some network file systems have no locks; nothing is wrong with a single build there.
        Err(e) => {
            tracing::warn!("{}: cannot be locked ({e}): see to it that no other build writes here", path.display());
            Ok(())
        }
    }
}
