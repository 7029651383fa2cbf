//! Scores as a table: a block of lines for each subset and aperture, with intervals and what the network gains.

use maud::{Markup, html};

use crate::{
    eval::{Group, Scored, Table},
    metrics::{Figure, Profile},
};

/// The scores of a network beside the input's.
pub(crate) fn table(scored: &Scored, profile: Profile) -> Markup {
    let output = scored.main();
    let figures = output.figures();
    let beside: Vec<Group<'_>> = scored.beside().map(Table::groups).unwrap_or_default();
    let several = output.groups().len() > 1;
    html! {
        div.scroll { table {
            tr {
                th { "profile " (profile) }
                th { "n" }
                th { "" }
                @for figure in &figures { th { (figure.title) } }
            }
            @for (i, group) in output.groups().iter().enumerate() {
                @let input = beside.get(i);
                tr {
                    td { @if several { (group.name) } @else { "all" } }
                    td { (group.n) }
                    td { @if input.is_some() { "network" } @else { "input" } }
                    @for figure in &figures { td { (mean(group, figure)) } }
                }
                @if let Some(input) = input {
                    tr { td {} td {} td { "input" } @for figure in &figures { td { (mean(input, figure)) } } }
                    tr.gain { td {} td {} td { "difference" } @for figure in &figures { (gain(group, input, figure)) } }
                }
            }
        } }
        p.note { "± is half the 95 % interval of a mean over pictures." }
    }
}

/// A mean and half its interval.
pub(super) fn mean(group: &Group<'_>, figure: &Figure) -> String {
    let digits = figure.digits;
    let of = |m: &crate::metrics::Mean| Some(((figure.of)(&m.score)?, (figure.of)(&m.interval)?));
    match group.mean.as_ref().and_then(of) {
        Some((mean, half)) => {
            // Of pictures that are equal to the truth there is no PSNR to take a mean of.
            let infinite = group.mean.filter(|_| figure.key == "psnr").map_or(0, |m| m.infinite_psnr);
            let left_out = if infinite > 0 { format!(" ({infinite} infinite)") } else { String::new() };
            format!("{mean:.digits$} ± {half:.digits$}{left_out}")
        }
        None => "-".to_owned(),
    }
}

fn gain(output: &Group<'_>, input: &Group<'_>, figure: &Figure) -> Markup {
    let of = |group: &Group<'_>| group.mean.as_ref().and_then(|m| (figure.of)(&m.score));
    let digits = figure.digits;
    let Some(gain) = of(output).zip(of(input)).map(|(o, i)| o - i) else { return html! { td { "-" } } };
    // Of errors less is better.
    let better = if figure.key == "lmse" { gain <= 0.0 } else { gain >= 0.0 };
    html! { td class=(if better { "up" } else { "down" }) { (format!("{gain:+.digits$}")) } }
}
