//! Scenes: what stands behind the glass and what stands in front of it. A YAML file, or derived from a scene's name.

use std::path::Path;

use manifests::{CheckError, Manifest, Name, Seed, plan::Light};
use serde::{Deserialize, Serialize};

/// `scene.yaml`: the places that a rehearsal can photograph. A scene that is not listed is derived from its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneFile {
    /// Format version, 1.
    pub version: u32,
    /// The scenes.
    #[serde(default)]
    pub scenes: Vec<SceneSpec>,
}

impl Default for SceneFile {
    fn default() -> Self {
        Self { version: 1, scenes: Vec::new() }
    }
}

impl SceneFile {
    /// Reads a scene file.
    ///
    /// # Errors
    /// A sentence with file, line and column, as for every manifest.
    pub fn read(path: &Path) -> Result<Self, manifests::Error> {
        manifests::read_yaml(path)
    }

    /// The scene of an id: the one that is listed, or one made up from the id, always the same for the same id.
    pub fn scene(&self, id: &str) -> SceneSpec {
        self.scenes.iter().find(|s| s.id.as_str() == id).cloned().unwrap_or_else(|| SceneSpec::derived(id))
    }
}

/// A place: glass with something behind it and something in front of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneSpec {
    /// Identifier, as plans name it.
    pub id: Name,
    /// Seed of everything that is placed by chance.
    #[serde(default = "seed_0")]
    pub seed: Seed,
    /// What is behind the glass.
    pub background: LayerSpec,
    /// What the glass mirrors: the room on the camera's side.
    pub reflection: LayerSpec,
    /// The glass.
    #[serde(default)]
    pub glass: GlassSpec,
}

fn seed_0() -> Seed {
    Seed(0)
}

/// Something to photograph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// What it shows.
    pub view: View,
    /// Length of the light's path from the lens, metres; for a reflection, by way of the glass.
    pub distance_m: f64,
    /// Mean luminance, cd/m2. A room at night has about 10, a lit office 150, an overcast street 2000.
    pub luminance: f64,
}

/// Kinds of views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// A table top with things on it.
    Desk,
    /// A book shelf.
    Shelf,
    /// Houses under a sky.
    Street,
    /// Leaves and flowers.
    Garden,
    /// A room with windows, lamps and people.
    Room,
    /// Shapes over shapes: the dead-leaves model of natural images.
    Clutter,
}

/// A sheet of glass in front of the lens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlassSpec {
    /// Thickness, millimetres.
    pub thickness_mm: f64,
    /// Angle between the lens's axis and the glass's normal, degrees.
    pub angle_degrees: f64,
    /// Refractive index; 1.52 is float glass.
    pub index: f64,
}

impl Default for GlassSpec {
    fn default() -> Self {
        Self { thickness_mm: 4.0, angle_degrees: 30.0, index: 1.52 }
    }
}

impl SceneSpec {
    /// A scene made up from its id. Words in the id are taken at their meaning: `dark`, `night`, `dim` and `evening`
    /// give dim rooms; `outdoor`, `street`, `garden`, `desk`, `shelf` give such views.
    pub fn derived(id: &str) -> Self {
        let hash = fnv(id);
        let has = |words: &[&str]| words.iter().any(|w| id.to_ascii_lowercase().contains(w));
        let pick = |n: u64, shift: u32| ((hash >> shift) % n) as usize;
        let background = match () {
            () if has(&["desk", "table", "office", "lab"]) => View::Desk,
            () if has(&["shelf", "book", "library", "shop"]) => View::Shelf,
            () if has(&["street", "house", "city", "outdoor"]) => View::Street,
            () if has(&["garden", "tree", "park", "flower"]) => View::Garden,
            () => [View::Desk, View::Shelf, View::Street, View::Garden, View::Clutter][pick(5, 8)],
        };
        let dark = has(&["dark", "night", "dim", "evening", "dusk"])
            || !has(&["bright", "day", "sun", "noon", "window"]) && pick(13, 20) < 5;
        let others: Vec<View> = [View::Room, View::Street, View::Garden, View::Room, View::Clutter, View::Desk]
            .into_iter()
            .filter(|v| *v != background)
            .collect();
        let unit = |shift: u32| ((hash >> shift) & 0xFF) as f64 / 255.0;
        let mut scene = Self {
            // Ids of plans are names; anything else that an operator types gets the name of its hash.
            id: id.parse().or_else(|_| format!("scene-{hash:016x}").parse()).unwrap_or_else(|_: String| unnamed()),
            seed: Seed(hash),
            background: LayerSpec {
                view: background,
                distance_m: 1.4 + 1.6 * unit(16),
                luminance: 170.0 + 90.0 * unit(24),
            },
            reflection: LayerSpec { view: others[pick(others.len() as u64, 32)], distance_m: 0.0, luminance: 0.0 },
            glass: GlassSpec {
                thickness_mm: [3.0, 4.0, 5.0, 6.0, 8.0, 10.0][pick(6, 40)],
                angle_degrees: 20.0 + 25.0 * unit(44),
                ..GlassSpec::default()
            },
        };
        scene.reflection.distance_m =
            scene.background.distance_m * (0.45 + 0.35 * unit(48)) + 2.5 * f64::from(u8::from(hash >> 56 & 1 == 1));
        scene.relight(if dark { Light::Dark } else { Light::Bright });
        scene
    }

    /// Sets how much light falls on what the glass mirrors.
    pub fn relight(&mut self, light: Light) {
        let unit = (self.seed.0 >> 36 & 0xFF) as f64 / 255.0;
        self.reflection.luminance = match light {
            Light::Bright => 900.0 + 600.0 * unit,
            Light::Dark => 160.0 + 120.0 * unit,
        };
    }
}

fn unnamed() -> Name {
    // A constant that is a name; the loop never runs twice.
    loop {
        if let Ok(name) = "scene".parse() {
            return name;
        }
    }
}

/// FNV-1a, 64 bits, then mixed: equal on every machine.
fn fnv(text: &str) -> u64 {
    let h = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    // Finaliser of MurmurHash3, so that close ids are far apart.
    let h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

impl Manifest for SceneFile {
    const KIND: &'static str = "scene file";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        for (i, scene) in self.scenes.iter().enumerate() {
            let fail = |key: &str, message: &str| Err(CheckError::new(format!("scenes[{i}].{key}"), message));
            if self.scenes[..i].iter().any(|s| s.id == scene.id) {
                return fail("id", "names a scene that is already there: ids are unique");
            }
            for (key, layer) in [("background", &scene.background), ("reflection", &scene.reflection)] {
                if !(0.3..=1000.0).contains(&layer.distance_m) {
                    return fail(&format!("{key}.distance_m"), "must be from 0.3 to 1000 metres");
                }
                if !(0.0..=1e6).contains(&layer.luminance) {
                    return fail(&format!("{key}.luminance"), "must be from 0 to 1000000 cd/m2");
                }
            }
            if !(0.0..=100.0).contains(&scene.glass.thickness_mm) {
                return fail("glass.thickness_mm", "must be from 0 to 100 mm");
            }
            if !(0.0..=70.0).contains(&scene.glass.angle_degrees) {
                return fail("glass.angle_degrees", "must be from 0 to 70 degrees");
            }
            if !(1.0..=2.5).contains(&scene.glass.index) {
                return fail("glass.index", "must be from 1 to 2.5");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "version: 1
scenes:
- id: atelier
  seed: '4'
  background: {view: desk, distance_m: 1.5, luminance: 180}
  reflection: {view: room, distance_m: 3, luminance: 700}
  glass: {thickness_mm: 6}
";

    fn parse(text: &str) -> Result<SceneFile, manifests::Error> {
        manifests::io::parse_yaml(text, Path::new("scene.yaml"))
    }

    #[test]
    fn a_file_is_read_strictly() {
        let file = parse(FILE).unwrap();
        let scene = file.scene("atelier");
        assert_eq!((scene.glass.thickness_mm, scene.glass.index), (6.0, 1.52));
        assert_eq!(file.scene("elsewhere"), SceneSpec::derived("elsewhere"));
        for (from, to, line) in [
            ("distance_m: 1.5", "distance_m: 0", "scene.yaml:5"),
            ("view: room", "view: rooms", "scene.yaml:6"),
            ("thickness_mm", "thicknes_mm", "scene.yaml:7"),
            ("version: 1", "version: 2", "version"),
        ] {
            let error = parse(&FILE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(line), "{to}: {error}");
        }
    }

    #[test]
    fn scenes_that_are_made_up_pass_the_checks_and_mean_what_their_names_say() {
        for i in 0..300 {
            let scene = SceneSpec::derived(&format!("s{i}"));
            SceneFile { version: 1, scenes: vec![scene.clone()] }.check().unwrap();
            assert_ne!(scene.background.view, scene.reflection.view, "the layers look alike");
        }
        assert_eq!(SceneSpec::derived("street-2").background.view, View::Street);
        let luminance = |id| SceneSpec::derived(id).reflection.luminance;
        assert!(luminance("hall-dark") < 300.0 && luminance("hall-bright") > 800.0);
        assert_ne!(SceneSpec::derived("a"), SceneSpec::derived("b"));
        // What an operator types need not be a name.
        SceneFile { version: 1, scenes: vec![SceneSpec::derived("zum Löwen / 2")] }.check().unwrap();
    }
}
