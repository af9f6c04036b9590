//! Tables as data: what stands in them, before any format.

use super::figures::Figure;
use crate::units;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A name: it may be cut where a line must not be longer.
    Name(String),
    /// A number and its unit in words; it stands at the right.
    Shown(String),
    /// An exact count.
    Count(u64),
    /// A count of which people read every digit too.
    Digits(u64),
    /// An exact number of bytes.
    Bytes(u64),
    /// A part of a whole.
    Share(u64, u64),
    /// A ratio.
    Ratio(f64),
    /// A time in nanoseconds.
    Time(f64),
    /// So many of something a second.
    Rate(f64),
    /// Nothing.
    Empty,
    /// What is not known.
    Unknown,
    /// A figure that misses something: the true one is this or more.
    AtLeast(Box<Cell>),
    /// How much a figure grew or shrank.
    Difference(Figure, Figure),
    /// The same over the first figure.
    Growth(Figure, Figure),
    /// The second figure, and its growth beside it.
    Grown(Figure, Figure),
}

impl Cell {
    /// As people read it: four digits.
    pub fn human(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) | Self::Shown(text) => text.clone(),
            Self::Count(0) => "-".into(),
            Self::Count(count) => units::si(*count),
            Self::Digits(count) => units::grouped(*count),
            Self::Bytes(bytes) => units::bytes(*bytes),
            Self::Share(0, _) => "-".into(),
            Self::Share(part, whole) => units::percent(*part, *whole),
            Self::Ratio(ratio) => ratio_text(*ratio),
            Self::Time(nanoseconds) => units::seconds(nanoseconds / 1e9),
            Self::Rate(rate) => units::rate(*rate),
            Self::Empty => String::new(),
            Self::Unknown => "?".into(),
            Self::AtLeast(cell) => match cell.human().as_str() {
                "-" => "≥ 0".into(),
                text => format!("≥ {text}"),
            },
            Self::Difference(from, to) => difference(*from, *to),
            Self::Growth(from, to) => growth(*from, *to),
            Self::Grown(from, to) => format!("{} {:>7}", to.cell().human(), growth(*from, *to)),
        }
    }

    /// As programs read it: every digit.
    pub fn exact(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) | Self::Shown(text) => text.clone(),
            Self::Count(count) | Self::Digits(count) | Self::Bytes(count) => count.to_string(),
            #[expect(clippy::cast_precision_loss, reason = "a share is approximate by nature")]
            Self::Share(part, whole) => {
                if *whole == 0 { 0.0 } else { *part as f64 / *whole as f64 }.to_string()
            }
            Self::Ratio(number) | Self::Time(number) | Self::Rate(number) => number.to_string(),
            Self::Empty => String::new(),
            Self::Unknown => "unknown".into(),
            Self::AtLeast(cell) => format!("at least {}", cell.exact()),
            Self::Difference(from, to) => match (from, to) {
                (Figure::Count(from) | Figure::Bytes(from), Figure::Count(to) | Figure::Bytes(to)) => {
                    (i128::from(*to) - i128::from(*from)).to_string()
                }
                _ => (to.number() - from.number()).to_string(),
            },
            Self::Growth(from, to) => from.growth(*to).map_or(String::new(), |growth| growth.to_string()),
            Self::Grown(_, to) => to.cell().exact(),
        }
    }

    /// The same, as a lower bound where `at_least` says so.
    #[must_use]
    pub fn or_more(self, at_least: bool) -> Self {
        if at_least { Self::AtLeast(Box::new(self)) } else { self }
    }

    /// Whether it stands at the left of its column.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Name(_))
    }
}

/// A ratio in about four digits.
pub fn ratio_text(ratio: f64) -> String {
    if ratio >= 100.0 {
        format!("{ratio:.0}")
    } else if ratio >= 10.0 {
        format!("{ratio:.1}")
    } else {
        format!("{ratio:.2}")
    }
}

/// A change with its sign, in the figure's unit; points of a hundred for shares.
fn difference(from: Figure, to: Figure) -> String {
    if from == to {
        return "-".into();
    }
    let signed = |less: bool, text: String| format!("{}{text}", if less { '−' } else { '+' });
    match (from, to) {
        (Figure::Count(from), Figure::Count(to)) => signed(to < from, units::si(to.abs_diff(from))),
        (Figure::Bytes(from), Figure::Bytes(to)) => signed(to < from, units::bytes(to.abs_diff(from))),
        (Figure::Share(..), Figure::Share(..)) => {
            let points = (to.number() - from.number()) * 100.0;
            signed(points < 0.0, format!("{:.1} pp", points.abs()))
        }
        _ => {
            let change = to.number() - from.number();
            signed(change < 0.0, ratio_text(change.abs()))
        }
    }
}

/// A relative change in at most seven letters.
fn growth(from: Figure, to: Figure) -> String {
    let Some(growth) = from.growth(to).filter(|_| from != to) else { return "-".into() };
    let (sign, percent) = (if growth < 0.0 { '−' } else { '+' }, growth.abs() * 100.0);
    if percent < 99.95 {
        format!("{sign}{percent:.1} %")
    } else if percent < 9999.5 {
        format!("{sign}{percent:.0} %")
    } else {
        format!("×{}", ratio_text((1.0 + growth).min(99_999.0)))
    }
}

impl<Name> Sheet<Name> {
    /// The same where the figures miss something: `why` says what.
    #[must_use]
    pub fn or_more(mut self, why: Option<String>) -> Self {
        let Some(why) = why else { return self };
        let is_figure = |cell: &Cell| matches!(cell, Cell::Count(_) | Cell::Digits(_) | Cell::Bytes(_));
        for cell in self.rows.iter_mut().flatten().filter(|cell| is_figure(cell)) {
            *cell = std::mem::replace(cell, Cell::Empty).or_more(true);
        }
        self.notes.push(why);
        self
    }
}

/// A table. Its columns' names are of this program, or with `String` of a user's file.
#[derive(Clone, Debug)]
pub struct Sheet<Name = &'static str> {
    /// What it shows.
    pub title: String,
    /// The columns' names; empty for a list of facts.
    pub columns: Vec<Name>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks below it.
    pub notes: Vec<String>,
}
