//! Opening a recipe: the file, what the command line replaces in it, and the folders that it names.

use std::path::{Path, PathBuf};

use manifests::{
    Manifest, Size,
    recipe::{Recipe, Scenes, Source},
};

use crate::{
    error::Error,
    mix::{Model, aperture},
    reduce::MOST_PIXELS,
    source::split_pattern,
};

/// What a command line replaces in a recipe, so that a committed one serves any session or folder.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Replaces the session of every source that names one.
    pub session: Option<PathBuf>,
    /// Replaces the sources of the backgrounds by one folder.
    pub backgrounds: Option<PathBuf>,
    /// Replaces the sources of the reflections by one folder.
    pub reflections: Option<PathBuf>,
    /// Replaces the number of samples.
    pub count: Option<u64>,
}

/// A recipe in effect, and where its relative paths start.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) recipe: Recipe,
    pub(crate) file: PathBuf,
    pub(crate) root: PathBuf,
    overrides: Overrides,
}

/// The two layers of a mixture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Background,
    Reflection,
}

impl Layer {
    /// The recipe's key and the command line's flag.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Background => "backgrounds",
            Self::Reflection => "reflections",
        }
    }
}

/// Reads a recipe and applies the overrides. Nothing is looked for yet but the file itself.
///
/// # Errors
/// A recipe that breaks a rule, or an override that finds nothing to replace.
pub(crate) fn open(file: &Path, overrides: &Overrides) -> Result<Opened, Error> {
    let mut recipe: Recipe = manifests::read_yaml(file)?;
    if let Some(count) = overrides.count {
        recipe.count = count;
    }
    let replaced = [
        (&overrides.backgrounds, &mut recipe.sources.backgrounds, "--backgrounds"),
        (&overrides.reflections, &mut recipe.sources.reflections, "--reflections"),
    ];
    for (folder, sources, flag) in replaced {
        if let Some(folder) = folder {
            *sources = vec![Source {
                folder: Some(absolute(folder)?),
                glob: None,
                tar: None,
                list: None,
                session: None,
                filter: None,
                scenes: Scenes::File,
                licence: format!("not stated ({flag})"),
                credit: None,
            }];
        }
    }
    if let Some(session) = &overrides.session {
        let text = absolute(session)?;
        let all = recipe.sources.backgrounds.iter_mut().chain(&mut recipe.sources.reflections);
        let mut named = all.filter(|s| s.session.is_some()).peekable();
        if named.peek().is_none() {
            let message = "--session replaces the session of a source, and no source of this recipe names one";
            return Err(Error::key(file, "sources", message));
        }
        named.for_each(|s| s.session = Some(text.clone()));
    }
    recipe.check().map_err(|e| manifests::io::error_at(file, e))?;
    // Said in the data set, so that nobody needs to know what the preset has.
    recipe.sizes = Some(recipe.sizes().to_vec());
    recipe.unscaled = Some(recipe.writes_unscaled());
    // Of a zoom that a recipe states itself this is known already.
    let zoom = Model::of(&recipe).zoom.map_or(1.0, |zoom| zoom.high);
    let covered = |size: &Size| f64::from(size.height) * f64::from(size.width) * zoom * zoom;
    if let Some(i) = recipe.sizes().iter().position(|size| covered(size) > MOST_PIXELS as f64) {
        let message =
            format!("makes pictures of more than 100 million pixels, {zoom} squared times its own (the preset's zoom)");
        return Err(Error::key(file, &format!("sizes[{i}]"), message));
    }
    if let Some(lens) = &recipe.mix.aperture {
        aperture::check(lens, recipe.sizes()).map_err(|clause| Error::key(file, "mix.aperture", clause))?;
    }
    let root = match file.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    Ok(Opened { recipe, file: file.to_path_buf(), root: root.to_path_buf(), overrides: overrides.clone() })
}

/// A path given on the command line starts at the working directory, one in a recipe at the recipe.
pub(crate) fn absolute(path: &Path) -> Result<String, Error> {
    let full = std::path::absolute(path).map_err(Error::io(path, "resolve"))?;
    full.into_os_string()
        .into_string()
        .map_err(|raw| Error::BadInput(format!("{}: a folder's name must be UTF-8 text; rename it", raw.display())))
}

impl Opened {
    /// The sources of a layer.
    pub(crate) fn sources(&self, layer: Layer) -> &[Source] {
        sources(&self.recipe, layer)
    }

    /// An error about a layer's source: at its line in the recipe, or at the flag that replaced it.
    pub(crate) fn refuse(&self, layer: Layer, index: usize, message: String) -> Error {
        let source = &self.sources(layer)[index];
        let flag = match layer {
            Layer::Background if self.overrides.backgrounds.is_some() => "--backgrounds",
            Layer::Reflection if self.overrides.reflections.is_some() => "--reflections",
            _ if self.overrides.session.is_some() && source.session.is_some() => "--session",
            _ => {
                let keys = [("folder", &source.folder), ("glob", &source.glob), ("tar", &source.tar)];
                let kind = keys.iter().find(|(_, value)| value.is_some()).map_or("session", |(key, _)| key);
                return Error::key(&self.file, &format!("sources.{}[{index}].{kind}", layer.key()), message);
            }
        };
        Error::BadInput(format!("{flag}: {message}"))
    }
}

/// The sources of a layer of any recipe.
pub(crate) fn sources(recipe: &Recipe, layer: Layer) -> &[Source] {
    match layer {
        Layer::Background => &recipe.sources.backgrounds,
        Layer::Reflection => &recipe.sources.reflections,
    }
}

/// The folder that a source's photographs lie below.
pub(crate) fn place(source: &Source, root: &Path) -> PathBuf {
    let pattern = source.glob.as_deref().or(source.tar.as_deref()).map(|pattern| split_pattern(pattern).0);
    root.join(pattern.or(source.folder.as_deref()).or(source.session.as_deref()).unwrap_or("."))
}
