//! The page of `train eval --page`.

use std::path::Path;

use candle_core::Device;
use maud::html;

use super::{How, Known, Scored};
use crate::{
    Error,
    net::Corrn,
    report::{self, Section},
};

/// Pictures shown, of the best and of the worst.
const EACH: usize = 4;
/// Pictures whose activations are shown, of the best and of the worst.
const MAPS: usize = 1;

/// What was scored.
pub(super) struct Subject<'a> {
    /// The checkpoint's file, or a word for the input.
    pub(super) name: &'a Path,
    /// The data.
    pub(super) root: &'a Path,
    /// The network; none where the input was scored.
    pub(super) net: Option<&'a Corrn>,
    /// Where it runs.
    pub(super) device: &'a Device,
}

/// Writes the page whole or not at all.
///
/// # Errors
/// Pictures that cannot be read any more, and what the folder answers.
pub(super) fn write(path: &Path, subject: &Subject<'_>, known: &Known, how: How, scored: &Scored) -> Result<(), Error> {
    let Subject { name, root, net, device } = *subject;
    let word = if net.is_some() { "output" } else { "input" };
    let pictures = net
        .map(|net| -> Result<_, Error> {
            let shown = report::best_and_worst(scored, EACH);
            let maps = report::best_and_worst(scored, MAPS);
            Ok((
                report::rows(net, known, scored, how.profile, &shown, device)?,
                report::maps(net, known, how.profile, &maps, device)?,
            ))
        })
        .transpose()?;
    let body = html! {
        p { (name.display()) " on " (known.title()) " of " (root.display()) ", rescaled: " (how.rescale) }
        (report::table(scored, how.profile))
        h3 { "Gradients" }
        (report::gradients(&scored.gradients, word))
        @if let Some((rows, maps)) = &pictures {
            h3 { "Best and worst" }
            (rows)
            h3 { "Activations of the encoder" }
            (maps)
        }
    };
    let title = root.file_name().map_or_else(|| "data".to_owned(), |n| n.to_string_lossy().into_owned());
    // Standard output belongs to the scores.
    manifests::tell!("{}", report::write(path, &[Section { kind: "scores", title, body }])?);
    Ok(())
}
