//! What every page has: head, policy, navigation, sections, foot.

use askama::Template;

use super::markup::Markup;
use super::shown;
use super::summary::unbroken;
use crate::report::chart::{Chart, Style, Theme};

/// The style sheet.
pub(super) const STYLE: &str = include_str!("page.css");
/// The script.
pub(super) const SCRIPT: &str = include_str!("page.js");
/// The SHA-256 of [`STYLE`] in Base64; a test says what it must be.
pub(super) const STYLE_SHA256: &str = "SSy4zwZ5ttuQSyrFhvIBlrvWZEBqtjV1LSjICFhevVw=";
/// The SHA-256 of [`SCRIPT`] in Base64.
pub(super) const SCRIPT_SHA256: &str = "27ygptMYg/fFv+JzuPyD2r0B3mHRIPA3Ke4reCBe9RE=";

/// A part of a page.
pub(super) struct Section {
    /// Its address within the page.
    pub(super) id: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// Its word in the navigation.
    pub(super) short: &'static str,
    /// What is in it.
    pub(super) body: Markup,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{{ style_hash }}'; script-src 'sha256-{{ script_hash }}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="csp-profile {{ version }}">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the summary</a>
<header>
<div class="bar">
<p class="kind">{{ kind }}</p>
<button type="button" id="theme" aria-live="polite" hidden>Theme: system</button>
</div>
<h1><bdi>{{ title }}</bdi></h1>
{% for line in lines %}<p class="lead"><bdi>{{ line }}</bdi></p>
{% endfor %}</header>
<nav aria-label="Sections"><ul>
{% for section in sections %}<li><a href="#{{ section.id }}">{{ section.short }}</a></li>
{% endfor %}</ul></nav>
<main>
{% for section in sections %}<section id="{{ section.id }}" aria-labelledby="{{ section.id }}-title">
<h2 id="{{ section.id }}-title">{{ section.title }}</h2>
{{ section.body }}</section>
{% endfor %}</main>
<footer>
<p>Made by csp-profile {{ version }}. This file is complete: it asks nothing of any network.</p>
</footer>
{% if let Some(data) = data %}<script type="application/json" id="data">{{ data }}</script>
{% endif %}<script>{{ script }}</script>
</body>
</html>
"##
)]
struct Shell<'a> {
    title: String,
    kind: &'static str,
    lines: Vec<String>,
    version: &'static str,
    sections: &'a [Section],
    data: Option<Markup>,
    style: Markup,
    script: Markup,
    style_hash: Markup,
    script_hash: Markup,
}

/// A whole page.
pub(super) fn shell(
    title: &str,
    kind: &'static str,
    lines: &[String],
    sections: &[Section],
    data: Option<Markup>,
) -> String {
    let raw = |text: &str| Markup::trusted(text.to_owned());
    let shell = Shell {
        title: shown(title),
        kind,
        lines: lines.iter().map(|line| shown(line)).collect(),
        version: env!("CARGO_PKG_VERSION"),
        sections,
        data,
        style: raw(STYLE),
        script: raw(SCRIPT),
        style_hash: raw(STYLE_SHA256),
        script_hash: raw(SCRIPT_SHA256),
    };
    Markup::of(&shell).into_string()
}

/// Sections in the order of the page; those without anything in them are left out.
pub(super) fn section(id: &'static str, short: &'static str, title: &'static str, body: Markup) -> Section {
    Section { id, title, short, body }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="charts">
{% for (title, svg, description) in charts %}<figure>
<div class="scroll" role="group" tabindex="0" aria-label="{{ title }}">{{ svg }}</div>
<figcaption>{{ description }}</figcaption>
</figure>
{% endfor %}</div>
"#
)]
struct Charts<'a> {
    charts: Vec<(&'a str, Markup, String)>,
}

/// All charts. Each names itself to those who do not see it.
pub(super) fn charts<'a>(charts: impl IntoIterator<Item = &'a Chart>) -> Markup {
    let style = Style { width: 960, height: 540, theme: Theme::Page };
    let one = |chart: &'_ Chart| Markup::trusted(chart.svg(&style));
    let charts = charts.into_iter().map(|chart| (&*chart.title, one(chart), unbroken(&chart.description)));
    Markup::of(&Charts { charts: charts.collect() })
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<dl class="made">
<div><dt>command</dt><dd><code>{{ command }}</code></dd></div>
{% for (name, value) in rows %}<div><dt>{{ name }}</dt><dd><bdi>{{ value }}</bdi></dd></div>
{% endfor %}</dl>
<h3>What the figures are</h3>
<dl class="terms">
{% for (name, text) in terms %}<div><dt>{{ name }}</dt><dd>{{ text }}</dd></div>
{% endfor %}</dl>
<p class="note">All definitions: <code>csp-profile explain counting</code>, <code>memory</code>, <code>gradient</code>, <code>traffic</code>, <code>claims</code>, <code>measure</code>.</p>
"#
)]
struct Made<'a> {
    command: String,
    rows: Vec<(&'static str, String)>,
    terms: &'a [(&'static str, &'static str)],
}

/// The figures' definitions in a sentence each.
const TERMS: &[(&str, &str)] = &[
    ("parameters", "Learned elements. Storage that several layers share counts once."),
    (
        "MACs",
        "Multiply-accumulates of convolutions, linear layers, products and attention: the full kernel at borders, no bias.",
    ),
    (
        "FLOPs",
        "Two for each MAC, one for a bias at each output, one for each other arithmetic operation; moving data is none.",
    ),
    ("activations", "Elements that convolutions, linear layers and products write."),
    ("CIO", "Elements that convolutions read and write, one read for each use."),
    (
        "traffic",
        "Bytes read and written, weights included, where batch norms, activations and residual additions run in the \
         convolution's kernel.",
    ),
    (
        "peak memory",
        "The most bytes of activations that exist at one time, in the order of the file, inputs included and weights not.",
    ),
    (
        "gradient paths",
        "Ways from the loss back to a layer, over the weight layers that read one another's channels.",
    ),
];

/// How the page was made, and what its figures mean.
pub(super) fn made(command: &str, rows: Vec<(&'static str, String)>) -> Markup {
    let version = format!(
        "csp-profile {}, schema version {}",
        env!("CARGO_PKG_VERSION"),
        crate::report::SCHEMA_VERSION
    );
    let rows = rows.into_iter().map(|(name, value)| (name, shown(&value)));
    let rows = [("version", version)].into_iter().chain(rows).collect();
    Markup::of(&Made { command: shown(command), rows, terms: TERMS })
}
