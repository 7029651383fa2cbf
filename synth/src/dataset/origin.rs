//! Where a data set's sources lay when it was built.

use std::path::{Path, PathBuf};

use manifests::Manifest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// `origin.yaml`: where a data set's sources lay on the machine that built it. Not part of the data set: no sample
/// depends on it, it may be deleted, and `--sources` takes its place.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    version: u32,
    /// The recipe's folder, where relative paths of sources start.
    root: String,
}

impl Manifest for Origin {
    const KIND: &'static str = "origin";
    const VERSION: u32 = 1;
}

const ORIGIN_FILE: &str = "origin.yaml";

impl Origin {
    pub(crate) fn write(dir: &Path, root: &Path) -> Result<(), Error> {
        let full = root.canonicalize().map_err(Error::io(root, "resolve"))?;
        let origin = Self { version: 1, root: full.to_string_lossy().into_owned() };
        Ok(manifests::write_yaml(&dir.join(ORIGIN_FILE), &origin)?)
    }

    /// Where relative paths of sources start: `given`, or what the build noted.
    pub(crate) fn root(dir: &Path, given: Option<&Path>) -> Result<PathBuf, Error> {
        match given {
            Some(root) => Ok(root.to_path_buf()),
            None => Ok(manifests::read_yaml::<Self>(&dir.join(ORIGIN_FILE))?.root.into()),
        }
    }
}
