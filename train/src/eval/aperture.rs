//! The aperture that a picture was taken at, or mixed as if: scores by aperture are the paper's Table 2.

/// Full stops.
const STOPS: [f64; 12] = [1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0, 32.0, 45.0];

/// The aperture in a picture's path below the data's folder, as SIR2 and its copies write it: `Focus_11`, `F11`, `f2.8`, as a
/// folder or a part of a name. The last one counts.
pub(super) fn of_path(path: &str) -> Option<String> {
    let words: Vec<&str> = path.split(['/', '_', '-', ' ', ',']).collect();
    let number = |text: &str| text.parse().ok().filter(|n: &f64| (0.7..=64.0).contains(n));
    let of_word = |i: usize| {
        let word = words[i].to_ascii_lowercase();
        let rest = word.strip_prefix("focus").or_else(|| word.strip_prefix('f'))?;
        if word == "focus" { number(words.get(i + 1)?) } else { number(rest) }
    };
    (0..words.len()).rev().find_map(of_word).map(|n| format!("f/{n}"))
}

/// The full stop nearest to an f-number that was drawn from a range.
pub(super) fn nearest_stop(f_number: f64) -> String {
    let distance = |stop: &f64| (stop / f_number).ln().abs();
    let nearest = STOPS.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    format!("f/{}", nearest.unwrap_or(f_number))
}

/// Where an aperture stands among others.
pub(super) fn order(name: &str) -> f64 {
    name.strip_prefix("f/").and_then(|n| n.parse().ok()).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apertures_are_found_where_data_sets_write_them() {
        let f = |text: &str| Some(text.to_owned());
        assert_eq!(of_path("SolidObjectDataset/3/Focus_32/1"), f("f/32"));
        assert_eq!(of_path("postcard/F11/scene1"), f("f/11"));
        assert_eq!(of_path("object_Focus_13_12"), f("f/13"));
        assert_eq!(of_path("lab-f2.8"), f("f/2.8"));
        assert_eq!(of_path("wild/Thick_5/12"), None);
        assert_eq!(of_path("far/file_f900"), None);
        assert_eq!(of_path("focus"), None);
    }

    #[test]
    fn drawn_apertures_go_to_the_nearest_stop() {
        assert_eq!([2.3, 2.5, 5.5, 90.0].map(nearest_stop), ["f/2", "f/2.8", "f/5.6", "f/45"].map(String::from));
        assert!(order("f/2.8") < order("f/11"));
    }
}
