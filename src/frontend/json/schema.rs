//! The JSON Schema of architecture files, made from the tables that the reader itself uses.

use serde_json::{Map, Value, json};

use super::document::PARAMETER_KEYS;
use crate::graph::CalledAs;
use crate::ops::{Op, OpInfo, Role};
use crate::tensor::DType;

/// The schema as it is kept in `architectures/architecture.schema.json`.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// A description: the first paragraph, in one line.
fn prose(doc: &str) -> String {
    let paragraph = doc.split("\n\n").next().unwrap_or("");
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What every layer may have.
fn common() -> Map<String, Value> {
    let Value::Object(keys) = json!({
        "name": {"$ref": "#/$defs/name", "description": "The layer's name in its scope; its op, block or stage by default."},
        "inputs": {"$ref": "#/$defs/references", "description": "What it reads; the layer before it by default."},
        "stage": {"$ref": "#/$defs/name", "description": "A label under which costs are summed. Stages nest."},
        "when": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/expression"}], "description": "Without this condition the layer is absent."},
        "repeat": {"anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/$defs/expression"}], "description": "How often it stands here, one behind the other."},
        "index": {"type": "string", "description": "The name of the repeat's index in expressions; it counts from 0.", "default": "index"}
    }) else {
        return Map::new();
    };
    keys
}

fn layer(properties: Value, required: &[&str]) -> Value {
    let mut all = Map::new();
    if let Value::Object(own) = properties {
        all.extend(own);
    }
    all.extend(common());
    json!({"type": "object", "properties": all, "required": required, "additionalProperties": false})
}

fn op_layer(info: &OpInfo) -> Value {
    let mut properties = Map::new();
    properties.insert("op".into(), json!({"const": info.name, "description": prose(info.doc)}));
    let mut required = vec!["op"];
    for attribute in info.attributes {
        let mut schema = (attribute.schema)();
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".into(), prose(attribute.doc).into());
        }
        match (attribute.default)() {
            None => required.push(attribute.name),
            Some(Value::Null) => {}
            Some(default) => {
                if let Value::Object(schema) = &mut schema {
                    schema.insert("default".into(), default);
                }
            }
        }
        properties.insert(attribute.name.into(), schema);
    }
    let ways: Vec<&str> = CalledAs::ALL.iter().map(|way| way.name()).collect();
    properties.insert(
        "called_as".into(),
        json!({"enum": ways, "description": "How PyTorch code calls it; some other programs count by that."}),
    );
    properties.insert(
        "share".into(),
        json!({"$ref": "#/$defs/reference", "description": "The layer whose weights it uses."}),
    );
    for key in ["stored", "listed_bytes"] {
        properties.insert(key.into(), json!({"$ref": format!("#/$defs/{key}")}));
    }
    layer(Value::Object(properties), &required)
}

fn schema() -> Value {
    let ops: Vec<&OpInfo> = Op::ALL.iter().filter(|info| info.name != "input").collect();
    let names: Vec<&str> = ops.iter().map(|info| info.name).collect();
    let dtypes: Vec<&str> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
    let cases: Vec<Value> = ops
        .iter()
        .map(|info| json!({"if": {"properties": {"op": {"const": info.name}}}, "then": {"$ref": format!("#/$defs/op_{}", info.name)}}))
        .collect();
    let layers = json!({"type": "array", "items": {"$ref": "#/$defs/layer"}});
    let mut defs = Map::new();
    let mut define = |name: &str, schema: Value| drop(defs.insert(name.to_owned(), schema));
    define("name", json!({"type": "string", "pattern": "^[^/\\[\\]:\\u0000-\\u001f]+$"}));
    define(
        "expression",
        json!({"type": "string", "description": "An expression: \"4 * growth_rate\", \"channels(input) / 2\". See `csp-profile explain language`."}),
    );
    define(
        "reference",
        json!({"type": "string", "description": "A tensor: \"conv1\", \"stem/conv1\", \"layer[..index]\", \"split:1\", \"previous\", \"input\"."}),
    );
    define(
        "references",
        json!({"anyOf": [{"$ref": "#/$defs/reference"}, {"type": "array", "items": {"$ref": "#/$defs/reference"}}]}),
    );
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    define(
        "stored_tensor",
        json!({"type": "object", "required": ["role", "shape"], "additionalProperties": false, "properties": {
            "role": {"enum": roles, "description": "What it is for; a buffer is not learned."},
            "shape": {"type": "array", "items": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/expression"}]}},
            "dtype": {"$ref": "#/$defs/dtype", "description": "Its element type; by default that of what the layer reads."},
            "shared": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/expression"}], "default": false, "description": "Whether it counts as another layer's."}
        }}),
    );
    define(
        "stored",
        json!({"type": "array", "items": {"$ref": "#/$defs/stored_tensor"}, "description": "The tensors that it stores, in place of the op's own: for networks converted from files that list them."}),
    );
    define(
        "listed_bytes",
        json!({"anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/$defs/expression"}], "description": "Bytes of all inputs and outputs that such a file lists for it; `traffic_bytes.onnxsim` counts them."}),
    );
    define("dtype", json!({"enum": dtypes}));
    define("value", json!({"type": ["number", "string", "boolean"]}));
    define(
        "shape",
        json!({"type": "array", "items": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/expression"}]}, "description": "Sizes without the batch: [channels, height, width]."}),
    );
    define(
        "parameter",
        json!({"anyOf": [
            {"$ref": "#/$defs/value"},
            {"type": "object", "required": ["default"], "additionalProperties": false, "properties": parameter_properties()}
        ]}),
    );
    define(
        "input",
        json!({"anyOf": [
            {"$ref": "#/$defs/shape"},
            {"type": "object", "required": ["shape"], "additionalProperties": false,
             "properties": {"shape": {"$ref": "#/$defs/shape"}, "dtype": {"$ref": "#/$defs/dtype"}}}
        ]}),
    );
    define(
        "block",
        json!({"type": "object", "required": ["layers"], "additionalProperties": false, "properties": {
            "description": {"type": "string"},
            "arguments": {"type": "object", "description": "Names and defaults; null where one must be given.", "additionalProperties": {"type": ["number", "string", "boolean", "null"]}},
            "inputs": {"type": "array", "items": {"$ref": "#/$defs/name"}, "description": "Names for what the block is given."},
            "layers": layers,
            "outputs": {"$ref": "#/$defs/references"}
        }}),
    );
    define("fact", fact());
    // The key that a layer has decides what it is: an editor then shows the faults of that kind alone.
    let kinds = [("op", "op"), ("block", "use"), ("layers", "group"), ("choose", "choice")];
    let required = |key: &str| json!({"required": [key]});
    let one: Vec<Value> = kinds.iter().map(|(key, _)| required(key)).collect();
    let each: Vec<Value> = kinds
        .iter()
        .map(|(key, kind)| json!({"if": required(key), "then": {"$ref": format!("#/$defs/{kind}")}}))
        .collect();
    define("layer", json!({"type": "object", "oneOf": one, "allOf": each}));
    define(
        "op",
        json!({"type": "object", "required": ["op"], "properties": {"op": {"enum": names}}, "allOf": cases}),
    );
    define(
        "use",
        layer(
            json!({
                "block": {"type": "string", "description": "The name of a block of this file."},
                "with": {"type": "object", "description": "The block's arguments.", "additionalProperties": {"$ref": "#/$defs/value"}}
            }),
            &["block"],
        ),
    );
    define("group", layer(json!({"layers": layers}), &["layers"]));
    define(
        "choice",
        layer(
            json!({
                "choose": {"anyOf": [{"$ref": "#/$defs/expression"}, {"type": ["number", "boolean"]}], "description": "The layers of the case of this value stand here."},
                "cases": {"type": "object", "additionalProperties": layers},
                "else": layers
            }),
            &["choose", "cases"],
        ),
    );
    for info in &ops {
        define(&format!("op_{}", info.name), op_layer(info));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "csp-profile architecture",
        "type": "object",
        "required": ["inputs", "layers"],
        "additionalProperties": false,
        "properties": {
            "$schema": {"type": "string"},
            "name": {"type": "string", "description": "The network's name; the file's by default."},
            "description": {"type": "string", "description": "What it is, in a line."},
            "source": {"type": "string", "description": "The paper or code that it is built after."},
            "parameters": {"type": "object", "description": "What --set changes.", "additionalProperties": {"$ref": "#/$defs/parameter"}},
            "inputs": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/input"}},
            "dtype": {"$ref": "#/$defs/dtype", "default": "f32"},
            "batch": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/expression"}], "default": 1},
            "blocks": {"type": "object", "additionalProperties": {"$ref": "#/$defs/block"}},
            "layers": layers,
            "outputs": {"$ref": "#/$defs/references", "description": "What the network gives; the last layer by default."},
            "published": {"type": "array", "items": {"$ref": "#/$defs/fact"}}
        },
        "$defs": defs
    })
}

fn parameter_properties() -> Value {
    let mut properties = Map::new();
    for &key in PARAMETER_KEYS {
        let schema = match key {
            "default" => json!({"$ref": "#/$defs/value"}),
            "choices" => json!({"type": "array", "items": {"type": "string"}}),
            "min" | "max" => json!({"type": "number"}),
            _ => json!({"type": "string"}),
        };
        properties.insert(key.into(), schema);
    }
    Value::Object(properties)
}

fn fact() -> Value {
    json!({"type": "object", "required": ["metric", "value", "source"], "additionalProperties": false, "properties": {
        "metric": {"type": "string", "description": "A path under the report's totals, such as parameters.weights; accuracy.… is only recorded."},
        "convention": {"type": "string", "description": "The convention under which it was counted."},
        "value": {"type": "string", "description": "As printed: \"34,411,496\", \"20.50 M\", \"7.93 B\"."},
        "source": {"type": "string"},
        "set": {"type": "object", "description": "The parameters it holds for.", "additionalProperties": {"$ref": "#/$defs/value"}},
        "inputs": {"type": "object", "description": "The inputs it holds for.", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
        "rounding": {"enum": ["nearest", "down"]},
        "status": {"enum": ["holds", "differs"]},
        "ours": {"type": "string", "description": "Our figure, where it differs."},
        "reason": {"type": "string", "description": "Why it differs."}
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::json::document::{KINDS, LAYER_KEYS, OP_KEYS};

    #[test]
    fn no_attribute_takes_the_name_of_a_layer_key() {
        for info in Op::ALL {
            for attribute in info.attributes {
                let taken = [KINDS, LAYER_KEYS, OP_KEYS].concat().contains(&attribute.name);
                assert!(!taken, "{}.{} cannot be written in a file", info.name, attribute.name);
            }
        }
    }
}
