use std::{collections::HashSet, path::Path};

use manifests::{io::parse_yaml, plan::Combine};
use proptest::prelude::*;

use super::*;
use crate::camera::Choices;

const PLAN: &str = "
version: 1
name: order
scenes:
  - { id: hall, place: indoor, light: bright }
  - { id: roof, place: outdoor, light: dark }
sweeps:
  - { subject: background, shutter: [1/60], f_number: [8], focal_length_mm: [18, 55] }
  - { subject: reflection, shutter: [1/60, 1/15, 1/250], f_number: [11, 5.6], focal_length_mm: [35, 18] }
  - { subject: reflection, scenes: [roof], shutter: [1/15], f_number: [11], focal_length_mm: [18], repeats: 2 }
";

fn plan(text: &str) -> Plan {
    parse_yaml(text, Path::new("plan.yaml")).unwrap()
}

#[test]
fn the_order_spares_the_operator() {
    let plan = plan(PLAN);
    let shots = list(&plan);
    // 2 scenes x (2 + 3 x 2 x 2), and the second repeat of what two sweeps both ask for.
    assert_eq!(shots.len(), 2 * 14 + 1);
    let setups: Vec<String> =
        shots.chunk_by(|a, b| a.setup(&plan) == b.setup(&plan)).map(|g| g[0].setup(&plan).to_string()).collect();
    assert_eq!(
        setups,
        [
            "hall, reflection, 18 mm",
            "hall, reflection, 35 mm",
            // From 35 mm it is nearer to 18 than to 55.
            "hall, background, 18 mm",
            "hall, background, 55 mm",
            "roof, reflection, 35 mm",
            "roof, reflection, 18 mm",
            "roof, background, 18 mm",
            "roof, background, 55 mm",
        ]
    );
    let first: Vec<String> = shots[..6].iter().map(|s| settings_name(&s.settings, s.metered)).collect();
    assert_eq!(first[0], "18mm_f5.6_1-250_iso100");
    assert_eq!(first[3], "18mm_f11_1-250_iso100");
    assert_eq!(shots[28].stem(&plan), "shots/roof/background/0028_55mm_f8_1-60_iso100");
}

#[test]
fn zipped_lists_go_side_by_side() {
    let text = PLAN.replace("f_number: [11, 5.6]", "combine: zip, f_number: [11, 8, 5.6]").replace("[35, 18]", "[35]");
    let plan = plan(&text);
    assert_eq!(plan.sweeps[1].combine, Combine::Zip);
    let names: Vec<String> = list(&plan)
        .iter()
        .filter(|s| s.scene == 0 && s.subject == Subject::Reflection)
        .map(|s| settings_name(&s.settings, s.metered))
        .collect();
    assert_eq!(names, ["35mm_f5.6_1-250_iso100", "35mm_f8_1-15_iso100", "35mm_f11_1-60_iso100"]);
}

#[test]
fn a_value_that_the_camera_lacks_is_refused_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.yaml");
    let text = PLAN.replace("1/250", "1/75");
    std::fs::write(&path, &text).unwrap();
    let shots = list(&plan(&text));
    let choices = Choices {
        shutter: ["1/15", "1/60", "1/80"].map(|s| s.parse().unwrap()).to_vec(),
        f_number: vec![],
        iso: vec![100],
        focal_length_mm: Some((18.0, 55.0)),
    };
    let all: Vec<&PlannedShot> = shots.iter().collect();
    let message = check(&path, &all, &choices, None).unwrap_err().to_string();
    assert!(message.contains("plan.yaml:9:"), "{message}");
    assert!(message.contains("no shutter speed 1/75; the nearest is 1/80"), "{message}");
}

#[test]
fn the_example_is_a_plan_of_every_kind_of_shot() {
    let plan = plan(include_str!("../../../manifests/examples/plan.yaml"));
    let shots = list(&plan);
    let of = |subject| shots.iter().filter(|s| s.subject == subject).count();
    assert_eq!((of(Subject::Reflection), of(Subject::Background), of(Subject::Mixture)), (144, 72, 3));
}

proptest! {
    #[test]
    fn every_combination_comes_once_with_a_key_of_its_own(
        speeds in 1usize..5, stops in 1usize..4, isos in 1usize..3, zooms in 0usize..4, repeats in 1u32..3,
    ) {
        let mut plan = plan(PLAN);
        plan.sweeps.truncate(1);
        let sweep = &mut plan.sweeps[0];
        sweep.shutter = (0..speeds).map(|i| Shutter { numerator: 1, denominator: 10 + i as u32 }).collect();
        sweep.f_number = (0..stops).map(|i| FNumber::new(4.0 + i as f64).unwrap()).collect();
        sweep.iso = (0..isos).map(|i| 100 << i).collect();
        sweep.focal_length_mm = (0..zooms).map(|i| FocalLength::new(18.0 + i as f64).unwrap()).collect();
        sweep.repeats = repeats;
        let shots = list(&plan);
        let keys: HashSet<&str> = shots.iter().map(|s| s.key.as_str()).collect();
        prop_assert_eq!(keys.len(), shots.len());
        prop_assert_eq!(shots.len(), 2 * speeds * stops * isos * zooms.max(1) * repeats as usize);
        prop_assert!(shots.iter().enumerate().all(|(i, s)| s.index as usize == i));
        let all: Vec<&PlannedShot> = shots.iter().collect();
        // Two scenes; the zoom is turned once for each further focal length, never back and forth.
        prop_assert_eq!(estimate(&plan, &all, None).prompts, 2 * zooms.max(1));
        // Shooting from the same plan again gives the same list.
        prop_assert_eq!(shots, list(&plan));
    }
}
