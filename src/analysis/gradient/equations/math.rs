//! A little mathematics: symbols with indices, Jacobians, sums; as text, LaTeX and MathML.

use std::fmt::Write as _;

/// How equations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Unicode in a line.
    Text,
    /// LaTeX, for math mode.
    Latex,
    /// Presentation MathML, one `math` element an equation.
    MathMl,
}

/// A symbol: `w_{2,1}`, `g_0''`, `h_2^{(1)}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol {
    /// Its letter.
    pub base: &'static str,
    /// Its index; apostrophes at the end are primes.
    pub index: Index,
    /// In brackets above it.
    pub above: Option<String>,
    /// A prime of the symbol's own: the updated weights.
    pub updated: bool,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Index {
    /// `2`, `0''`, `T`.
    Plain(String),
    /// Two, parted by a comma: the block of a weight.
    Pair(String, String),
    /// An index with an index: the block of a weight as a map, `w_{2_1}`.
    Nested(String, String),
    /// A symbol as index: `g_{h_2}`.
    Of(Box<Symbol>),
}

impl Symbol {
    /// A symbol with an index.
    pub fn new(base: &'static str, index: impl Into<String>) -> Self {
        Self { base, index: Index::Plain(index.into()), above: None, updated: false }
    }

    /// Whether the index keeps its primes to itself: beside weights, a prime means updated.
    fn owns_primes(&self) -> bool {
        self.base == "w" && matches!(&self.index, Index::Plain(index) if index.ends_with('\''))
    }

    /// With something in brackets above.
    #[must_use]
    pub fn above(mut self, above: impl Into<String>) -> Self {
        self.above = Some(above.into());
        self
    }
}

/// A part of a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A symbol.
    Symbol(Symbol),
    /// An operator or punctuation, without blanks around it.
    Op(&'static str),
    /// `∂L/∂w`.
    Derivative(Symbol),
    /// `(∂(of)/∂by)ᵀ`.
    Jacobian(Vec<Part>, Vec<Part>),
    /// `Σ_k`.
    Sum,
    /// A set of indices.
    Set(Vec<String>),
    /// A letter without an index.
    Letter(&'static str),
}

/// A formula in some notation.
pub fn render(parts: &[Part], notation: Notation) -> String {
    match notation {
        Notation::Text => text(parts),
        Notation::Latex => latex(parts),
        Notation::MathMl => {
            let mut markup = String::from(r#"<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow>"#);
            markup.push_str(&mathml(parts));
            markup.push_str("</mrow></math>");
            markup
        }
    }
}

fn text(parts: &[Part]) -> String {
    let mut line = String::new();
    for part in parts {
        match part {
            Part::Symbol(symbol) => line.push_str(&symbol_text(symbol)),
            Part::Letter(letter) => line.push_str(letter),
            Part::Op(op) => line.push_str(spaced(op)),
            Part::Derivative(by) => {
                let _ = write!(line, "∂L/∂{}", symbol_text(by));
            }
            Part::Jacobian(of, by) => {
                let _ = write!(line, "(∂({})/∂{})ᵀ ", text(of), bracketed(by, text(by)));
            }
            Part::Sum => line.push_str("Σ_k "),
            Part::Set(members) => {
                let _ = write!(line, "{{{}}}", members.join(", "));
            }
        }
    }
    line
}

/// An operator with its blanks.
fn spaced(op: &'static str) -> &'static str {
    match op {
        "=" => " = ",
        "⋆" => " ⋆ ",
        "+" => " + ",
        "," => ", ",
        ";" => "; ",
        "∈" => " ∈ ",
        other => other,
    }
}

fn bracketed(parts: &[Part], text: String) -> String {
    if parts.len() > 1 { format!("({text})") } else { text }
}

fn symbol_text(symbol: &Symbol) -> String {
    let mut text = String::from(symbol.base);
    match &symbol.index {
        // Longer indices need no braces while they are numbers.
        Index::Plain(index) => {
            let short = index.trim_end_matches('\'');
            let plain = (short.chars().count() == 1 || short.chars().all(|c| c.is_ascii_digit()))
                && !symbol.owns_primes();
            let _ = if plain { write!(text, "_{index}") } else { write!(text, "_{{{index}}}") };
        }
        Index::Pair(a, b) => {
            let _ = write!(text, "_{{{a},{b}}}");
        }
        Index::Nested(a, b) => {
            let _ = write!(text, "_{{{a}_{b}}}");
        }
        Index::Of(inner) => {
            let _ = write!(text, "_{{{}}}", symbol_text(inner));
        }
    }
    if symbol.updated {
        text.push('\'');
    }
    if let Some(above) = &symbol.above {
        let _ = write!(text, "^{{({above})}}");
    }
    text
}

fn latex(parts: &[Part]) -> String {
    let mut line = String::new();
    for part in parts {
        match part {
            Part::Symbol(symbol) => line.push_str(&symbol_latex(symbol)),
            Part::Letter(letter) => line.push_str(letter),
            Part::Op(op) => line.push_str(match *op {
                "=" => " = ",
                "⋆" => r" \star ",
                "+" => " + ",
                "," => ", ",
                ";" => r";\quad ",
                "∈" => r" \in ",
                "…" => r"\ldots",
                other => other,
            }),
            Part::Derivative(by) => {
                let _ = write!(line, r"\frac{{\partial L}}{{\partial {}}}", symbol_latex(by));
            }
            Part::Jacobian(of, by) => {
                let by = bracketed(by, latex(by));
                let of = latex(of);
                let _ = write!(line, r"\left(\frac{{\partial ({of})}}{{\partial {by}}}\right)^{{\!\top}} ");
            }
            Part::Sum => line.push_str(r"\sum_k "),
            Part::Set(members) => {
                let members: Vec<String> = members.iter().map(|index| index_latex(index)).collect();
                let _ = write!(line, r"\{{{}\}}", members.join(", "));
            }
        }
    }
    line
}

/// An index; words stand upright.
fn index_latex(index: &str) -> String {
    let short = index.trim_end_matches('\'');
    let primes = &index[short.len()..];
    match short {
        "…" => r"\ldots".into(),
        _ if short.len() > 1 && short.chars().all(|c| c.is_ascii_alphabetic()) => {
            format!(r"\mathrm{{{short}}}{primes}")
        }
        _ => index.to_owned(),
    }
}

fn symbol_latex(symbol: &Symbol) -> String {
    let base = match symbol.base {
        "δ" => r"\delta",
        "ε" => r"\varepsilon",
        other => other,
    };
    let mut primes = if symbol.updated { "'".to_owned() } else { String::new() };
    let index = match &symbol.index {
        Index::Plain(index) => {
            // Primes of the index stand beside it, as in the paper.
            let short = index.trim_end_matches('\'');
            if symbol.owns_primes() {
                index_latex(index)
            } else {
                primes.insert_str(0, &index[short.len()..]);
                index_latex(short)
            }
        }
        Index::Pair(a, b) => format!("{},{}", index_latex(a), index_latex(b)),
        Index::Nested(a, b) => format!("{}_{{{}}}", index_latex(a), index_latex(b)),
        Index::Of(inner) => symbol_latex(inner),
    };
    let mut text = format!("{base}_{{{index}}}");
    match (&symbol.above, primes.is_empty()) {
        (None, _) => text.push_str(&primes),
        (Some(above), true) => {
            let _ = write!(text, "^{{({})}}", index_latex(above));
        }
        (Some(above), false) => {
            let primes = r"\prime".repeat(primes.len());
            let _ = write!(text, "^{{{primes}({})}}", index_latex(above));
        }
    }
    text
}

fn mathml(parts: &[Part]) -> String {
    let mut markup = String::new();
    for part in parts {
        match part {
            Part::Symbol(symbol) => markup.push_str(&symbol_mathml(symbol)),
            Part::Letter(letter) => {
                let _ = write!(markup, "<mi>{letter}</mi>");
            }
            Part::Op(op) => {
                let _ = write!(markup, "<mo>{op}</mo>");
            }
            Part::Derivative(by) => {
                let by = symbol_mathml(by);
                let _ = write!(
                    markup,
                    "<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo>{by}</mrow></mfrac>"
                );
            }
            Part::Jacobian(of, by) => {
                let by = match by.len() {
                    1 => mathml(by),
                    _ => format!("<mo>(</mo>{}<mo>)</mo>", mathml(by)),
                };
                let _ = write!(
                    markup,
                    "<msup><mrow><mo>(</mo><mfrac><mrow><mo>∂</mo><mo>(</mo>{}<mo>)</mo></mrow>\
                     <mrow><mo>∂</mo>{by}</mrow></mfrac><mo>)</mo></mrow><mo>⊤</mo></msup>",
                    mathml(of)
                );
            }
            Part::Sum => markup.push_str("<munder><mo>∑</mo><mi>k</mi></munder>"),
            Part::Set(members) => {
                let members: Vec<String> = members.iter().map(|index| index_mathml(index)).collect();
                let _ =
                    write!(markup, r#"<mrow><mo>{{</mo>{}<mo>}}</mo></mrow>"#, members.join("<mo>,</mo>"));
            }
        }
    }
    markup
}

fn index_mathml(index: &str) -> String {
    let short = index.trim_end_matches('\'');
    let primes = index.len() - short.len();
    let tag = if short.chars().all(|c| c.is_ascii_digit()) { "mn" } else { "mi" };
    let token = format!("<{tag}>{short}</{tag}>");
    if primes == 0 { token } else { format!("<msup>{token}<mo>{}</mo></msup>", "′".repeat(primes)) }
}

fn symbol_mathml(symbol: &Symbol) -> String {
    let mut primes = usize::from(symbol.updated);
    let index = match &symbol.index {
        Index::Plain(index) => {
            let short = index.trim_end_matches('\'');
            if symbol.owns_primes() {
                index_mathml(index)
            } else {
                primes += index.len() - short.len();
                index_mathml(short)
            }
        }
        Index::Pair(a, b) => {
            format!("<mrow>{}<mo>,</mo>{}</mrow>", index_mathml(a), index_mathml(b))
        }
        Index::Nested(a, b) => format!("<msub>{}{}</msub>", index_mathml(a), index_mathml(b)),
        Index::Of(inner) => symbol_mathml(inner),
    };
    let above = symbol.above.as_ref().map(|above| format!("<mo>(</mo>{}<mo>)</mo>", index_mathml(above)));
    let base = format!("<mi>{}</mi>", symbol.base);
    match (primes, above) {
        (0, None) => format!("<msub>{base}{index}</msub>"),
        (primes, above) => {
            let primes =
                if primes == 0 { String::new() } else { format!("<mo>{}</mo>", "′".repeat(primes)) };
            format!("<msubsup>{base}{index}<mrow>{primes}{}</mrow></msubsup>", above.unwrap_or_default())
        }
    }
}
