//! Parameters as the command line gives them: `gamma=0.25`, `fusion=last`, `growth_rate=2*16`.

use super::document::Parameter;
use super::expression::{Environment, Expression, Names};
use super::reference::Reference;
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::attribute::SettingValue;
use crate::tensor::TensorType;

struct Nothing;

impl Environment for Nothing {
    fn parameter(&self, _: usize) -> SettingValue {
        SettingValue::Null
    }
    fn argument(&self, _: usize) -> Result<SettingValue, Diagnostic> {
        Ok(SettingValue::Null)
    }
    fn index(&self, _: usize) -> u64 {
        0
    }
    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic> {
        Err(Diagnostic::error(Code::Expression, "the command line cannot name tensors")
            .at(reference.span, "a tensor"))
    }
}

/// The value that a text means for a parameter.
///
/// Whether it is of the default's type is checked where that is known.
///
/// # Errors
/// A text that is no number where the parameter is one; the places are the parameter's, for the text is in no file.
pub(super) fn value(parameter: &Parameter, text: &str) -> Result<SettingValue, Diagnostic> {
    if parameter.choices.is_some() {
        return Ok(SettingValue::Text(text.into()));
    }
    let name = &parameter.name.text;
    Expression::parse(text, parameter.name.span, false, Names::default())
        .and_then(|expression| expression.evaluate(&Nothing))
        .map_err(|diagnostic| {
            let help = diagnostic.help.into_iter();
            let message = format!("`--set {name}={text}`: {}", diagnostic.message);
            help.fold(Diagnostic::error(diagnostic.code, message), Diagnostic::help)
                .at(parameter.name.span, "the parameter")
        })
}
