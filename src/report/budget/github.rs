//! Workflow commands of GitHub Actions: annotations at the lines of the budget file.

use std::fmt::Write as _;

use super::{Checked, Finding};
use crate::diagnostic::Severity;

/// One command for each finding.
pub fn render(checked: &[Checked]) -> String {
    let mut text = String::new();
    for checked in checked {
        for finding in &checked.findings {
            one(finding, &checked.file, &mut text);
        }
    }
    text
}

fn one(finding: &Finding, file: &str, text: &mut String) {
    let command = if finding.severity == Severity::Error { "error" } else { "warning" };
    let _ = write!(text, "::{command} ");
    match &finding.place {
        Some(place) => {
            let _ = write!(text, "file={},line={},col={}", property(&place.file), place.line, place.column);
            if place.end > place.column {
                let _ = write!(text, ",endColumn={}", place.end);
            }
        }
        None => {
            let _ = write!(text, "file={}", property(file));
        }
    }
    let mut message = finding.message.clone();
    for detail in &finding.details {
        message.push('\n');
        message.push_str(detail);
    }
    let _ =
        writeln!(text, ",title={}::{}", property(&format!("csp-profile: {}", finding.code)), data(&message));
}

/// A message: what would end it is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property: and what would end that.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::budget::Place;

    #[test]
    fn nothing_ends_a_command_early() {
        let finding = Finding {
            severity: Severity::Error,
            code: "over-budget",
            message: "`a::b,c` is 5 %\n::error::injected".into(),
            details: vec!["more".into()],
            place: Some(Place { file: "a:b,c%.json".into(), line: 3, column: 7, end: 9 }),
        };
        let mut text = String::new();
        one(&finding, "", &mut text);
        assert_eq!(
            text,
            "::error file=a%3Ab%2Cc%25.json,line=3,col=7,endColumn=9,title=csp-profile%3A over-budget::`a::b,c` is 5 \
             %25%0A::error::injected%0Amore\n"
        );
    }
}
