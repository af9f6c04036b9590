//! What is HTML already.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

/// HTML that is put into a page as it is. Only templates, and parts of this program that escape, make it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

impl Markup {
    /// What a template makes.
    pub(super) fn of(template: &impl Template) -> Self {
        Self(template.render().expect("a template that writes into memory does not fail"))
    }

    /// HTML that this program wrote without a template: an SVG chart, MathML.
    pub(super) fn trusted(html: String) -> Self {
        Self(html)
    }

    /// JSON for a `script` element that is data: no text in it can end the element.
    pub(super) fn json(value: &impl serde::Serialize) -> Self {
        let json = serde_json::to_string(value).expect("a value without maps of strange keys");
        Self(json.replace('<', "\\u003c"))
    }

    /// One after another.
    pub(super) fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }

    /// The HTML.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}
