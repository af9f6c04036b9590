//! Tables as data: what stands in them, before any format.

use crate::units;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A name: it may be cut where a line must not be longer.
    Name(String),
    /// An exact count.
    Count(u64),
    /// An exact number of bytes.
    Bytes(u64),
    /// A part of a whole.
    Share(u64, u64),
    /// A ratio.
    Ratio(f64),
}

impl Cell {
    /// As people read it: four digits.
    pub fn human(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) => text.clone(),
            Self::Count(0) => "-".into(),
            Self::Count(count) => units::si(*count),
            Self::Bytes(bytes) => units::bytes(*bytes),
            Self::Share(0, _) => "-".into(),
            Self::Share(part, whole) => units::percent(*part, *whole),
            Self::Ratio(ratio) => ratio_text(*ratio),
        }
    }

    /// As programs read it: every digit.
    pub fn exact(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) => text.clone(),
            Self::Count(count) | Self::Bytes(count) => count.to_string(),
            #[expect(clippy::cast_precision_loss, reason = "a share is approximate by nature")]
            Self::Share(part, whole) => {
                if *whole == 0 { 0.0 } else { *part as f64 / *whole as f64 }.to_string()
            }
            Self::Ratio(ratio) => ratio.to_string(),
        }
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

/// A table.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What it shows.
    pub title: String,
    /// The columns' names; empty for a list of facts.
    pub columns: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks below it.
    pub notes: Vec<String>,
}
