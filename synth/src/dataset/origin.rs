//! Where a data set's sources lay when it was built.

use std::path::{Path, PathBuf};

use manifests::{Manifest, dataset::DATASET_FILE, recipe::Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{error::Error, recipe::absolute};

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
}

/// Where a data set's sources lie now, for whoever has them elsewhere than they lay when it was built.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Moved {
    /// Where relative paths of sources start, if the data set was moved to another machine.
    #[arg(long, value_name = "DIR")]
    pub sources: Option<PathBuf>,
    /// Where the session lies that samples were built of.
    #[arg(long, value_name = "DIR")]
    pub session: Option<PathBuf>,
    /// Where the folder of backgrounds lies, if it was given to the build so.
    #[arg(long, value_name = "DIR")]
    pub backgrounds: Option<PathBuf>,
    /// Where the folder of reflections lies, if it was given to the build so.
    #[arg(long, value_name = "DIR")]
    pub reflections: Option<PathBuf>,
}

impl Moved {
    /// Names the places in a data set's recipe; gives where relative paths of sources start: as said, or as the build noted.
    pub(crate) fn apply(&self, dir: &Path, recipe: &mut Recipe) -> Result<PathBuf, Error> {
        let sources = &mut recipe.sources;
        if let Some(session) = &self.session {
            let place = absolute(session)?;
            let all = sources.backgrounds.iter_mut().chain(&mut sources.reflections);
            all.filter(|source| source.session.is_some()).for_each(|source| source.session = Some(place.clone()));
        }
        for (folder, sources, flag) in [
            (&self.backgrounds, &mut sources.backgrounds, "--backgrounds"),
            (&self.reflections, &mut sources.reflections, "--reflections"),
        ] {
            let Some(folder) = folder else { continue };
            let [source] = sources.as_mut_slice() else {
                let message =
                    "the data set has several sources of them; move all to one place and name that with --sources";
                return Err(Error::BadInput(format!("{flag}: {message}")));
            };
            if source.folder.is_none() {
                return Err(Error::BadInput(format!(
                    "{flag}: the data set's are of no folder; see its {DATASET_FILE}"
                )));
            }
            source.folder = Some(absolute(folder)?);
        }
        match &self.sources {
            Some(root) => Ok(root.clone()),
            None if !dir.join(ORIGIN_FILE).exists() => {
                // Then only absolute places can be found.
                let all = recipe.sources.backgrounds.iter().chain(&recipe.sources.reflections);
                let mut places = all.filter_map(|s| {
                    [&s.folder, &s.glob, &s.tar, &s.session].into_iter().flatten().next().map(Path::new)
                });
                if places.all(Path::is_absolute) {
                    return Ok(PathBuf::from("/"));
                }
                let message = "does not say where its sources lie; name the recipe's folder with --sources";
                Err(Error::BadInput(format!("{}: {message}", dir.display())))
            }
            None => Ok(manifests::read_yaml::<Origin>(&dir.join(ORIGIN_FILE))?.root.into()),
        }
    }
}
