//! What a person is told about a bad manifest: one sentence with file, line, column and remedy.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use manifests::{Error, Manifest, io::parse_yaml, plan::Plan, recipe::Recipe, run::Run};

const PLAN: &str = "\
version: 1
name: example
scenes:
  - id: desk
    place: indoor
    light: bright
sweeps:
  - subject: reflection
    shutter: [1/60, 1/30, 4]
    f_number: [5.6, 11]
";

fn message<T: Manifest + std::fmt::Debug>(text: &str) -> String {
    parse_yaml::<T>(text, Path::new("lab/plan.yaml")).unwrap_err().to_string()
}

fn broken_plan(from: &str, to: &str) -> String {
    assert!(PLAN.contains(from), "the plan has no `{from}`");
    message::<Plan>(&PLAN.replacen(from, to, 1))
}

#[test]
fn a_good_plan_is_read_and_a_bare_number_is_a_shutter_speed() {
    let plan: Plan = parse_yaml(PLAN, Path::new("plan.yaml")).unwrap();
    let shutters: Vec<_> = plan.sweeps[0].shutter.iter().map(ToString::to_string).collect();
    assert_eq!(shutters, ["1/60", "1/30", "4"]);
}

#[test]
fn unknown_key_names_the_nearest() {
    assert_eq!(
        broken_plan("shutter:", "shuter:"),
        "lab/plan.yaml:9:5: sweeps[0]: unknown key `shuter`; did you mean `shutter`?"
    );
}

#[test]
fn unknown_key_far_from_all_lists_what_is_known() {
    let text = broken_plan("place: indoor", "whereabouts: indoor");
    assert!(text.starts_with("lab/plan.yaml:5:5: scenes[0]: unknown key `whereabouts`; known are id, place"), "{text}");
}

#[test]
fn unknown_variant_names_the_nearest() {
    assert_eq!(
        broken_plan("place: indoor", "place: indor"),
        "lab/plan.yaml:5:12: scenes[0].place: unknown value `indor`; did you mean `indoor`?"
    );
}

#[test]
fn wrong_types_and_ranges_name_their_place() {
    for (from, to, expected) in [
        (
            "1/30",
            "half",
            "9:21: sweeps[0].shutter[1]: `half` is not a shutter speed: seconds as `1/60`, `13/10` or `4`",
        ),
        ("1/30", "-3", "9:21: sweeps[0].shutter[1]: `-3` is not a shutter speed: seconds as `1/60`, `13/10` or `4`"),
        ("5.6", "0.1", "10:16: sweeps[0].f_number[0]: 0.1 is not an f-number from 0.5 to 128"),
        ("5.6", ".nan", "10:16: sweeps[0].f_number[0]: NaN is not an f-number from 0.5 to 128"),
        ("name: example", "name: a/b", "2:7: name: `a/b` is not a name: 1 to 64 letters, digits, `-`, `_` or `.`"),
        ("[5.6, 11]", "[]", "10:15: sweeps[0].f_number: lists no value"),
    ] {
        assert_eq!(broken_plan(from, to), format!("lab/plan.yaml:{expected}"));
    }
    let text = broken_plan("[5.6, 11]", "5.6");
    assert!(
        text.contains(":10:15: sweeps[0].f_number: invalid type: floating point `5.6`, expected a sequence"),
        "{text}"
    );
}

#[test]
fn a_missing_key_is_named() {
    let text = broken_plan("name: example\n", "");
    assert!(text.contains("missing field `name`"), "{text}");
}

#[test]
fn rules_between_keys_point_at_the_key() {
    let unknown_scene = PLAN.replace("subject: reflection", "subject: reflection\n    scenes: [desk, dek]");
    assert_eq!(
        message::<Plan>(&unknown_scene),
        "lab/plan.yaml:9:20: sweeps[0].scenes[1]: `dek` is none of the plan's scenes; the nearest is `desk`"
    );
    let zipped = PLAN.replace("subject: reflection", "subject: reflection\n    combine: zip");
    assert_eq!(
        message::<Plan>(&zipped),
        "lab/plan.yaml:11:15: sweeps[0].f_number: has 2 values where another list has 3: zipped lists are equally long"
    );
}

#[test]
fn a_newer_version_is_refused_as_such_and_not_for_its_unknown_keys() {
    let text = PLAN.replace("version: 1", "version: 7\nholograms: true");
    let error = parse_yaml::<Plan>(&text, Path::new("plan.yaml")).unwrap_err();
    assert!(matches!(error, Error::Newer { found: 7, supported: 1, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "plan.yaml: this plan has version 7, newer than this program, which reads up to 1: update the program"
    );
    assert!(error.is_bad_input());
}

#[test]
fn a_number_that_stands_for_a_name_is_to_be_quoted() {
    for (number, read) in [("1.10", "1.1"), ("2024.0", "2024"), ("1e3", "1000")] {
        assert_eq!(
            broken_plan("id: desk", &format!("id: {number}")),
            format!(
                "lab/plan.yaml:4:9: scenes[0].id: is read as the number {read}, whatever zeros were written: put it in quotes \
                 to keep it as it is"
            )
        );
        let quoted = PLAN.replace("id: desk", &format!("id: '{number}'"));
        assert_eq!(parse_yaml::<Plan>(&quoted, Path::new("plan.yaml")).unwrap().scenes[0].id.as_str(), number);
    }
    // Whole numbers are what they look like.
    let whole = PLAN.replace("id: desk", "id: 12");
    assert_eq!(parse_yaml::<Plan>(&whole, Path::new("plan.yaml")).unwrap().scenes[0].id.as_str(), "12");
}

#[test]
fn version_0_is_refused() {
    assert_eq!(
        broken_plan("version: 1", "version: 0"),
        "lab/plan.yaml:1:10: version: there is no version 0 of a plan: write 1"
    );
}

#[test]
fn more_photographs_than_can_be_listed_are_refused() {
    let with =
        |repeats: &str| PLAN.replace("subject: reflection", &format!("subject: reflection\n    repeats: {repeats}"));
    assert_eq!(
        message::<Plan>(&with("4000000000")),
        "lab/plan.yaml:9:14: sweeps[0].repeats: makes 24000000000 photographs of this sweep: at most 100000 are listed"
    );
    assert!(message::<Plan>(&with("4e9")).starts_with("lab/plan.yaml:9:14: sweeps[0].repeats: invalid type"));
    assert!(parse_yaml::<Plan>(&with("16666"), Path::new("plan.yaml")).is_ok());
    assert!(parse_yaml::<Plan>(&with("16667"), Path::new("plan.yaml")).is_err());
}

#[test]
fn torn_yaml_and_other_rubbish_are_errors_not_panics() {
    for end in 0..PLAN.len() {
        let _ = parse_yaml::<Plan>(&PLAN[..end], Path::new("plan.yaml"));
    }
    assert!(message::<Plan>("").contains("plan.yaml:1:1"));
    assert!(message::<Plan>("{[").contains("plan.yaml:1:"));
    assert!(message::<Plan>("- 1\n- 2\n").contains("invalid type: sequence"));
}

#[test]
fn a_file_that_is_not_text_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.yaml");
    std::fs::write(&path, b"version: 1\nname: \xff\xfe\n").unwrap();
    let text = manifests::read_yaml::<Plan>(&path).unwrap_err().to_string();
    assert!(text.ends_with("plan.yaml:2:1: is not UTF-8 text"), "{text}");
    let missing = manifests::read_yaml::<Plan>(&dir.path().join("none.yaml")).unwrap_err();
    assert!(missing.is_bad_input());
    assert!(missing.to_string().contains("none.yaml: cannot read: No such file"), "{missing}");
}

const RECIPE: &str = "\
version: 1
name: small
seed: 18446744073709551615
count: 10
sources:
  backgrounds:
    - { folder: photos, licence: CC0-1.0 }
  reflections:
    - { session: lab, licence: CC0-1.0 }
";

#[test]
fn a_recipe_keeps_all_64_bits_of_its_seed_and_writes_them_as_a_string() {
    let recipe: Recipe = parse_yaml(RECIPE, Path::new("recipe.yaml")).unwrap();
    assert_eq!(recipe.seed.0, u64::MAX);
    let json = serde_json::to_value(&recipe).unwrap();
    assert_eq!(json["seed"], "18446744073709551615");
}

#[test]
fn a_reversed_range_says_how_to_turn_it() {
    let text = message::<Recipe>(&RECIPE.replace("sources:", "mix: { alpha: [1.0, 0.8] }\nsources:"));
    assert_eq!(text, "lab/plan.yaml:5:15: mix.alpha: the range [1, 0.8] is reversed: write [0.8, 1]");
}

#[test]
fn splits_that_do_not_sum_to_one_are_refused() {
    let text = message::<Recipe>(
        &RECIPE.replace("count: 10", "count: 10\nsplits: { train: 0.5, validation: 0.1, test: 0.1 }"),
    );
    assert_eq!(text, "lab/plan.yaml:5:9: splits: train, validation and test must sum to 1");
}

#[test]
fn the_paper_is_the_default_run() {
    let run: Run =
        parse_yaml("version: 1\nname: paper\nseed: 1\ndata: { dataset: d }\n", Path::new("run.yaml")).unwrap();
    let stages: Vec<_> = run.schedule.stages.iter().map(|s| (s.epochs, s.learning_rate)).collect();
    assert_eq!(stages, [(30, 1e-4), (20, 1e-5)]);
    assert_eq!(run.model.width, 1.0);
}
