//! The readers of recipes, of sample lines and of lists take anything and answer with a value or a sentence.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use manifests::{
    dataset::{Dataset, Sample},
    io::parse_yaml,
    log::parse_line,
    recipe::Recipe,
};
use proptest::prelude::*;

const RECIPE: &str = include_str!("../../manifests/examples/recipe-corrn-paper.yaml");
/// With lens, glass, curve, exposure and noise.
const PHYSICAL: &str = include_str!("../../manifests/examples/recipe-physical.yaml");

const LINE: &str = r#"{"index":3,"split":"train","drawn":{"background":5,"reflection":5,"size":0,"alpha":0.83,"beta":0.41,"blur_sigma":0.0,"quarter_turns":3,"flip":false,"noise":{"gain":0.001,"read":0.01}},"size":"32x64","mixture":{"path":"train/000003.mixture.png","blake3":"8f877de117b884d77e623e66c0e2cb83266f822fdbf9cef05bcd9d887ba8ec0c"},"background":{"path":"train/000003.background.png","blake3":"63cbafbb91aa19b2fdca7b656d196761bd6d48992d4313a746d0e66a9b1a1e92"},"reflection":{"path":"train/000003.reflection.png","blake3":"bb4fa8f2edcef81e4d2d471b375c7a917309bf5727d95422f2a28265108f049c"},"clipped":0.005,"quality":{"effective_beta":0.4,"contrast":0.1},"redrawn":2}"#;

const HEADER: &str = "version: 1
arithmetic: 5
recipe:
  version: 1
  name: a
  seed: '7'
  count: 4
  sources:
    backgrounds: [{folder: behind, licence: CC0-1.0, credit: Ada}]
    reflections: [{folder: before, licence: CC0-1.0}]
  sizes: [32x64]
backgrounds:
  - {source: 0, path: 000.jpg, blake3: 8f877de117b884d77e623e66c0e2cb83266f822fdbf9cef05bcd9d887ba8ec0c, bytes: 9, size: 70x100,
    scene: 'backgrounds[0]/000.jpg', split: train, licence: CC0-1.0, credit: Ada}
reflections:
  - {source: 0, path: 001.png, blake3: 63cbafbb91aa19b2fdca7b656d196761bd6d48992d4313a746d0e66a9b1a1e92, bytes: 8, size: 70x100,
    scene: 'reflections[0]/001.png', split: train, licence: CC0-1.0}
";

/// A text with a few characters replaced, removed or repeated.
fn damaged(text: &'static str) -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0u8..4, any::<char>(), 1usize..30);
    proptest::collection::vec(change, 1..8).prop_map(move |changes| {
        let mut characters: Vec<char> = text.chars().collect();
        for (at, kind, character, count) in changes {
            let at = at.index(characters.len());
            let end = (at + count).min(characters.len());
            match kind {
                0 => characters[at] = character,
                1 => drop(characters.drain(at..end)),
                2 => characters.insert(at, character),
                _ => characters.extend_from_within(at..end),
            }
            if characters.is_empty() {
                break;
            }
        }
        characters.into_iter().collect()
    })
}

/// A recipe that is read is one that can be written and read again; a sentence is one line that names the file.
fn read_recipe(text: &str) -> Result<(), TestCaseError> {
    match parse_yaml::<Recipe>(text, Path::new("recipe.yaml")) {
        Ok(recipe) => {
            let written = serde_json::to_string(&recipe).unwrap();
            prop_assert_eq!(serde_json::from_str::<Recipe>(&written).unwrap(), recipe);
        }
        Err(e) => prop_assert!(e.to_string().starts_with("recipe.yaml"), "{}", e),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_recipe_or_a_sentence(text in any::<String>()) {
        read_recipe(&text)?;
    }

    #[test]
    fn a_damaged_recipe_is_a_recipe_or_a_sentence(text in prop_oneof![damaged(RECIPE), damaged(PHYSICAL)]) {
        read_recipe(&text)?;
    }

    #[test]
    fn a_damaged_header_is_a_header_or_a_sentence(text in damaged(HEADER)) {
        match parse_yaml::<Dataset>(&text, Path::new("dataset.yaml")) {
            Ok(dataset) => {
                let written = serde_json::to_string(&dataset).unwrap();
                prop_assert_eq!(serde_json::from_str::<Dataset>(&written).unwrap(), dataset);
            }
            Err(e) => prop_assert!(e.to_string().starts_with("dataset.yaml"), "{}", e),
        }
    }

    #[test]
    fn any_bytes_are_a_line_or_a_sentence(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(e) = parse_line::<Sample>(&bytes, Path::new("samples.jsonl"), 4) {
            prop_assert!(e.to_string().starts_with("samples.jsonl:4:"), "{}", e);
        }
    }

    #[test]
    fn a_damaged_line_is_a_line_or_a_sentence(text in damaged(LINE)) {
        match parse_line::<Sample>(text.as_bytes(), Path::new("samples.jsonl"), 4) {
            Ok(sample) => {
                let again: Sample = serde_json::from_str(&serde_json::to_string(&sample).unwrap()).unwrap();
                prop_assert_eq!(again, sample);
            }
            Err(e) => prop_assert!(e.to_string().starts_with("samples.jsonl:4:"), "{}", e),
        }
    }
}

#[test]
fn what_is_damaged_above_is_sound() {
    for recipe in [RECIPE, PHYSICAL] {
        parse_yaml::<Recipe>(recipe, Path::new("recipe.yaml")).unwrap();
    }
    parse_yaml::<Dataset>(HEADER, Path::new("dataset.yaml")).unwrap();
    assert_eq!(parse_line::<Sample>(LINE.as_bytes(), Path::new("samples.jsonl"), 1).unwrap().index, 3);
}
