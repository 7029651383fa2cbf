//! The views: what stands where, drawn by lot from a seed. Items are listed nearest first.

mod indoors;
mod outdoors;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{
    paint::{Item, Outline, Rgb, Shading},
    scene::View,
    texture::Texture,
};

/// The things of a view, nearest first; the last one covers everything.
pub(super) fn items(view: View, seed: u64) -> Vec<Item> {
    let mut lot = Lot(ChaCha8Rng::seed_from_u64(seed));
    match view {
        View::Desk => indoors::desk(&mut lot),
        View::Shelf => indoors::shelf(&mut lot),
        View::Room => indoors::room(&mut lot),
        View::Street => outdoors::street(&mut lot),
        View::Garden => outdoors::garden(&mut lot),
        View::Clutter => clutter(&mut lot),
    }
}

/// Half the width and height that any zoom of the lens can see, with a little to spare.
const FIELD: [f32; 2] = [0.68, 0.46];

/// Draws by lot.
struct Lot(ChaCha8Rng);

impl Lot {
    fn seed(&mut self) -> u32 {
        self.0.next_u32()
    }
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }
    fn chance(&mut self, p: f32) -> bool {
        self.between(0.0, 1.0) < p
    }
    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.next_u32() as usize % of.len()]
    }
    /// A surface colour: any hue, moderate saturation.
    fn colour(&mut self, value: f32) -> Rgb {
        let hue = self.between(0.0, 6.0);
        let saturation = self.between(0.15, 0.8);
        tint(hue, saturation, value)
    }
    /// Two colours of one surface.
    fn pair(&mut self, value: f32) -> [Rgb; 2] {
        let base = self.colour(value);
        let k = self.between(0.35, 0.8);
        [base.map(|c| c * k), base]
    }
    fn texture(&mut self, size: f32) -> Texture {
        let fine = size * self.between(0.08, 0.3);
        self.one_of(&[
            Texture::Mottled(size),
            Texture::Rough(size * 0.6),
            Texture::Wood(fine),
            Texture::Stripes(fine),
            Texture::Weave(fine * 0.3),
            Texture::Print(fine * 0.7),
            Texture::Bricks(fine * 2.0),
        ])
    }
}

/// A colour by hue (0 to 6), saturation and value.
fn tint(hue: f32, saturation: f32, value: f32) -> Rgb {
    let channel = |n: f32| {
        let k = (n + hue).rem_euclid(6.0);
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

fn grey(value: f32) -> Rgb {
    [value, value, value]
}

/// The wall or sky behind everything.
fn backdrop(texture: Texture, colours: [Rgb; 2], seed: u32) -> Item {
    let mut item = Item::new(Outline::Everything, [0.0, 0.0], FIELD, colours, seed);
    item.texture = texture;
    item
}

/// The dead-leaves model: shapes over shapes, radii with density r^-3, whose statistics are those of natural images
/// (Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001).
fn clutter(lot: &mut Lot) -> Vec<Item> {
    let (smallest, largest) = (0.012f32, 0.22f32);
    let mut items: Vec<Item> = (0..700)
        .map(|_| {
            // Inverse of the distribution of r^-3 between the two ends.
            let t = lot.between(0.0, 1.0);
            let radius = (smallest.powi(-2) + t * (largest.powi(-2) - smallest.powi(-2))).powf(-0.5);
            let centre = [lot.between(-FIELD[0], FIELD[0]), lot.between(-FIELD[1], FIELD[1])];
            let half = [radius, radius * lot.between(0.45, 1.0)];
            let outline = lot.one_of(&[Outline::Box(0.1 * radius), Outline::Ellipse, Outline::Blob(0.35)]);
            let value = lot.between(0.05, 0.8);
            let mut item = Item::new(outline, centre, half, lot.pair(value), lot.seed());
            item.angle = lot.between(0.0, std::f32::consts::TAU);
            item.texture = lot.texture(radius);
            item.shading = lot.one_of(&[Shading::Flat, Shading::Flat, Shading::Cylinder, Shading::Sphere]);
            item
        })
        .collect();
    items.push(backdrop(Texture::Rough(0.3), lot.pair(0.4), lot.seed()));
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::{paint, scene::LayerSpec};

    const VIEWS: [View; 6] = [View::Desk, View::Shelf, View::Street, View::Garden, View::Room, View::Clutter];

    #[test]
    fn views_have_the_luminance_that_is_asked_for_and_structure() {
        for view in VIEWS {
            let spec = LayerSpec { view, distance_m: 2.0, luminance: 200.0 };
            let planes = paint::layer(&spec, 7, 28.0, (300, 200));
            let n = planes.rgb[1].len() as f32;
            let mean = planes.rgb[1].iter().sum::<f32>() / n;
            let deviation = (planes.rgb[1].iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
            assert!((100.0..300.0).contains(&mean), "{view:?}: green mean {mean}");
            assert!(deviation > 0.2 * mean, "{view:?}: deviation {deviation} of {mean}");
            assert!(planes.rgb.iter().flatten().all(|v| v.is_finite() && *v >= 0.0), "{view:?}");
        }
    }

    #[test]
    fn seeds_give_different_views_and_the_same_seed_the_same() {
        let spec = LayerSpec { view: View::Desk, distance_m: 2.0, luminance: 200.0 };
        let draw = |seed| paint::layer(&spec, seed, 35.0, (90, 60)).rgb;
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
