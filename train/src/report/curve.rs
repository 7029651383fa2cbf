//! Line charts as inline SVG.

use maud::{Markup, html};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// What a chart's axes count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes {
    /// The unit along the bottom.
    pub(super) x: &'static str,
}

impl Axes {
    /// Optimiser steps.
    pub(super) const STEPS: Self = Self { x: "step" };
}

/// A named line of (x, y).
pub(super) struct Line {
    pub(super) name: String,
    /// One of the style sheet's colours, 0 to 6; 6 is a dashed grey.
    pub(super) colour: usize,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over an axis. Values that are not finite are left out; nothing is drawn without two points.
pub(super) fn chart(title: &str, axes: Axes, lines: &[Line]) -> Markup {
    let lines: Vec<&Line> = lines.iter().filter(|l| !l.points.is_empty()).collect();
    let points = || lines.iter().flat_map(|l| &l.points).filter(|p| p.1.is_finite());
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((x0, x1), (y0, y1)) = (bounds(|p| p.0), bounds(|p| p.1));
    if points().count() < 2 {
        return html! { div.card { h4 { (title) } p { "too few records to draw" } } };
    }
    let ticks = ticks(y0, y1);
    let (y0, y1) = (ticks[0].min(y0), ticks[ticks.len() - 1].max(y1));
    let x = |v: f64| LEFT + (v - x0) / (x1 - x0).max(1e-12) * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| HEIGHT - BOTTOM - (v - y0) / (y1 - y0).max(1e-12) * (HEIGHT - TOP - BOTTOM);
    let path = |line: &Line| {
        let mut text = String::new();
        for (i, p) in line.points.iter().filter(|p| p.1.is_finite()).enumerate() {
            text += &format!("{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, x(p.0), y(p.1));
        }
        // A line of no length shows as its round ends.
        text + if alone(line) { "h0" } else { "" }
    };
    let rows = lines.len().div_ceil(4) as f64;
    let height = HEIGHT + 18.0 * rows;
    html! {
        div.card {
            h4 { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(title) {
                @for tick in &ticks {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(*tick)) y2=(y(*tick)) {}
                    text x=(LEFT - 7.0) y=(y(*tick) + 4.0) text-anchor="end" { (short(*tick)) }
                }
                text x=(LEFT) y=(HEIGHT - 8.0) { (axes.x) " " (x0) }
                text x=(WIDTH - RIGHT) y=(HEIGHT - 8.0) text-anchor="end" { (x1) }
                @for line in &lines {
                    path class={ "c" (line.colour) @if alone(line) { " dot" } } d=(path(line)) {}
                }
                @for (i, line) in lines.iter().enumerate() {
                    @let left = LEFT + (i % 4) as f64 * 118.0;
                    @let down = HEIGHT + 8.0 + (i / 4) as f64 * 18.0;
                    path class={ "key c" (line.colour) } d={ "M" (left) " " (down) "h16" } {}
                    text x=(left + 22.0) y=(down + 4.0) { (line.name) }
                }
            }
        }
    }
}

/// Whether a line has one point alone.
fn alone(line: &Line) -> bool {
    line.points.iter().filter(|p| p.1.is_finite()).count() == 1
}

/// Three to six round values that span a range.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let span = (high - low).max(high.abs() * 1e-3).max(1e-9);
    let rough = span / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(10.0 * power);
    let first = (low / step).floor() as i64;
    let last = (high / step).ceil().max((low / step).floor() + 1.0) as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// A tick's label without the noise of binary fractions.
fn short(v: f64) -> String {
    let text = format!("{v:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_span_the_values() {
        assert_eq!(ticks(0.0, 4.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        let t = ticks(0.81, 0.93);
        assert!(t[0] <= 0.81 && t[t.len() - 1] >= 0.93 && t.len() <= 6, "{t:?}");
        assert!(ticks(3.0, 3.0).len() >= 2);
        assert_eq!(short(0.30000000000000004), "0.3");
    }

    #[test]
    fn a_chart_has_a_path_for_each_line_and_survives_odd_values() {
        let line = |points| Line { name: "loss".into(), colour: 0, points };
        let svg = chart("x", Axes::STEPS, &[line(vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 0.5)])]).into_string();
        assert!(svg.contains("class=\"c0\"") && !svg.contains("NaN"));
        let beside = [line(vec![(0.0, 1.0), (2.0, 0.5)]), line(vec![(1.0, 0.7)])];
        let svg = chart("x", Axes::STEPS, &beside).into_string();
        assert!(svg.contains("class=\"c0 dot\"") && svg.contains("h0\""), "a point alone is not seen: {svg}");
        assert!(chart("x", Axes::STEPS, &[line(vec![])]).into_string().contains("too few"));
    }
}
