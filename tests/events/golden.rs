//! Every version of every type of event, as it was published once: it must be read for ever.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value, json};
use stampede::shop::events::{Event, Fact, schema};

use crate::harness::Plan;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/events/golden")
}

fn golden(kind: &str) -> Value {
    let path = folder().join(format!("{kind}.json"));
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn every_version_that_was_published_is_read_and_written_the_same() {
    for kind in Fact::KINDS {
        let golden = golden(kind);
        let event: Event = serde_json::from_value(golden.clone()).expect(kind);
        assert_eq!(event.kind(), *kind);
        assert_eq!(serde_json::to_value(&event).unwrap(), golden, "{kind}");
    }
    // a version that is written no more has its example still, and its reader
    for file in fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let kind = name.strip_suffix(".json").unwrap();
        assert!(Fact::KINDS.contains(&kind), "{kind} is read no more");
    }
}

/// Adds a field that nobody knows to every object.
fn newer(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), newer(value))).collect();
            fields.insert("added_later".to_owned(), json!({ "by": ["a newer version"] }));
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(newer).collect()),
        other => other.clone(),
    }
}

#[test]
fn a_newer_minor_version_is_read_as_the_one_that_is_known() {
    for kind in Fact::KINDS {
        let golden = golden(kind);
        let known: Event = serde_json::from_value(golden.clone()).unwrap();
        let mut later = newer(&golden);
        later["specversion"] = json!("1.1");
        let read: Event = serde_json::from_value(later).expect(kind);
        assert_eq!(read, known, "{kind}");
    }
}

#[test]
fn another_major_version_is_refused() {
    let mut other = golden("order.paid.v1");
    other["type"] = json!("order.paid.v9");
    assert!(serde_json::from_value::<Event>(other.clone()).is_err());
    other["type"] = json!("order.paid.v1");
    other["specversion"] = json!("2.0");
    assert!(serde_json::from_value::<Event>(other).is_err());
}

#[test]
fn no_event_says_who_somebody_is() {
    for kind in Fact::KINDS {
        let text = schema::schema(kind).unwrap()["$defs"].to_string().to_lowercase();
        for personal in ["email", "e-mail", "address", "postal", "shipping", "phone"] {
            assert!(!text.contains(personal), "{kind}: {personal}");
        }
    }
}

/// What of a schema an example can be held against by hand: types, what is required, constants, and
/// that nothing is published which the schema does not name.
fn check(at: &str, schema: &Value, defs: &Value, found: &Value) {
    if let Some(name) = schema["$ref"].as_str() {
        return check(at, &defs[name.rsplit('/').next().unwrap()], defs, found);
    }
    if let Some(wanted) = schema.get("const") {
        assert_eq!(found, wanted, "{at}");
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(some) => some.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        _ => return,
    };
    let is = match found {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
    };
    assert!(types.iter().any(|one| one == is), "{at}: {found} is no {types:?}");
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(found.get(name.as_str().unwrap()).is_some(), "{at} has no {name}");
    }
    for (name, value) in found.as_object().into_iter().flatten() {
        let of = schema["properties"].get(name);
        check(&format!("{at}.{name}"), of.unwrap_or_else(|| panic!("{at}.{name}")), defs, value);
    }
    for (n, item) in found.as_array().into_iter().flatten().enumerate() {
        check(&format!("{at}[{n}]"), &schema["items"], defs, item);
    }
}

#[test]
fn what_is_published_is_what_its_schema_says() {
    for kind in Fact::KINDS {
        let schema = schema::schema(kind).unwrap();
        check(kind, &schema, &schema["$defs"], &golden(kind));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schemas_are_served_with_the_documentation() {
    let shop = Plan::default().roles(&[]).start().await;
    let get = async |path: &str| reqwest::get(format!("{}{path}", shop.url)).await.unwrap();
    let list: Value = get("/docs/events").await.json().await.unwrap();
    let events = list["events"].as_array().unwrap();
    assert_eq!(events.len(), Fact::KINDS.len());
    for event in events {
        let found: Value = get(event["schema"].as_str().unwrap()).await.json().await.unwrap();
        assert_eq!(found, schema::schema(event["type"].as_str().unwrap()).unwrap());
    }
    for unknown in ["/docs/events/order.paid.v9.json", "/docs/events/order.paid.v1"] {
        assert_eq!(get(unknown).await.status(), 404, "{unknown}");
    }
    assert_eq!(get("/docs/").await.status(), 200);
    shop.close().await;
}
