//! Holds JSON to a schema: as much of JSON Schema as `openapi.json` uses. A word that it does not know is a failure, so that
//! nothing is passed over in silence.

use serde_json::{Map, Value};

/// Words that say nothing about a value.
const SILENT: [&str; 2] = ["description", "default"];

/// What is wrong with `value`, each with where it is.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, "$", &mut faults);
    faults
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let schema = schema.as_object().unwrap();
    for (word, rule) in schema {
        let mut wrong = |what: &str| faults.push(format!("{at}: {what} {rule}, is {value}"));
        match word.as_str() {
            word if SILENT.contains(&word) => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let schema = document
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("{rule}"));
                check(document, schema, value, at, faults);
            }
            "anyOf" => {
                let fits = |schema| self::faults(document, schema, value).is_empty();
                if !rule.as_array().unwrap().iter().any(fits) {
                    wrong("fits none of");
                }
            }
            "type" => {
                let names: Vec<&str> = match rule {
                    Value::Array(names) => names.iter().map(|it| it.as_str().unwrap()).collect(),
                    name => vec![name.as_str().unwrap()],
                };
                if !names.iter().any(|name| is(name, value)) {
                    wrong("must be of type");
                }
            }
            "enum" => {
                // With null in its type a word may be missing.
                if !value.is_null() && !rule.as_array().unwrap().contains(value) {
                    wrong("must be one of");
                }
            }
            "minimum" => {
                if value.as_f64().is_some_and(|it| it < rule.as_f64().unwrap()) {
                    wrong("must be at least");
                }
            }
            "pattern" => {
                // The one in use: a day.
                assert_eq!(rule, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$");
                if value.as_str().is_none_or(|day| day.len() != 10) {
                    wrong("must look like");
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{at}[{index}]"), faults);
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                        wrong(&format!("{name} is missing of"));
                    }
                }
            }
            "properties" => {
                members(document, schema, value, at, faults);
            }
            "additionalProperties" => assert_eq!(*rule, Value::Bool(false)),
            other => panic!("{at}: the checker does not know {other}"),
        }
    }
}

fn members(
    document: &Value,
    schema: &Map<String, Value>,
    value: &Value,
    at: &str,
    faults: &mut Vec<String>,
) {
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(rule) => check(document, rule, member, &format!("{at}.{name}"), faults),
            None if schema.get("additionalProperties").is_some() => {
                faults.push(format!("{at}: {name} is not documented"));
            }
            None => {}
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("no type: {other}"),
    }
}
