//! From radiance to pixels: glass, lens, shutter and sensor.
//!
//! Exposure is calibrated by ISO 12232:2019. The focal-plane exposure of a surface of luminance L (cd/m2) is
//! H = 0.65 L t / N^2 lux seconds, and a sensor set to speed S saturates at H = 78 / S. A pixel is therefore
//! 0.65 L t S / (78 N^2) of saturation: 18 % grey in an office lit to 200 cd/m2 comes out right at 1/60 s, f/8, ISO 400.

use std::sync::{Arc, Mutex, PoisonError};

use manifests::plan::Subject;

use super::{
    body::Set,
    glass, lens, paint,
    scene::{SceneFile, SceneSpec},
    sensor,
};

/// What the exposure dials say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub(super) seconds: f64,
    pub(super) f_number: f64,
    pub(super) iso: f64,
}

impl Settings {
    /// Saturation per cd/m2.
    pub(super) fn gain(&self) -> f64 {
        0.65 * self.seconds * self.iso / (78.0 * self.f_number * self.f_number)
    }
}

/// An encoded picture: sRGB, 8 bits, rows of R, G, B.
pub(super) struct Raster {
    pub(super) size: (u32, u32),
    pub(super) rgb: Vec<u8>,
}

/// A linear image: one plane each of red, green and blue, luminance in cd/m2.
#[derive(Clone)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: [Vec<f32>; 3],
}

impl Planes {
    pub(super) fn black(width: usize, height: usize) -> Self {
        Self { width, height, rgb: std::array::from_fn(|_| vec![0.0; width * height]) }
    }

    /// Adds `k` times another image of the same size.
    pub(super) fn add(&mut self, other: &Self, k: f32) {
        for (mine, theirs) in self.rgb.iter_mut().zip(&other.rgb) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += k * b);
        }
    }
}

/// Light on black paper behind the glass, as a part of the background's: paper of 4 % albedo in shadow.
const PAPER: f64 = 0.004;

/// Everything between the scene and the picture. Keeps what the next shot is likely to need again.
pub(super) struct Optics {
    scenes: Mutex<SceneFile>,
    size: (u32, u32),
    /// The light on the sensor for the last set, per unit of exposure.
    light: Mutex<Vec<(Key, Arc<Planes>)>>,
}

/// What the light on the sensor depends on, exposure apart.
#[derive(Clone, PartialEq)]
struct Key {
    scene: SceneSpec,
    set: Set,
    f_number: f64,
    size: (u32, u32),
}

impl Optics {
    pub(super) fn new(scenes: SceneFile, size: (u32, u32)) -> Self {
        Self { scenes: Mutex::new(scenes), size, light: Mutex::default() }
    }

    pub(super) fn size(&self) -> (u32, u32) {
        self.size
    }

    pub(super) fn scene(&self, id: &str) -> SceneSpec {
        self.scenes.lock().unwrap_or_else(PoisonError::into_inner).scene(id)
    }

    /// The scene that the body stands in front of when it is switched on.
    pub(super) fn first(&self) -> SceneSpec {
        let file = self.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        file.scenes.first().cloned().unwrap_or_else(|| SceneSpec::derived("desk"))
    }

    /// Whether a scene file lists the scene.
    pub(super) fn lists(&self, id: &str) -> bool {
        self.scenes.lock().unwrap_or_else(PoisonError::into_inner).scenes.iter().any(|s| s.id.as_str() == id)
    }

    /// Puts a scene in place of the one with its id.
    pub(super) fn put_scene(&self, scene: SceneSpec) {
        let mut file = self.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        file.scenes.retain(|s| s.id != scene.id);
        file.scenes.push(scene);
    }

    /// Takes a picture. `number` seeds its noise.
    pub(super) fn photograph(&self, set: &Set, settings: &Settings, size: (u32, u32), number: u64) -> Raster {
        let light = self.light(set, settings.f_number, size);
        sensor::expose(&light, settings, number)
    }

    fn light(&self, set: &Set, f_number: f64, size: (u32, u32)) -> Arc<Planes> {
        let key = Key { scene: self.scene(&set.scene), set: set.clone(), f_number, size };
        let kept = self
            .light
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(|k| k.0 == key)
            .map(|k| Arc::clone(&k.1));
        if let Some(light) = kept {
            return light;
        }
        let light = Arc::new(gather(&key));
        let mut kept = self.light.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= 2 {
            kept.remove(0);
        }
        kept.push((key, Arc::clone(&light)));
        light
    }
}

/// The light that reaches the sensor.
fn gather(key: &Key) -> Planes {
    let Key { scene, set, f_number, size } = key;
    let layer = |spec, salt| {
        let sharp = paint::layer(spec, scene.seed.0 ^ salt, set.focal_mm, *size);
        let pixels_per_mm = f64::from(size.0) / lens::SENSOR_WIDTH_MM;
        let blur = lens::blur_mm(spec.distance_m, set.focus_m, set.focal_mm, *f_number) * pixels_per_mm;
        super::defocus::disc(sharp, blur)
    };
    let background = || layer(&scene.background, 0);
    let mirrored = || layer(&scene.reflection, 0x005E_ED0F_1EF7);
    let through = scene.glass.transmittance() as f32;
    match set.subject {
        Subject::Background => background(),
        Subject::Reflection => {
            let mut light = glass::reflect(&mirrored(), scene, set.focal_mm);
            let paper = (PAPER * scene.background.luminance) as f32 * through * through;
            light.rgb.iter_mut().flatten().for_each(|v| *v += paper);
            light
        }
        Subject::Mixture => {
            let mut light = glass::reflect(&mirrored(), scene, set.focal_mm);
            light.add(&background(), through);
            light
        }
    }
}
