//! The values of a file's parameters: the defaults, or what was asked for.

use super::document::{Document, Parameter};
use super::expression::Environment;
use super::reference::Reference;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::ops::attribute::{SettingValue, decimal};
use crate::tensor::TensorType;

/// The values of all parameters: the defaults, or what was asked for.
pub(super) fn parameters(
    document: &Document,
    set: &[(String, String)],
    sink: &mut Sink,
) -> Vec<SettingValue> {
    for (name, _) in set {
        if !document.parameter_names.iter().any(|known| **known == **name) {
            let known = document.parameter_names.iter().map(|known| &**known);
            let diagnostic =
                Diagnostic::error(Code::UnknownParameter, format!("the file has no parameter `{name}`"))
                    .did_you_mean(name, known.clone());
            sink.push(if document.parameter_names.is_empty() {
                diagnostic.help("it has no parameters at all")
            } else {
                diagnostic.help(format!("parameters: {}", known.collect::<Vec<_>>().join(", ")))
            });
        }
    }
    let mut values: Vec<SettingValue> = Vec::new();
    for parameter in &document.parameters {
        let asked = set.iter().rev().find(|(name, _)| **name == *parameter.name.text).map(|(_, value)| value);
        let value = match asked {
            Some(text) => super::command_line::value(parameter, text),
            None => parameter.default.evaluate(&Earlier(&values)).map(|setting| setting.value),
        };
        let value = value.and_then(|value| in_range(parameter, value));
        let value = match asked {
            Some(_) => value.and_then(|value| same_type(parameter, &Earlier(&values), value)),
            None => value,
        };
        match value {
            Ok(value) => values.push(value),
            Err(diagnostic) => {
                sink.push(diagnostic);
                values.push(SettingValue::Null);
            }
        }
    }
    values
}

/// A default may use the parameters above it.
struct Earlier<'a>(&'a [SettingValue]);

impl Environment for Earlier<'_> {
    fn parameter(&self, index: usize) -> SettingValue {
        self.0[index].clone()
    }
    fn argument(&self, _: usize) -> Result<SettingValue, Diagnostic> {
        Ok(SettingValue::Null)
    }
    fn index(&self, _: usize) -> u64 {
        0
    }
    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic> {
        Err(Diagnostic::error(Code::Expression, "a parameter cannot depend on the size of a tensor")
            .at(reference.span, "a tensor"))
    }
}

/// A number stays a number: a layer's attributes count on it.
fn same_type(
    parameter: &Parameter,
    earlier: &Earlier<'_>,
    value: SettingValue,
) -> Result<SettingValue, Diagnostic> {
    let default = parameter.default.evaluate(earlier)?.value;
    if std::mem::discriminant(&default) == std::mem::discriminant(&value) {
        return Ok(value);
    }
    let name = &parameter.name.text;
    Err(Diagnostic::error(Code::WrongType, format!("`{name}` is set to {value}, which is of another type"))
        .at(parameter.default.span, format!("its default is {default}")))
}

fn in_range(parameter: &Parameter, value: SettingValue) -> Result<SettingValue, Diagnostic> {
    let name = &parameter.name.text;
    let fault = match (&value, &parameter.choices) {
        (SettingValue::Text(text), Some(choices)) if !choices.iter().any(|choice| **choice == **text) => {
            let fault = Diagnostic::error(Code::OutOfRange, format!("`{name}` cannot be `{text}`"))
                .at(parameter.name.span, "its choices are here")
                .did_you_mean(text, choices.iter().map(|choice| &**choice))
                .help(format!("choices: {}", choices.join(", ")));
            Some(fault)
        }
        (SettingValue::Number(number), _) => {
            let below = parameter.least.filter(|least| number < least).map(|least| ("at least", least));
            let above = parameter.most.filter(|most| number > most).map(|most| ("at most", most));
            below.or(above).map(|(bound, limit)| {
                Diagnostic::error(
                    Code::OutOfRange,
                    format!("`{name}` must be {bound} {}, but is {}", decimal(limit), decimal(*number)),
                )
                .at(parameter.name.span, "its bounds are here")
            })
        }
        (SettingValue::Flag(_) | SettingValue::Text(_), _) => None,
        (other, _) => Some(
            Diagnostic::error(Code::WrongType, format!("`{name}` must be a number, a text, true or false"))
                .at(parameter.default.span, format!("this is {other}")),
        ),
    };
    fault.map_or(Ok(value), Err)
}
