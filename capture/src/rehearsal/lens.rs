//! The lens: AF-S DX 18-55 mm f/3.5-5.6. Its apertures, its focus travel and its blur.

/// Shortest focal length, millimetres.
pub(super) const SHORTEST_MM: f64 = 18.0;
/// Longest focal length, millimetres.
pub(super) const LONGEST_MM: f64 = 55.0;
/// Closest focus, metres from the front principal plane.
pub(super) const CLOSEST_FOCUS_M: f64 = 0.28;
/// Steps of the focus motor from the closest focus to infinity.
pub(super) const FOCUS_STEPS: f64 = 4000.0;
/// Width of the sensor, millimetres (DX).
pub(super) const SENSOR_WIDTH_MM: f64 = 23.5;

/// f-numbers in thirds of a stop, times 100, as the body writes them.
const STOPS: &[u16] = &[
    350, 400, 450, 500, 560, 630, 710, 800, 900, 1000, 1100, 1300, 1400, 1600, 1800, 2000, 2200, 2500, 2900, 3200, 3600,
];

/// The f-numbers (times 100) that the lens has at a focal length: f/3.5-22 at 18 mm to f/5.6-36 at 55 mm.
pub(super) fn f_numbers(focal_mm: f64) -> Vec<u16> {
    let (widest, narrowest) = match focal_mm {
        f if f < 24.0 => (350, 2200),
        f if f < 35.0 => (400, 2500),
        f if f < 45.0 => (450, 2900),
        f if f < 55.0 => (500, 3200),
        _ => (560, 3600),
    };
    STOPS.iter().copied().filter(|s| (widest..=narrowest).contains(s)).collect()
}

/// Moves the focus by motor steps, positive towards infinity. Steps are equal in dioptres (1/m).
/// Answers the new distance in metres, and whether the ring met its end.
pub(super) fn drive_focus(focus_m: f64, steps: f64) -> (f64, bool) {
    let nearest = 1.0 / CLOSEST_FOCUS_M;
    let wanted = 1.0 / focus_m - steps * nearest / FOCUS_STEPS;
    let dioptres = wanted.clamp(1e-3, nearest);
    (1.0 / dioptres, dioptres != wanted)
}

/// Diameter of the blur disc on the sensor in millimetres, of a point at `distance_m` when the lens is
/// focused at `focus_m`: |s - s_f| / s * f^2 / (N (s_f - f)), the thin lens (Hecht, Optics, 5.2).
pub(super) fn blur_mm(distance_m: f64, focus_m: f64, focal_mm: f64, f_number: f64) -> f64 {
    let (s, s_f) = (distance_m * 1000.0, focus_m * 1000.0);
    (s - s_f).abs() / s * focal_mm * focal_mm / (f_number * (s_f - focal_mm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apertures_follow_the_zoom() {
        assert_eq!(f_numbers(18.0)[0], 350);
        assert_eq!(f_numbers(35.0)[0], 450);
        assert_eq!(f_numbers(55.0)[0], 560);
        assert!(f_numbers(18.0).contains(&1100) && f_numbers(55.0).contains(&1100));
    }

    #[test]
    fn blur_matches_a_worked_example() {
        // 50 mm at f/2 focused at 2 m: a point at 1 m spreads to 1/1 * 2500 / (2 * 1950) mm.
        assert!((blur_mm(1.0, 2.0, 50.0, 2.0) - 0.641_025_6).abs() < 1e-6);
        assert_eq!(blur_mm(2.0, 2.0, 50.0, 2.0), 0.0);
    }

    #[test]
    fn the_focus_ring_ends() {
        assert!(drive_focus(2.0, 1e6).1 && drive_focus(2.0, -1e6).1);
        let (far, ended) = drive_focus(1.0, 100.0);
        assert!(far > 1.0 && !ended);
        assert!((drive_focus(far, -100.0).0 - 1.0).abs() < 1e-9);
    }
}
