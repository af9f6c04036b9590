//! Sizes, themes and colours.

use plotters::style::RGBColor;

/// How a chart is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Pixels; charts are laid out for 240 and more.
    pub width: u32,
    /// Pixels; charts are laid out for 180 and more.
    pub height: u32,
    /// Its colours.
    pub theme: Theme,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 1200, height: 675, theme: Theme::Light }
    }
}

/// The colours of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white.
    Light,
    /// Light on a dark ground.
    Dark,
    /// Those of the HTML page around an inline SVG, by CSS variables: see [`variables`]. A bitmap takes [`Theme::Light`].
    Page,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Behind everything.
    Ground,
    /// Text and axes.
    Text,
    /// Text that stands back.
    Muted,
    /// Lines of a grid.
    Grid,
    /// Every other stage's background.
    Band,
    /// The first, second, … kind of data; begins anew after [`SERIES`].
    Series(usize),
}

/// How many kinds of data have a colour of their own.
pub(super) const SERIES: usize = 6;

/// Colours, light and dark; those of data follow Okabe and Ito (2008) and stay apart for colour-blind readers.
const PALETTE: [(&str, u32, u32); 5 + SERIES] = [
    ("ground", 0xff_ff_ff, 0x15_19_20),
    ("text", 0x1a_1c_20, 0xe8_ea_ed),
    ("muted", 0x5b_61_69, 0xa3_a9_b3),
    ("grid", 0xd9_dc_e1, 0x33_3a_45),
    ("band", 0xf2_f4_f7, 0x1d_23_2c),
    ("series-1", 0x00_72_b2, 0x56_b4_e9),
    ("series-2", 0xd5_5e_00, 0xf5_93_3d),
    ("series-3", 0x00_9e_73, 0x2b_c9_9b),
    ("series-4", 0xcc_79_a7, 0xe3_9c_c4),
    ("series-5", 0xb3_7b_00, 0xf0_e4_42),
    ("series-6", 0x56_60_6e, 0xc3_ca_d4),
];

impl Ink {
    fn index(self) -> usize {
        match self {
            Self::Ground => 0,
            Self::Text => 1,
            Self::Muted => 2,
            Self::Grid => 3,
            Self::Band => 4,
            Self::Series(index) => 5 + index % SERIES,
        }
    }

    /// Its colour. Every ink of a theme has one of its own.
    pub(super) fn color(self, theme: Theme) -> RGBColor {
        let (_, light, dark) = PALETTE[self.index()];
        let [_, red, green, blue] = (if theme == Theme::Dark { dark } else { light }).to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// The declarations that a page gives its charts under a theme: `--chart-text: #1a1c20;` and so on.
pub fn variables(theme: Theme) -> String {
    let declaration = |&(name, light, dark): &(&str, u32, u32)| {
        format!("--chart-{name}: #{:06x};", if theme == Theme::Dark { dark } else { light })
    };
    PALETTE.iter().map(declaration).collect::<Vec<_>>().join(" ")
}

/// Each colour of the light theme as SVG has it, and the variable that stands for it.
pub(super) fn substitutes() -> impl Iterator<Item = (String, String)> {
    PALETTE.iter().map(|(name, light, _)| (format!("\"#{light:06X}\""), format!("\"var(--chart-{name})\"")))
}
