//! Sheets on a terminal. The only file that names prettytable-rs.

use prettytable::format::{Alignment, FormatBuilder};
use prettytable::{Cell as Entry, Row, Table};

use super::diagnostics::clean;
use super::sheet::{Cell, Sheet};
use crate::diagnostic::is_steering;

/// The width that tables keep to.
pub const WIDTH: usize = 80;

/// One sheet, its title apart, in lines of at most `width` columns as long as names can give way.
pub fn render<Name: AsRef<str>>(sheet: &Sheet<Name>, width: usize) -> String {
    let mut rows: Vec<Vec<String>> =
        sheet.rows.iter().map(|row| row.iter().map(|cell| clean(&cell.human())).collect()).collect();
    let count = sheet.rows.first().map_or(sheet.columns.len(), Vec::len);
    let columns: Vec<&str> =
        (0..count).map(|index| sheet.columns.get(index).map_or("", AsRef::as_ref)).collect();
    let is_name = |column: usize| sheet.rows.iter().any(|row| matches!(row.get(column), Some(Cell::Name(_))));
    let widest = |rows: &[Vec<String>], column: usize| {
        rows.iter().map(|row| letters(&row[column])).chain([letters(columns[column])]).max().unwrap_or(0)
    };
    // Two blanks part the columns.
    let total = |rows: &[Vec<String>]| {
        (0..count).map(|column| widest(rows, column) + 2).sum::<usize>().saturating_sub(2)
    };
    // The widest names give way first, and of equals the last.
    let mut rooms: Vec<usize> = (0..count).map(|column| widest(&rows, column)).collect();
    for _ in 0..total(&rows).saturating_sub(width) {
        let names = (0..count).filter(|&column| is_name(column) && rooms[column] > 12);
        let Some(column) = names.max_by_key(|&column| rooms[column]) else { break };
        rooms[column] -= 1;
    }
    for column in (0..count).filter(|&column| is_name(column)) {
        rows.iter_mut().for_each(|row| row[column] = cut(&row[column], rooms[column]));
    }
    let mut table = Table::new();
    table.set_format(FormatBuilder::new().column_separator(' ').padding(0, 1).build());
    let right = |column: usize| sheet.rows.first().is_some_and(|row| !row[column].is_text());
    let align = |column: usize| if right(column) { Alignment::RIGHT } else { Alignment::LEFT };
    if !sheet.rows.is_empty() && columns.iter().any(|name| !name.is_empty()) {
        table.set_titles(Row::new(
            (0..count).map(|column| Entry::new_align(columns[column], align(column))).collect(),
        ));
    }
    for (index, row) in rows.iter().enumerate() {
        let exact_numbers =
            |column: usize| matches!(&sheet.rows[index][column], Cell::Text(text) if is_number(text));
        table.add_row(Row::new(
            row.iter()
                .enumerate()
                .map(|(column, text)| {
                    let align = if exact_numbers(column) { Alignment::RIGHT } else { align(column) };
                    Entry::new_align(text, align)
                })
                .collect(),
        ));
    }
    let mut text: String = table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect();
    for note in &sheet.notes {
        text.push_str(&wrap(note, width));
        text.push('\n');
    }
    text
}

/// Parts a sheet whose numbers need more than `width` columns into several; each begins with the first `fixed` columns.
/// The notes stand below the last.
pub fn fold<Name: AsRef<str> + Clone>(sheet: &Sheet<Name>, fixed: usize, width: usize) -> Vec<Sheet<Name>> {
    let fixed = fixed.min(sheet.columns.len());
    let needs = |column: usize| {
        let title = sheet.columns.get(column).map_or(0, |name| letters(name.as_ref()));
        let cells = sheet.rows.iter().map(|row| match &row[column] {
            Cell::Name(name) => letters(name).min(12),
            cell => letters(&cell.human()),
        });
        2 + cells.max().unwrap_or(0).max(title)
    };
    let start: usize = (0..fixed).map(needs).sum();
    let mut parts: Vec<Vec<usize>> = vec![(0..fixed).collect()];
    let mut filled = start;
    for column in fixed..sheet.columns.len() {
        let need = needs(column);
        if filled + need > width + 2 && filled > start {
            parts.push((0..fixed).collect());
            filled = start;
        }
        filled += need;
        parts.last_mut().expect("there is one from the beginning").push(column);
    }
    let last = parts.len() - 1;
    let part = |(index, columns): (usize, &Vec<usize>)| Sheet {
        title: if index == 0 { sheet.title.clone() } else { String::new() },
        columns: columns.iter().map(|&column| sheet.columns[column].clone()).collect(),
        rows: sheet
            .rows
            .iter()
            .map(|row| columns.iter().map(|&column| row[column].clone()).collect())
            .collect(),
        notes: if index == last { sheet.notes.clone() } else { Vec::new() },
    };
    parts.iter().enumerate().map(part).collect()
}

/// Breaks a text into lines of at most so many columns, between words.
pub fn wrap(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    // The text may come from a user's file: what is not white space must not steer the terminal.
    let shown =
        |letter: char| if is_steering(letter) && !letter.is_whitespace() { '\u{fffd}' } else { letter };
    let text: String = text.chars().map(shown).collect();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if letters(line) + 1 + letters(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || ",. kMGTPE".contains(c))
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

/// Shortens a name in its middle: both ends of a path tell more.
fn cut(text: &str, room: usize) -> String {
    let count = letters(text);
    if count <= room {
        return text.to_owned();
    }
    let tail = (room - 1) * 2 / 3;
    let head = room - 1 - tail;
    text.chars().take(head).chain("…".chars()).chain(text.chars().skip(count - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_sheets_are_folded() {
        let row = vec![Cell::Text("a".into()), Cell::Count(1234), Cell::Count(5678), Cell::Count(9)];
        let sheet =
            Sheet { title: "T".into(), columns: vec!["x", "y", "z", "w"], rows: vec![row], notes: vec![] };
        let parts = fold(&sheet, 1, 14);
        let columns: Vec<&[&str]> = parts.iter().map(|part| &part.columns[..]).collect();
        assert_eq!(columns, [&["x", "y"][..], &["x", "z", "w"][..]]);
        assert_eq!(fold(&sheet, 1, 80).len(), 1);
    }

    #[test]
    fn names_are_cut_to_fit() {
        let sheet = Sheet {
            title: "T".into(),
            columns: vec!["layer", "MACs"],
            rows: vec![
                vec![Cell::Name("a/very/long/path/to/a/layer/conv2".into()), Cell::Count(1_000_000)],
                vec![Cell::Name("short".into()), Cell::Count(0)],
            ],
            notes: vec!["note".into()],
        };
        let text = render(&sheet, 30);
        assert_eq!(
            text,
            "layer                     MACs\na/very/…a/layer/conv2  1.000 M\nshort                        -\nnote\n"
        );
    }
}
