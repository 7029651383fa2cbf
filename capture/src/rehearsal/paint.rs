//! From a list of things to light: shapes, nearest first, composited into linear planes.
//!
//! A view is a list of [`Item`]s on the plane at distance 1 in front of the lens (tangent units: 18 mm sees +-0.653
//! across). Every edge and texture is computed at the resolution of the picture, so that zooming in really shows more.

use rayon::prelude::*;

use super::{
    lens,
    optics::Planes,
    scene::LayerSpec,
    texture::{Texture, fractal, smooth},
    view,
};

/// A linear colour.
pub(super) type Rgb = [f32; 3];

/// The outline of an item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outline {
    /// The whole view.
    Everything,
    /// A rectangle with corners rounded by this radius.
    Box(f32),
    Ellipse,
    /// A ragged ellipse: crowns of trees, clouds.
    Blob(f32),
}

/// How light falls on a surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shading {
    Flat,
    /// Round about the vertical axis.
    Cylinder,
    /// Round, with a highlight.
    Sphere,
    /// A table or a floor that recedes towards this height.
    Floor(f32),
    /// It shines by itself: so many times the light of a white surface.
    Shines(f32),
    /// It adds light without hiding anything: the glow about a lamp.
    Glow(f32),
}

/// A thing in a view.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) outline: Outline,
    pub(super) centre: [f32; 2],
    /// Half width and half height.
    pub(super) half: [f32; 2],
    /// Turned by this angle, radians.
    pub(super) angle: f32,
    /// Width of the edge; 0 is as sharp as the picture.
    pub(super) soft: f32,
    pub(super) opacity: f32,
    pub(super) texture: Texture,
    pub(super) colours: [Rgb; 2],
    pub(super) shading: Shading,
    pub(super) seed: u32,
}

impl Item {
    /// A flat, plain, sharp box.
    pub(super) fn new(outline: Outline, centre: [f32; 2], half: [f32; 2], colours: [Rgb; 2], seed: u32) -> Self {
        Self {
            outline,
            centre,
            half,
            angle: 0.0,
            soft: 0.0,
            opacity: 1.0,
            texture: Texture::Mottled(0.1),
            colours,
            shading: Shading::Flat,
            seed,
        }
    }

    /// The soft shadow that this item throws by `offset`.
    pub(super) fn shadow(&self, offset: [f32; 2], soft: f32) -> Self {
        let mut shadow = self.clone();
        shadow.centre = [self.centre[0] + offset[0], self.centre[1] + offset[1]];
        (shadow.soft, shadow.opacity, shadow.colours, shadow.shading) = (soft, 0.55, [[0.0; 3]; 2], Shading::Flat);
        shadow
    }

    /// The point in the item's own axes.
    fn local(&self, u: f32, v: f32) -> (f32, f32) {
        let (x, y) = (u - self.centre[0], v - self.centre[1]);
        let (s, c) = self.angle.sin_cos();
        (c * x + s * y, c * y - s * x)
    }

    /// Distance to the outline, negative inside (boxes exactly, ellipses to first order).
    fn distance(&self, x: f32, y: f32, px: f32) -> f32 {
        let [a, b] = self.half;
        let ellipse = |x: f32, y: f32| {
            let k = (x * x / (a * a) + y * y / (b * b)).sqrt();
            let slope = (x * x / a.powi(4) + y * y / b.powi(4)).sqrt();
            if slope > 0.0 { k * (k - 1.0) / slope } else { -a.min(b) }
        };
        match self.outline {
            Outline::Everything => f32::MIN,
            Outline::Box(corner) => {
                let (qx, qy) = (x.abs() - a + corner, y.abs() - b + corner);
                qx.max(0.0).hypot(qy.max(0.0)) + qx.max(qy).min(0.0) - corner
            }
            Outline::Ellipse => ellipse(x, y),
            Outline::Blob(rough) => {
                let p = 0.5 * a.min(b);
                ellipse(x, y) + rough * a.min(b) * (2.0 * fractal(self.seed ^ 0xB10B, x / p, y / p, px / p) - 1.0)
            }
        }
    }

    /// Half extents of the upright rectangle that holds everything visible of the item.
    fn reach(&self, px: f32) -> [f32; 2] {
        let margin = self.soft + 2.0 * px;
        let grow = if let Outline::Blob(rough) = self.outline { 1.0 + rough } else { 1.0 };
        let (s, c) = (self.angle.sin().abs(), self.angle.cos().abs());
        let [a, b] = self.half.map(|h| h * grow);
        [a * c + b * s + margin, a * s + b * c + margin]
    }

    /// The light that leaves the item's surface, for a light of 1 on a white one.
    fn light(&self, x: f32, y: f32, v: f32, px: f32) -> Rgb {
        let [a, b] = self.half;
        let (tx, ty, tpx) = match self.shading {
            Shading::Floor(horizon) => {
                let depth = 0.12 / (v - horizon).max(0.004);
                ((x * depth) * 4.0, depth, px * depth * depth * 8.0)
            }
            _ => (x, y, px),
        };
        let t = self.texture.at(self.seed, tx, ty, tpx);
        let shade = match self.shading {
            Shading::Flat => 0.85 - 0.15 * (y / b.max(1e-6)).clamp(-1.0, 1.0),
            Shading::Cylinder => {
                let s = (x / a).clamp(-1.0, 1.0);
                let facing = (1.0 - s * s).sqrt();
                0.25 + 0.75 * (0.8 * facing - 0.55 * s).max(0.0) + 0.5 * smooth(0.06, 0.0, (s + 0.55).abs())
            }
            Shading::Sphere => {
                let (sx, sy) = (x / a, y / b);
                let z = (1.0 - sx * sx - sy * sy).max(0.0).sqrt();
                let lit = (0.65 * z - 0.5 * sx - 0.57 * sy).max(0.0);
                0.2 + 0.8 * lit + 1.6 * smooth(0.94, 1.0, lit)
            }
            Shading::Floor(horizon) => 0.55 + 1.1 * (v - horizon).clamp(0.0, 0.6),
            Shading::Shines(k) | Shading::Glow(k) => k,
        };
        std::array::from_fn(|i| shade * (self.colours[0][i] + t * (self.colours[1][i] - self.colours[0][i])))
    }
}

/// The luminance of a layer as a lens of `focal_mm` sees it, cd/m2.
pub(super) fn layer(spec: &LayerSpec, seed: u64, focal_mm: f64, size: (u32, u32)) -> Planes {
    let items = view::items(spec.view, seed);
    // The mean that the specification gives is that of the field of a 28 mm lens, whatever the zoom.
    let sample = draw(&items, 28.0, (120, 80));
    let mean = (0..sample.width * sample.height)
        .map(|i| 0.2126 * sample.rgb[0][i] + 0.7152 * sample.rgb[1][i] + 0.0722 * sample.rgb[2][i])
        .sum::<f32>()
        / (sample.width * sample.height) as f32;
    let k = if mean > 0.0 { spec.luminance as f32 / mean } else { 0.0 };
    let mut planes = draw(&items, focal_mm, size);
    planes.rgb.iter_mut().flatten().for_each(|v| *v *= k);
    planes
}

fn draw(items: &[Item], focal_mm: f64, (width, height): (u32, u32)) -> Planes {
    let (w, h) = (width as usize, height as usize);
    let px = (lens::SENSOR_WIDTH_MM / focal_mm / f64::from(width)) as f32;
    let mut planes = Planes::black(w, h);
    let [r, g, b] = &mut planes.rgb;
    let rows = r.par_chunks_exact_mut(w).zip(g.par_chunks_exact_mut(w)).zip(b.par_chunks_exact_mut(w));
    rows.enumerate().for_each(|(y, ((r, g), b))| {
        let v = (y as f32 + 0.5 - h as f32 / 2.0) * px;
        let mut remaining = vec![1f32; w];
        for item in items {
            row(item, v, px, &mut remaining, [r, g, b]);
        }
    });
    planes
}

/// Composites one item into one row, behind what is there already.
fn row(item: &Item, v: f32, px: f32, remaining: &mut [f32], [r, g, b]: [&mut [f32]; 3]) {
    let w = remaining.len();
    let (from, to) = if item.outline == Outline::Everything {
        (0, w)
    } else {
        let [rx, ry] = item.reach(px);
        if (v - item.centre[1]).abs() > ry {
            return;
        }
        let column = |u: f32| (u / px + w as f32 / 2.0).clamp(0.0, w as f32);
        (column(item.centre[0] - rx) as usize, column(item.centre[0] + rx).ceil() as usize)
    };
    let edge = item.soft.max(px);
    for x in from..to {
        let left = remaining[x];
        if left < 1.0 / 512.0 {
            continue;
        }
        let u = (x as f32 + 0.5 - w as f32 / 2.0) * px;
        let (lx, ly) = item.local(u, v);
        let cover = smooth(0.5, -0.5, item.distance(lx, ly, px) / edge) * item.opacity;
        if cover <= 0.0 {
            continue;
        }
        let light = item.light(lx, ly, v, px);
        let share = left * cover;
        r[x] += share * light[0];
        g[x] += share * light[1];
        b[x] += share * light[2];
        if !matches!(item.shading, Shading::Glow(_)) {
            remaining[x] = left - share;
        }
    }
}
