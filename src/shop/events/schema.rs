//! What each type of event looks like, as JSON Schema. Made from the types, kept in `schemas/` so
//! that a change of what is published is seen where it is reviewed, and served with the API's
//! documentation.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::Fact;

/// The schema of a type of event; `None` when there is no such type.
#[must_use]
pub fn schema(kind: &str) -> Option<Value> {
    // as it is written: what is always there is required
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let (description, data) = Fact::describe(kind, &mut generator)?;
    Some(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": description,
        "type": "object",
        "required": ["specversion", "id", "source", "subject", "time", "type", "data"],
        "properties": {
            "specversion": { "const": "1.0", "description": "The version of CloudEvents." },
            "id": {
                "type": "string",
                "format": "uuid",
                "description": "The event's own id, the same however often it is delivered.",
            },
            "source": { "type": "string", "description": "Who tells of it." },
            "subject": { "type": "string", "description": "What it is about." },
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened.",
            },
            "type": { "const": kind, "description": "What happened, with the version." },
            "data": data,
        },
        "$defs": generator.take_definitions(true),
    }))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// `STAMPEDE_WRITE_SCHEMAS=1` writes them anew.
    #[test]
    fn the_schemas_in_the_repository_are_those_of_the_types() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shop/events/schemas");
        for kind in Fact::KINDS {
            let path = folder.join(format!("{kind}.json"));
            let schema = schema(kind).unwrap();
            if std::env::var_os("STAMPEDE_WRITE_SCHEMAS").is_some() {
                fs::create_dir_all(&folder).unwrap();
                let text = serde_json::to_string_pretty(&schema).unwrap();
                fs::write(&path, format!("{text}\n")).unwrap();
            }
            let kept = fs::read(&path).unwrap_or_default();
            let kept: Value = serde_json::from_slice(&kept).unwrap_or_default();
            assert_eq!(kept, schema, "{kind}: run with STAMPEDE_WRITE_SCHEMAS=1, look at the diff");
        }
        let files = fs::read_dir(folder).unwrap().count();
        assert_eq!(files, Fact::KINDS.len(), "one schema for each type");
    }
}
