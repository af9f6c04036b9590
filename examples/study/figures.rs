//! Figures of the study: the file, and the tables of `csp-profile explain study`.

use std::fmt::Write;

use crate::similarity::{Layout, Scale};
use crate::{LAYERS, SEEDS, STEPS, VARIANTS};

/// One network, seed, time, way to compare and stage.
pub struct Figure {
    pub variant: &'static str,
    pub seed: u64,
    pub steps: usize,
    pub layout: Layout,
    pub scale: Scale,
    pub stage: usize,
    /// Part 1 with part 2, part 1 with the block, part 2 with the block, within the block, and the control: part 1 of
    /// other images with part 2 and the block. Means over pairs.
    pub similarities: [f64; 5],
    pub accuracy: f64,
}

impl Figure {
    /// For sorting.
    pub fn order(&self) -> (usize, usize, bool, bool, usize, u64) {
        let variant = VARIANTS.iter().position(|&variant| variant == self.variant).unwrap_or(0);
        let (pooled, raw) = (self.layout == Layout::Pooled, self.scale == Scale::Raw);
        (self.steps, variant, pooled, raw, self.stage, self.seed)
    }

    /// Across the sides: x₀' with x₀'' and with each layer of the block.
    #[expect(clippy::cast_precision_loss, reason = "6 layers")]
    fn across(&self) -> f64 {
        let [parts, block, ..] = self.similarities;
        (parts + LAYERS as f64 * block) / (LAYERS + 1) as f64
    }

    /// Within part 2: all pairs of x₀'', x₁ … x₆.
    #[expect(clippy::cast_precision_loss, reason = "6 layers")]
    fn within(&self) -> f64 {
        let [.., part2, block, _] = self.similarities;
        let (layers, pairs) = (LAYERS as f64, (LAYERS * (LAYERS - 1) / 2) as f64);
        (layers * part2 + pairs * block) / (layers + pairs)
    }

    /// The columns of the tables.
    fn columns(&self) -> [f64; 7] {
        let [parts, part1, part2, block, control] = self.similarities;
        [self.across(), self.within(), parts, part1, part2, block, control]
    }
}

/// A line a figure.
pub fn csv(figures: &[Figure]) -> String {
    let mut text = String::from(
        "steps,network,layout,scale,stage,seed,part1_part2,part1_block,part2_block,block_block,control,accuracy\n",
    );
    for figure in figures {
        let layout = if figure.layout == Layout::Flat { "flat" } else { "pooled" };
        let scale = if figure.scale == Scale::Unit { "unit" } else { "raw" };
        let Figure { steps, variant, stage, seed, accuracy, .. } = figure;
        let _ = write!(text, "{steps},{variant},{layout},{scale},{stage},{seed}");
        figure.similarities.iter().for_each(|value| {
            let _ = write!(text, ",{value:.4}");
        });
        let _ = writeln!(text, ",{accuracy:.4}");
    }
    text
}

/// Student's t at 97.5 % for n − 1 = 4 degrees of freedom.
const STUDENT: f64 = 2.776;

/// The mean, and half of its 95 % interval.
#[expect(clippy::cast_precision_loss, reason = "5 seeds")]
fn interval(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, STUDENT * (variance / n).sqrt())
}

/// Of each seed, the mean over stages.
#[expect(clippy::cast_precision_loss, reason = "3 stages")]
fn by_seed(figures: &[Figure], of: impl Fn(&&Figure) -> bool, column: usize) -> Vec<f64> {
    (1..=SEEDS)
        .map(|seed| {
            let some = figures.iter().filter(|figure| figure.seed == seed).filter(&of);
            let values: Vec<f64> = some.map(|figure| figure.columns()[column]).collect();
            values.iter().sum::<f64>() / values.len() as f64
        })
        .collect()
}

/// One row: `columns` of the networks that `of` picks, less those of `less`.
fn row(text: &mut String, name: &str, values: impl Fn(usize) -> Vec<f64>) {
    let _ = write!(text, "    {name:<13}");
    for column in 0..7 {
        let (mean, half) = interval(&values(column));
        // Two digits: a third would be within every interval.
        let shown = format!("{mean:+.2}±{half:.2}").replacen("+0.", " .", 1).replacen("-0.", "-.", 1);
        let _ = write!(text, " {:>8}", shown.replace("±0.", "±."));
    }
    text.push('\n');
}

/// The tables: means over pairs and stages, with 95 % intervals over seeds, and differences seed by seed.
pub fn tables(figures: &[Figure]) -> String {
    let mut text = String::new();
    for (layout, layout_name) in [(Layout::Flat, "flattened"), (Layout::Pooled, "summed over the map")] {
        for (scale, scale_name) in [(Scale::Unit, "unit length"), (Scale::Raw, "as they are")] {
            for steps in [0, STEPS] {
                let _ = writeln!(text, "Gradients {layout_name}, {scale_name}, {steps} steps\n");
                let _ = writeln!(
                    text,
                    "    {:<13} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
                    "", "across", "within", "1–2", "1–block", "2–block", "block", "control"
                );
                let of = |variant: &'static str| {
                    move |figure: &&Figure| {
                        (figure.variant, figure.steps) == (variant, steps)
                            && (figure.layout, figure.scale) == (layout, scale)
                    }
                };
                for variant in VARIANTS {
                    row(&mut text, variant, |column| by_seed(figures, of(variant), column));
                }
                for variant in &VARIANTS[1..] {
                    row(&mut text, &format!("{variant} - dense"), |column| {
                        let own = by_seed(figures, of(variant), column);
                        own.iter().zip(by_seed(figures, of("dense"), column)).map(|(a, b)| a - b).collect()
                    });
                }
                text.push('\n');
            }
        }
    }
    text.push_str("Accuracy\n\n");
    for variant in VARIANTS {
        let of = |seed: u64| {
            let mut some = figures.iter().filter(|figure| (figure.variant, figure.seed) == (variant, seed));
            some.rfind(|figure| figure.steps == STEPS).map_or(f64::NAN, |figure| figure.accuracy * 100.0)
        };
        let (mean, half) = interval(&(1..=SEEDS).map(of).collect::<Vec<_>>());
        let _ = writeln!(text, "    {variant:<13} {mean:.1} ± {half:.1} %");
    }
    text
}
