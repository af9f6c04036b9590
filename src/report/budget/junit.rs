//! JUnit XML: a suite for each budget file, a case for each limit.

use askama::Template;

use super::{Checked, limit, subject};
use crate::budget::Status;
use crate::budget::messages::sentence;
use crate::diagnostic::Severity;
use crate::report::diagnostics::clean;

#[derive(Template)]
#[template(
    ext = "xml",
    source = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="csp-profile" tests="{{ tests }}" failures="{{ failures }}" errors="{{ errors }}">
{%- for suite in suites %}
  <testsuite name="{{ suite.name }}" tests="{{ suite.cases.len() }}" failures="{{ suite.failures }}" errors="{{ suite.errors }}" skipped="{{ suite.skipped }}" file="{{ suite.file }}">
{%- for case in suite.cases %}
{%- match case.result %}
{%- when None %}
    <testcase classname="{{ suite.name }}" name="{{ case.name }}"/>
{%- when Some(result) %}
    <testcase classname="{{ suite.name }}" name="{{ case.name }}">
      <{{ result.element }}{% if !result.kind.is_empty() %} type="{{ result.kind }}"{% endif %} message="{{ result.message }}">{{ result.text }}</{{ result.element }}>
    </testcase>
{%- endmatch %}
{%- endfor %}
{%- if !suite.warnings.is_empty() %}
    <system-out>{{ suite.warnings }}</system-out>
{%- endif %}
  </testsuite>
{%- endfor %}
</testsuites>
"#
)]
struct Junit {
    tests: usize,
    failures: usize,
    errors: usize,
    suites: Vec<Suite>,
}

struct Suite {
    name: String,
    file: String,
    failures: usize,
    errors: usize,
    skipped: usize,
    cases: Vec<Case>,
    warnings: String,
}

struct Case {
    name: String,
    result: Option<CaseResult>,
}

/// What is told of a case that did not just pass.
struct CaseResult {
    element: &'static str,
    kind: &'static str,
    message: String,
    text: String,
}

/// The document.
///
/// # Errors
/// Never: nothing here can fail to be written.
pub fn render(checked: &[Checked]) -> Result<String, askama::Error> {
    let suites: Vec<Suite> = checked.iter().map(suite).collect();
    let total = |of: fn(&Suite) -> usize| suites.iter().map(of).sum();
    Junit {
        tests: total(|suite| suite.cases.len()),
        failures: total(|suite| suite.failures),
        errors: total(|suite| suite.errors),
        suites,
    }
    .render()
}

fn suite(checked: &Checked) -> Suite {
    let mut cases = Vec::new();
    let rows = checked.verdict.as_ref().map_or(&[][..], |verdict| &verdict.rows);
    for (index, row) in rows.iter().enumerate() {
        let told = || {
            let place = checked.places.get(index);
            let mut text = place.map_or_else(String::new, |place| format!("{}:{}", place.file, place.line));
            let finding = checked.findings.iter().find(|finding| {
                finding.severity == Severity::Error
                    && finding.place.as_ref() == place
                    && finding.message.starts_with(&sentence(row))
            });
            for detail in finding.into_iter().flat_map(|finding| &finding.details) {
                text.push('\n');
                text.push_str(detail);
            }
            xml(&text)
        };
        let result = match row.status {
            Status::Holds | Status::Loose | Status::New => None,
            Status::Skipped => Some(("skipped", "", "no baseline".to_owned(), String::new())),
            Status::Violated => Some(("failure", "over-budget", sentence(row), told())),
            Status::Unknown => Some(("failure", "unknown-cost", sentence(row), told())),
        };
        cases.push(Case {
            name: xml(&format!("{} {}", subject(row), limit(row))),
            result: result.map(|(element, kind, message, text)| CaseResult {
                element,
                kind,
                message: xml(&message),
                text,
            }),
        });
    }
    let errors: Vec<_> = match checked.verdict {
        Some(_) => Vec::new(),
        None => checked.findings.iter().filter(|finding| finding.severity == Severity::Error).collect(),
    };
    for finding in &errors {
        let place = finding.place.as_ref();
        let place = place.map_or_else(String::new, |place| format!("{}:{}", place.file, place.line));
        let lines =
            std::iter::once(place).chain(finding.details.iter().cloned()).filter(|line| !line.is_empty());
        cases.push(Case {
            name: xml(&finding.message),
            result: Some(CaseResult {
                element: "error",
                kind: finding.code,
                message: xml(&finding.message),
                text: xml(&lines.collect::<Vec<_>>().join("\n")),
            }),
        });
    }
    let warnings = checked.findings.iter().filter(|finding| finding.severity == Severity::Warning);
    let warnings: Vec<String> = warnings.map(|finding| xml(&finding.message)).collect();
    let count = |element: &str| {
        cases
            .iter()
            .filter(|case| case.result.as_ref().is_some_and(|result| result.element == element))
            .count()
    };
    Suite {
        name: xml(if checked.network.is_empty() { &checked.file } else { &checked.network }),
        file: xml(&checked.file),
        failures: count("failure"),
        errors: count("error"),
        skipped: count("skipped"),
        cases,
        warnings: warnings.join("\n"),
    }
}

/// XML has no way to write most control characters; lines stay.
fn xml(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}
