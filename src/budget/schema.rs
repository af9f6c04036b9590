//! The JSON Schema of budget files, from the reader's own tables.

use serde_json::{Map, Value, json};

use super::BoundKind;
use super::document::{KEYS, LIMIT_KEYS};
use crate::tensor::DType;

/// The schema as it is kept in `architectures/budget.schema.json`.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

fn schema() -> Value {
    let dtypes: Vec<&str> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
    let keys = KEYS.iter().map(|&key| {
        let schema = match key {
            "$schema" => json!({"type": "string"}),
            "description" => json!({"type": "string"}),
            "architecture" => json!({"type": "string", "description": "The architecture file, from this file's folder; by default the one of the same name: net.json for net.budget.json."}),
            "set" => json!({"type": "object", "description": "Parameters that the architecture is read with.", "additionalProperties": {"type": ["number", "string", "boolean"]}}),
            "inputs" => json!({"type": "object", "description": "Shapes of inputs, with or without the batch.", "additionalProperties": {"type": "array", "items": {"type": "integer", "minimum": 1}}}),
            "batch" => json!({"type": "integer", "minimum": 1, "description": "Images in a batch."}),
            "dtype" => json!({"enum": dtypes, "description": "Element type of the inputs that do not name one."}),
            "baseline" => json!({"type": "string", "description": "What changes are measured against: a JSON report, from this file's folder, or git:REVISION."}),
            "headroom" => json!({"anyOf": [{"const": false}, {"type": "string", "pattern": "^[0-9][0-9.]* ?%$"}], "default": "25 %", "description": "Warn of limits that lie more than this above their figures; false never warns."}),
            _ => json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/limit"}}),
        };
        (key.to_owned(), schema)
    });
    let limit_keys = LIMIT_KEYS.iter().map(|&key| {
        let schema = match key {
            "metric" => json!({"type": "string", "description": "A path of the JSON report, looked up in totals, then at the root: macs, peak_memory_bytes.inference, gradient.set_ratio."}),
            "stage" => json!({"$ref": "#/$defs/pattern", "description": "Of these stages, each by itself."}),
            "layers" => json!({"$ref": "#/$defs/pattern", "description": "Of these layers, their sum."}),
            "op" => json!({"$ref": "#/$defs/pattern", "description": "Of all layers of this op."}),
            "each" => json!({"type": "boolean", "default": false, "description": "Of each of the layers instead of their sum."}),
            "max" => json!({"$ref": "#/$defs/amount", "description": "At most."}),
            "min" => json!({"$ref": "#/$defs/amount", "description": "At least."}),
            "equal" => json!({"$ref": "#/$defs/amount", "description": "Exactly."}),
            "max_change" => json!({"$ref": "#/$defs/change", "description": "At most so much more than the baseline."}),
            "min_change" => json!({"$ref": "#/$defs/change", "description": "At least so much more than the baseline; -5 % is at most 5 % less."}),
            "allow_unknown" => json!({"type": "boolean", "default": false, "description": "Judge the known part of a figure that misses ops without a known cost."}),
            "fixed" => json!({"type": "boolean", "default": false, "description": "The bound comes from outside: it is not tightened, nor said to be loose."}),
            _ => json!({"type": "string", "description": "Why the limit is there."}),
        };
        (key.to_owned(), schema)
    });
    let one_of: Vec<Value> = BoundKind::ALL.iter().map(|kind| json!({"required": [kind.key()]})).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A budget of csp-profile: limits on what a network architecture may cost",
        "type": "object",
        "required": ["limits"],
        "additionalProperties": false,
        "properties": keys.collect::<Map<_, _>>(),
        "$defs": {
            "limit": {
                "type": "object",
                "required": ["metric"],
                "anyOf": one_of,
                "additionalProperties": false,
                "properties": limit_keys.collect::<Map<_, _>>(),
            },
            "pattern": {"type": "string", "minLength": 1, "maxLength": super::glob::MOST_LETTERS},
            "amount": {
                "description": "A number and a unit: \"4.1 GMACs\", \"30 MiB\", \"8 M\", \"2.5 %\".",
                "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9][0-9,.]*"}],
            },
            "change": {
                "description": "\"+1 %\", \"+0\", \"-5 %\", \"+1 MB\".",
                "anyOf": [{"type": "number", "maximum": 0}, {"type": "string", "pattern": "^[-+−0]"}],
            },
        },
    })
}
