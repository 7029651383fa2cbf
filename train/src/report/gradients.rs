//! Distributions of gradients beside each other (CoRRN paper, figure 10).

use maud::{Markup, html};

use super::curve::{Axes, Line, chart};
use crate::metrics::{Compared, Gradients};

/// Differences beyond this are too rare to draw.
const SHOWN: f64 = 100.0;

/// The three distributions on a logarithmic scale, and how far output and input are from the truth.
pub(crate) fn gradients(compared: &Compared, scored: &str) -> Markup {
    let found = compared.divergences();
    let points = |g: &Gradients| {
        let shares = g.shares().into_iter().filter(|(level, _)| level.abs() <= SHOWN);
        shares.map(|(level, share)| (level, share.log10())).collect()
    };
    let line = |name: &str, colour, g| Line { name: name.into(), colour, points: points(g) };
    let lines =
        [line("truth", 1, &compared.truth), line(scored, 0, &compared.output), line("input", 6, &compared.input)];
    let lines = if scored == "input" { &lines[..2] } else { &lines[..] };
    html! {
        div.pair {
            (chart("differences of neighbouring pixels, log10 of their share", Axes { x: "level" }, lines))
            div.card {
                h4 { "divergence from the truth (Kullback-Leibler, nats)" }
                table {
                    tr { th { "distribution" } th { "KL" } }
                    tr { td { (scored) } td { (format!("{:.5}", found.kl_output)) } }
                    @if scored != "input" { tr { td { "input" } td { (format!("{:.5}", found.kl_input)) } } }
                }
                p.note { "Luma differences along rows and columns, of all pictures together. Narrower than the truth is blurred; wider keeps gradients of the reflection." }
            }
        }
    }
}
