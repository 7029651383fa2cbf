//! Any value that a schema allows is read, and comes back the same from YAML and from JSON.
//!
//! The values are made from the JSON Schemas themselves, so a new field or type is covered as soon as it
//! exists, and a schema that says something else than its type fails here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use manifests::{dataset, plan, recipe, run, session};
use proptest::{prelude::*, string::string_regex, test_runner::TestRunner};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// A strategy for the JSON values of a schema; `root` resolves `$ref`.
fn values(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return match name {
            // What a pattern or a range alone cannot say.
            "Interval" => (finite(), finite()).prop_map(|(a, b)| json!([a.min(b), a.max(b)])).boxed(),
            "Seed" => any::<u64>().prop_map(|s| json!(s.to_string())).boxed(),
            "Size" => (1..=65535u32, 1..=65535u32).prop_map(|(h, w)| json!(format!("{h}x{w}"))).boxed(),
            "Naming" => string_regex("(\\{scene\\}/|[a-z]{1,3}/){0,2}[a-z]{0,4}\\{index\\}(_\\{iso\\})?[a-z._-]{0,4}")
                .unwrap()
                .prop_map(Value::from)
                .boxed(),
            "RelPath" => string_regex("[a-zé][a-z0-9. _-]{0,8}(/[a-z][a-z0-9. _-]{0,8}){0,3}")
                .unwrap()
                .prop_map(Value::from)
                .boxed(),
            _ => values(&root["$defs"][name], root),
        };
    }
    if let Some(options) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        return proptest::strategy::Union::new(options.iter().map(|o| values(o, root)).collect::<Vec<_>>()).boxed();
    }
    if !schema["const"].is_null() {
        return Just(schema["const"].clone()).boxed();
    }
    if let Some(options) = schema["enum"].as_array() {
        return proptest::sample::select(options.clone()).boxed();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) if kinds.iter().any(|k| k == "null") => {
            let mut bare = schema.clone();
            bare["type"] = kinds.iter().find(|k| *k != "null").unwrap().clone();
            return prop_oneof![Just(Value::Null), values(&bare, root)].boxed();
        }
        Value::Array(kinds) => kinds[0].clone(),
        kind => kind.clone(),
    };
    match kind.as_str().unwrap_or_else(|| panic!("no type in {schema}")) {
        "object" => object(schema, root),
        "array" => array(schema, root),
        "string" => match schema["pattern"].as_str() {
            Some(pattern) => string_regex(pattern.trim_start_matches('^').trim_end_matches('$'))
                .unwrap()
                .prop_map(Value::from)
                .boxed(),
            None => any::<String>().prop_map(Value::from).boxed(),
        },
        "number" => match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
            (Some(low), Some(high)) => (low..=high).prop_map(Value::from).boxed(),
            _ => finite().prop_map(Value::from).boxed(),
        },
        "integer" => integer(schema),
        "null" => Just(Value::Null).boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        other => panic!("no values for {other}"),
    }
}

fn finite() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

fn integer(schema: &Value) -> BoxedStrategy<Value> {
    let (low, high) = match schema["format"].as_str() {
        Some("uint8") => (0, i128::from(u8::MAX)),
        Some("uint16") => (0, i128::from(u16::MAX)),
        Some("uint32") => (0, i128::from(u32::MAX)),
        Some("uint64" | "uint") => (0, i128::from(u64::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        other => panic!("no integers of format {other:?}"),
    };
    let low = schema["minimum"].as_i64().map_or(low, i128::from);
    let high = schema["maximum"].as_i64().map_or(high, i128::from);
    (low..=high)
        .prop_map(|v| u64::try_from(v).map(Value::from).or_else(|_| i64::try_from(v).map(Value::from)).unwrap())
        .boxed()
}

fn array(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    let bound = |key: &str, default| schema[key].as_u64().map_or(default, |v| usize::try_from(v).unwrap());
    let (low, high) = (bound("minItems", 0), bound("maxItems", 3));
    proptest::collection::vec(values(&schema["items"], root), low..=high.max(low)).prop_map(Value::from).boxed()
}

/// Every required key, and each optional one or not.
fn object(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    assert_eq!(schema["additionalProperties"], false, "an object that takes unknown keys: {schema}");
    let required: Vec<&str> =
        schema["required"].as_array().map_or(Vec::new(), |r| r.iter().filter_map(Value::as_str).collect());
    let empty = Map::new();
    let fields: Vec<_> = schema["properties"]
        .as_object()
        .unwrap_or(&empty)
        .iter()
        .map(|(key, value)| {
            let value = values(value, root);
            let value = if required.contains(&key.as_str()) {
                value.prop_map(Some).boxed()
            } else {
                proptest::option::of(value).boxed()
            };
            (Just(key.clone()), value)
        })
        .collect();
    fields.prop_map(|f| f.into_iter().filter_map(|(k, v)| Some((k, v?))).collect::<Map<_, _>>().into()).boxed()
}

fn round_trip<T: Serialize + DeserializeOwned + JsonSchema + PartialEq + std::fmt::Debug>() {
    let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&values(&schema, &schema), |json| {
            let value: T =
                serde_json::from_value(json.clone()).map_err(|e| TestCaseError::fail(format!("{e}: {json}")))?;
            let line = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(&serde_json::from_str::<T>(&line).unwrap(), &value, "through JSON {}", line);
            let text = serde_yaml::to_string(&value).unwrap();
            let again: T = serde_yaml::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}:\n{text}")))?;
            prop_assert_eq!(&again, &value, "through YAML\n{}", text);
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

macro_rules! round_trips {
    ($($name:ident: $ty:ty),* $(,)?) => { $(#[test] fn $name() { round_trip::<$ty>(); })* };
}
round_trips! {
    a_plan: plan::Plan,
    a_session: session::Session,
    a_shot: session::Shot,
    an_unplanned_photograph: session::Unplanned,
    a_recipe: recipe::Recipe,
    a_dataset: dataset::Dataset,
    a_sample: dataset::Sample,
    a_run: run::Run,
    a_record: run::Record,
}
