// SPDX-License-Identifier: MIT OR Apache-2.0

//! Holds JSON values against the part of JSON Schema that the description of the interface
//! uses. Anything else in a schema is an error.

use serde_json::{Map, Value};

/// Returns what is wrong with a value, if anything.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = schema.as_object().ok_or("a schema is no object")?;
    if let Some(reference) = schema.get("$ref") {
        let path = reference.as_str().and_then(|it| it.strip_prefix('#'));
        let target = path.and_then(|path| document.pointer(path));
        return check(document, target.ok_or("a dangling reference")?, value);
    }
    for (keyword, wanted) in schema {
        match keyword.as_str() {
            "description" | "default" | "properties" => {}
            "type" => is_of_type(wanted, value)?,
            "enum" => {
                let all = wanted.as_array().ok_or("enum is no list")?;
                if !all.contains(value) {
                    return Err(format!("{value} is none of {wanted}"));
                }
            }
            "minimum" => {
                if value
                    .as_f64()
                    .is_some_and(|it| it < wanted.as_f64().unwrap_or(0.0))
                {
                    return Err(format!("{value} is less than {wanted}"));
                }
            }
            "maximum" | "maxLength" => {}
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(document, wanted, item)?;
                }
            }
            "required" => {
                for name in wanted.as_array().into_iter().flatten() {
                    let name = name.as_str().ok_or("a name is no text")?;
                    if value.is_object() && value.get(name).is_none() {
                        return Err(format!("{name} is missing in {value}"));
                    }
                }
            }
            "additionalProperties" => others(document, schema, wanted, value)?,
            other => return Err(format!("the keyword {other} is not known here")),
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(value) = value.get(name) {
            check(document, property, value).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

fn others(
    document: &Value,
    schema: &Map<String, Value>,
    wanted: &Value,
    value: &Value,
) -> Result<(), String> {
    let properties = schema.get("properties");
    for (name, value) in value.as_object().into_iter().flatten() {
        if properties.is_some_and(|all| all.get(name).is_some()) {
            continue;
        }
        match wanted {
            Value::Bool(false) => return Err(format!("{name} is not described")),
            schema => check(document, schema, value)?,
        }
    }
    Ok(())
}

fn is_of_type(wanted: &Value, value: &Value) -> Result<(), String> {
    let one = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    };
    let is_right = match wanted {
        Value::Array(names) => names.iter().any(one),
        name => one(name),
    };
    match is_right {
        true => Ok(()),
        false => Err(format!("{value} is no {wanted}")),
    }
}

#[test]
fn a_schema_finds_what_is_wrong() {
    let document = serde_json::json!({"s": {
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"type": ["integer", "null"], "minimum": 1}, "b": {"type": "array", "items": {"type": "string"}}},
    }});
    let schema = serde_json::json!({"$ref": "#/s"});
    let of = |value: Value| check(&document, &schema, &value).is_ok();
    assert!(of(serde_json::json!({"a": 1, "b": ["x"]})) && of(serde_json::json!({"a": null})));
    for wrong in [
        serde_json::json!({}),
        serde_json::json!([]),
        serde_json::json!({"a": 0}),
        serde_json::json!({"a": "1"}),
        serde_json::json!({"a": 1, "c": 1}),
        serde_json::json!({"a": 1, "b": [1]}),
    ] {
        assert!(!of(wrong.clone()), "{wrong}");
    }
    let unknown = serde_json::json!({"oneOf": []});
    assert!(check(&document, &unknown, &Value::Null).is_err());
}
