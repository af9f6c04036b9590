//! Sheets as GitHub's Markdown.

use std::fmt::Write as _;

use super::sheet::Sheet;

/// One sheet under a heading.
pub fn render<Name: AsRef<str>>(sheet: &Sheet<Name>) -> String {
    let mut text = format!("### {}\n\n", escape(&sheet.title));
    if let Some(first) = sheet.rows.first() {
        let width = first.len();
        let names: Vec<String> = (0..width)
            .map(|index| sheet.columns.get(index).map_or(String::new(), |name| escape(name.as_ref())))
            .collect();
        let _ = writeln!(text, "| {} |", names.join(" | "));
        let rules: Vec<&str> = first.iter().map(|cell| if cell.is_text() { "---" } else { "---:" }).collect();
        let _ = writeln!(text, "| {} |", rules.join(" | "));
        for row in &sheet.rows {
            let cells: Vec<String> = row.iter().map(|cell| escape(&cell.human())).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    for note in &sheet.notes {
        let _ = writeln!(text, "{}\n", escape(note));
    }
    text
}

/// Names come from a user's file: nothing in them may become markup.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '|' | '`' | '*' | '[' | ']' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(letter),
        }
    }
    // Indents show what lies within what; Markdown would drop them.
    let indent = escaped.len() - escaped.trim_start_matches(' ').len();
    format!("{}{}", "&nbsp;".repeat(indent), &escaped[indent..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sheet::Cell;

    #[test]
    fn names_stay_names() {
        let sheet = Sheet {
            title: "T".into(),
            columns: vec!["name", "MACs"],
            rows: vec![vec![Cell::Name("  <script>|x[0]".into()), Cell::Count(1_234_567)]],
            notes: vec![],
        };
        assert_eq!(
            render(&sheet),
            "### T\n\n| name | MACs |\n| --- | ---: |\n| &nbsp;&nbsp;&lt;script&gt;\\|x\\[0\\] | 1.235 M |\n\n"
        );
    }
}
