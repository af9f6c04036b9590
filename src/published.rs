//! Figures that others printed about a network, and whether ours agree to every printed digit.

use crate::source::Span;

/// The metrics of a network that `Report::value` knows and [`Fact::metric`] may name; beside them `accuracy.…` and
/// `conventions.NAME`.
pub const METRICS: &[&str] = &[
    "nodes",
    "parameters.total",
    "parameters.trainable",
    "parameters.as_used",
    "parameters.weights",
    "parameters.bias",
    "parameters.norm",
    "parameters.other",
    "buffers",
    "weight_bytes",
    "macs",
    "flops",
    "activations",
    "cio",
    "cio_with_pools",
    "traffic_bytes.unfused",
    "traffic_bytes.fused",
    "traffic_bytes.compulsory",
    "traffic_bytes.onnxsim",
    "peak_memory_bytes.inference",
    "peak_memory_bytes.inference_inplace",
    "peak_memory_bytes.inference_views",
    "arena_bytes",
    "training.saved_bytes",
    "training.peak_bytes",
];

/// The conventions that [`Fact::convention`] may name: those of the analysis.
pub const CONVENTIONS: &[&str] = &[
    "darknet",
    "cspnet_paper",
    "cspnet_paper_parameters",
    "fvcore",
    "thop",
    "ptflops",
    "ptflops_aten",
    "torch_flop_counter",
    "torchinfo",
    "calflops_macs",
    "calflops_flops",
    "onnxsim",
];

/// Whether a metric is one of memory, which is analysed only where it is wanted.
pub fn is_of_memory(metric: &str) -> bool {
    ["peak_memory_bytes.", "arena_bytes", "training."].iter().any(|start| metric.starts_with(start))
}

/// Whether a metric is one of gradient paths.
pub fn is_of_gradient(metric: &str) -> bool {
    metric.starts_with("gradient.")
}

/// A number as somebody printed it: `20.50 M`, `34,411,496`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// As printed.
    pub text: String,
    /// The digits as one number.
    digits: u128,
    /// How many of them stand behind the point.
    decimals: u32,
    /// What the suffix multiplies by.
    scale: u128,
}

/// How the source shortened its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, half up.
    Nearest,
    /// Towards zero.
    Down,
}

/// A published figure.
#[derive(Clone, Debug)]
pub struct Fact {
    /// A path under the report's totals, or, with a convention, what is counted. `accuracy.…` is only recorded.
    pub metric: String,
    /// The convention under which it was counted.
    pub convention: Option<String>,
    /// The figure.
    pub value: Printed,
    /// Who printed it.
    pub source: String,
    /// The parameters it holds for, as on the command line.
    pub set: Vec<(String, String)>,
    /// The inputs it holds for, without the batch.
    pub inputs: Vec<(String, Vec<u64>)>,
    /// How the source shortened it.
    pub rounding: Rounding,
    /// Set where it cannot hold: our figure and why.
    pub differs: Option<Difference>,
    /// Whether it is about the parameters and inputs that the network was read with.
    pub applies: bool,
    /// Where it stands.
    pub span: Span,
}

/// Why a published figure and ours differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Our figure, printed alike.
    pub ours: Printed,
    /// The reason.
    pub reason: String,
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ours agrees to every printed digit.
    Holds,
    /// Ours is what the file says it is, and not the published figure.
    DiffersAsStated,
    /// Ours is neither.
    Fails,
    /// Not a figure that is computed.
    Recorded,
}

impl Printed {
    /// Reads a printed number: digits, thousands parted by commas, a point, a suffix k, M, G, B (= G) or T.
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let end =
            trimmed.find(|c: char| !(c.is_ascii_digit() || c == ',' || c == '.')).unwrap_or(trimmed.len());
        let (number, suffix) = trimmed.split_at(end);
        let scale = match suffix.trim() {
            "" => 1,
            "k" | "K" => 1_000,
            "M" => 1_000_000,
            "G" | "B" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            _ => return None,
        };
        let number = number.replace(',', "");
        let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
        if whole.is_empty() || fraction.contains('.') || whole.len() + fraction.len() > 30 {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { text: text.into(), digits, decimals: u32::try_from(fraction.len()).ok()?, scale })
    }

    /// The digits that this source would have printed for a value; `None` where it has more decimals than the unit.
    fn digits_of(&self, value: u64, rounding: Rounding) -> Option<u128> {
        let power = 10u128.checked_pow(self.decimals)?;
        let scaled = u128::from(value).checked_mul(power)?;
        let half = if rounding == Rounding::Nearest { self.scale / 2 } else { 0 };
        Some((scaled + half) / self.scale)
    }

    /// Whether a value would have been printed so.
    pub fn is(&self, value: u64, rounding: Rounding) -> bool {
        self.digits_of(value, rounding) == Some(self.digits)
    }

    /// A value in this format.
    pub fn format(&self, value: u64, rounding: Rounding) -> String {
        let Some(digits) = self.digits_of(value, rounding) else { return value.to_string() };
        let suffix =
            self.text.trim_start().trim_start_matches(|c: char| c.is_ascii_digit() || c == ',' || c == '.');
        let power = 10u128.pow(self.decimals);
        if self.decimals == 0 {
            return format!("{}{suffix}", crate::units::grouped(u64::try_from(digits).unwrap_or(u64::MAX)));
        }
        format!("{}.{:0width$}{suffix}", digits / power, digits % power, width = self.decimals as usize)
    }
}

impl Fact {
    /// What it is about, for tables: `parameters.weights`, `flops (darknet)`.
    pub fn label(&self) -> String {
        match &self.convention {
            Some(convention) => format!("{} ({convention})", self.metric),
            None => self.metric.clone(),
        }
    }

    /// Judges our value; `None` is a figure that we do not compute.
    pub fn judge(&self, ours: Option<u64>) -> Verdict {
        match (ours, &self.differs) {
            (None, _) => Verdict::Recorded,
            (Some(value), None) if self.value.is(value, self.rounding) => Verdict::Holds,
            (Some(value), Some(difference))
                if difference.ours.is(value, Rounding::Nearest) && !self.value.is(value, self.rounding) =>
            {
                Verdict::DiffersAsStated
            }
            _ => Verdict::Fails,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_digits_are_the_measure() {
        for (text, value, holds) in [
            ("20.50 M", 20_499_136, true),
            ("20.51 M", 20_499_136, false),
            ("34,411,496", 34_411_496, true),
            ("7.93 B", 7_929_233_408, true),
            ("7.93 G", 7_935_000_000, false),
            ("0.858 B", 858_223_872, true),
        ] {
            assert_eq!(Printed::parse(text).unwrap().is(value, Rounding::Nearest), holds, "{text}");
        }
        let printed = Printed::parse("30.9 M").unwrap();
        assert!(printed.is(30_958_592, Rounding::Down) && !printed.is(30_958_592, Rounding::Nearest));
        assert_eq!(Printed::parse("7.93 B").unwrap().format(8_971_567_104, Rounding::Nearest), "8.97 B");
        for text in ["", "M", "1.2.3", "12 X", "-1", ".5"] {
            assert_eq!(Printed::parse(text), None, "{text}");
        }
    }
}
