//! A [`Sheet`] as an HTML table.

use askama::Template;

use super::markup::Markup;
use super::shown;
use super::summary::unbroken;
use crate::report::sheet::{Cell, Sheet};

/// The tables of a page have names of this program or of a user's file.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="scroll" role="region" tabindex="0" aria-label="{{ caption }}">
<table{% if columns.is_empty() %} class="facts"{% endif %}>
<caption{% if hidden %} class="unseen"{% endif %}>{{ caption }}</caption>
{% if !columns.is_empty() %}<thead><tr>
{%- for column in columns %}<th scope="col"{% if column.is_number %} class="n"{% endif %}><bdi>{{ column.name }}</bdi></th>{% endfor -%}
</tr></thead>
{% endif %}<tbody>
{% for row in rows %}<tr>
{%- for cell in row %}
{%- if loop.first %}<th scope="row"{% if cell.depth > 0 %} class="depth{{ cell.depth }}"{% endif %}><bdi>{{ cell.text }}</bdi></th>
{%- else if let Some(verdict) = cell.verdict %}<td><span class="verdict {{ verdict }}">{{ cell.text }}</span></td>
{%- else if cell.is_number %}<td class="n"{% if !cell.exact.is_empty() %} title="{{ cell.exact }}"{% endif %}>{{ cell.text }}</td>
{%- else %}<td><bdi>{{ cell.text }}</bdi></td>
{%- endif %}
{%- endfor -%}
</tr>
{% endfor %}</tbody>
</table>
</div>
{% for note in notes %}<p class="note">{{ note }}</p>
{% endfor %}"#
)]
struct Table<'a> {
    caption: &'a str,
    hidden: bool,
    columns: Vec<Column>,
    rows: Vec<Vec<View>>,
    notes: Vec<String>,
}

struct Column {
    name: String,
    is_number: bool,
}

struct View {
    text: String,
    exact: String,
    is_number: bool,
    depth: usize,
    verdict: Option<String>,
}

impl View {
    fn new(cell: &Cell, is_number: bool, is_verdict: bool) -> Self {
        let human = cell.human();
        let text = shown(human.trim_start_matches(' '));
        let exact = match cell {
            Cell::Count(_) | Cell::Digits(_) | Cell::Bytes(_) => {
                crate::units::grouped(cell.exact().parse().unwrap_or(0))
            }
            _ => String::new(),
        };
        Self {
            depth: ((human.len() - human.trim_start_matches(' ').len()) / 2).min(4),
            verdict: (is_verdict && !text.is_empty()).then(|| text.replace(' ', "-")),
            exact: if exact == text { String::new() } else { exact },
            is_number: is_number || !cell.is_text(),
            text,
        }
    }
}

/// A table. `captioned` shows its title above it; else the heading before it says the same.
pub(super) fn table<Name: AsRef<str>>(sheet: &Sheet<Name>, captioned: bool) -> Markup {
    // A column of numbers that are shown as text, as the numbers of paths are, stands at the right too.
    let is_number = |index: usize| {
        let mut cells =
            sheet.rows.iter().filter_map(|row| row.get(index)).filter(|cell| **cell != Cell::Empty);
        let number = |cell: &Cell| {
            let starts = |text: &str| {
                text == "-"
                    || text.starts_with(|letter: char| letter.is_ascii_digit() || "+−×".contains(letter))
            };
            match cell {
                Cell::Text(text) => starts(text) || text.is_empty(),
                Cell::Name(text) => {
                    text.chars().all(|letter| letter.is_ascii_digit() || "-.e".contains(letter))
                }
                _ => true,
            }
        };
        index > 0 && cells.all(number)
    };
    let width = sheet.rows.iter().map(Vec::len).max().unwrap_or(0).max(sheet.columns.len());
    let numbers: Vec<bool> = (0..width).map(is_number).collect();
    let verdict = sheet.columns.iter().position(|column| column.as_ref() == "verdict");
    let columns = sheet.columns.iter().enumerate().map(|(index, column)| Column {
        name: shown(column.as_ref()),
        is_number: numbers[index] && verdict != Some(index),
    });
    let rows = sheet.rows.iter().map(|row| {
        let cells = row.iter().enumerate();
        cells.map(|(index, cell)| View::new(cell, numbers[index], verdict == Some(index))).collect()
    });
    Markup::of(&Table {
        caption: &shown(&sheet.title),
        hidden: !captioned,
        columns: columns.collect(),
        rows: rows.collect(),
        notes: sheet.notes.iter().map(|note| unbroken(&shown(note))).collect(),
    })
}
