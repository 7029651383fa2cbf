//! The committed JSON Schemas are those of the types, and every committed example obeys its type.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use manifests::{Manifest, plan::Plan, read_yaml, recipe::Recipe, run::Run};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn schemas_are_current() {
    let write = std::env::var_os("VITRINE_WRITE_SCHEMAS").is_some();
    for (name, schema) in manifests::schema::all() {
        let path = here().join(format!("schema/{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if write {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{} is not the schema of its type: run VITRINE_WRITE_SCHEMAS=1 cargo test -p manifests schemas",
            path.display()
        );
    }
}

fn check<T: Manifest + std::fmt::Debug + PartialEq>(path: &Path) {
    let value: T = read_yaml(path).unwrap_or_else(|e| panic!("{e}"));
    let text = serde_yaml::to_string(&value).unwrap();
    let again: T = manifests::io::parse_yaml(&text, path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(value, again);
}

#[test]
fn every_example_is_valid() {
    let mut seen = 0;
    for entry in fs::read_dir(here().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match name.split(['.', '-']).next() {
            Some("plan") => check::<Plan>(&path),
            Some("recipe") => check::<Recipe>(&path),
            Some("run") => check::<Run>(&path),
            _ => panic!("{name}: an example's name starts with plan, recipe or run"),
        }
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} examples");
}
