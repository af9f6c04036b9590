//! The page of networks side by side.

use askama::Template;

use super::markup::Markup;
use super::network::conventions;
use super::shell::{charts, made, section, shell};
use super::shown;
use super::summary::{Card, Summary, unbroken};
use super::table::table;
use crate::claims::{Claim, Pair};
use crate::comparison::Comparison as Found;
use crate::report::Report;
use crate::report::chart::Chart;
use crate::report::claims as claim_sheets;
use crate::report::comparison as sheets;
use crate::report::figures::Figure;
use crate::report::sheet::{Cell, Sheet};

/// Of more differing layers than this, those that differ most are shown.
const LAYERS: usize = 500;

/// What the page of several networks shows.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    /// The networks; all but the first are compared with the first.
    pub reports: &'a [Report<'a>],
    /// What to call each.
    pub names: &'a [String],
    /// What was found.
    pub comparison: &'a Found,
    /// The papers' claims, where there are two networks and both have all analyses.
    pub claims: Option<(&'a Pair<'a>, &'a [Claim])>,
    /// The charts.
    pub charts: &'a [Chart],
    /// The command line as it was typed.
    pub command: &'a str,
}

impl Comparison<'_> {
    /// The page.
    pub fn render(&self) -> String {
        let comparison = self.comparison;
        let totals = named(sheets::totals(comparison), self.names);
        let mut sections = vec![
            section("summary", "Summary", "Summary", self.summary()),
            section("totals", "Totals", "Totals", table(&totals, false)),
        ];
        if let Some((pair, claims)) = self.claims {
            sections.push(section("claims", "Claims", "The papers' claims", judged(pair, claims)));
        }
        if !self.charts.is_empty() {
            sections.push(section("charts", "Charts", "Charts", charts(self.charts)));
        }
        if !comparison.stages.is_empty() {
            let each = sheets::stages_in_full(comparison);
            let tables = each.into_iter().map(|(_, sheet)| table(&named(sheet, self.names), true));
            sections.push(section("stages", "Stages", "Stage by stage", Markup::join(tables)));
        }
        let differences = comparison.layers.iter().enumerate().map(|(index, changes)| {
            let mut sheet = sheets::layers(changes, index + 1, Some(LAYERS));
            sheet.title = format!("Layers of {} against {}", self.name(index + 1), self.name(0));
            if let Some(first) = sheet.columns.first_mut() {
                *first = "change";
            }
            table(&words(sheet), true)
        });
        sections.push(section("layers", "Layers", "Layers that differ", Markup::join(differences)));
        let reports: Vec<&Report<'_>> = self.reports.iter().collect();
        sections.push(section(
            "conventions",
            "Conventions",
            "How other programs count",
            conventions(&reports, self.names),
        ));
        sections.push(section("made", "Method", "How this page was made", made(self.command, Vec::new())));
        let title = self.names.join(" against ");
        let described =
            self.reports.iter().zip(self.names).filter_map(|(report, name)| {
                Some(format!("{name}: {}", report.graph.description.as_deref()?))
            });
        let lines: Vec<String> = described.collect();
        shell(&title, "Network architectures side by side", &lines, &sections, None)
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    /// What the other networks have more or less of than the first.
    fn summary(&self) -> Markup {
        let find = |path: &str| self.comparison.totals.iter().find(|row| row.path == path);
        let value = |path: &str, network: usize| find(path)?.values.get(network).copied().flatten();
        let human = |figure: Figure| figure.cell().human();
        let sentences = (1..self.names.len()).map(|network| {
            let part = |path: &str, what: &str| {
                let (first, own) = (value(path, 0)?, value(path, network)?);
                Some(match (first == own, first.growth(own)) {
                    (true, _) => format!("the same {what}"),
                    (_, Some(growth)) if growth < 0.0 => format!("{:.1} % less {what}", -growth * 100.0),
                    (_, Some(growth)) => format!("{:.1} % more {what}", growth * 100.0),
                    (_, None) => format!("{} {what}", human(own)),
                })
            };
            let parts: Vec<String> = [
                part("macs", "computation"),
                part("parameters.total", "parameters").map(|text| text.replace("less", "fewer")),
                part("traffic_bytes.fused", "memory traffic"),
                part("peak_memory_bytes.inference", "peak memory"),
            ]
            .into_iter()
            .flatten()
            .collect();
            let (last, others) =
                parts.split_last().map_or((String::new(), String::new()), |(last, others)| {
                    let and = if others.is_empty() { "" } else { " and " };
                    (last.clone(), format!("{}{and}", others.join(", ")))
                });
            format!("Against {}, {} has {others}{last}.", shown(self.name(0)), shown(self.name(network)))
        });
        let mut sentences: Vec<String> = sentences.collect();
        for (network, report) in self.reports.iter().enumerate().rev() {
            if let Some(why) = report.unknown_costs() {
                sentences.insert(
                    0,
                    format!("Costs of {} are lower bounds: {}.", shown(self.name(network)), shown(&why)),
                );
            }
        }
        if let Some((_, claims)) = self.claims {
            let count =
                |word: &str| claims.iter().filter(|claim| claim.finding.verdict.words() == word).count();
            sentences.push(format!(
                "Of the papers' {} claims about cross-stage partial networks, {} hold for this pair as a whole and {} stage \
                 by stage.",
                claims.len(),
                count("holds"),
                count("holds per stage")
            ));
        }
        let cards = [
            ("Parameters", "parameters.total"),
            ("MACs", "macs"),
            ("Traffic", "traffic_bytes.fused"),
            ("Peak activations", "peak_memory_bytes.inference"),
            ("Kept for training", "training.saved_bytes"),
            ("Largest layer", "largest_layer.share"),
            ("Gradient edges", "gradient.edges"),
            ("Longest path", "gradient.longest_path"),
        ];
        let cards = cards.into_iter().filter_map(|(name, path)| {
            let first = value(path, 0)?;
            let others: Vec<String> =
                (1..self.names.len()).filter_map(|network| value(path, network)).map(human).collect();
            let values = unbroken(&format!("{} → {}", human(first), others.join(", ")));
            let (value, remark) = match (self.names.len(), value(path, 1)) {
                (2, Some(second)) => match Cell::Growth(first, second).human() {
                    same if same == "-" => ("the same".into(), human(first)),
                    growth => (growth, values),
                },
                _ => (values, String::new()),
            };
            Some(Card { name, value, remark })
        });
        let sentences = sentences.iter().map(|sentence| unbroken(sentence)).collect();
        Markup::of(&Summary { sentences, cards: cards.collect() })
    }
}

/// The letters of networks in a table's head become their names.
fn named(sheet: Sheet, names: &[String]) -> Sheet<String> {
    let name = |column: &str| {
        let network = (0..names.len()).find(|&network| sheets::letter(network) == column);
        network.map_or_else(|| column.to_owned(), |network| names[network].clone())
    };
    let columns = sheet.columns.iter().map(|column| name(column)).collect();
    Sheet { title: sheet.title, columns, rows: sheet.rows, notes: sheet.notes }
}

/// The signs of changes as words, and the layer's name first: that is what a row is about.
fn words(mut sheet: Sheet) -> Sheet {
    for row in &mut sheet.rows {
        if let [Cell::Text(sign), ..] = row.as_mut_slice() {
            *sign = match sign.as_str() {
                "+" => "added",
                "−" => "removed",
                "~" => "changed",
                _ => "renamed",
            }
            .into();
            row.swap(0, 1);
        }
    }
    if sheet.columns.len() > 1 {
        sheet.columns.swap(0, 1);
    }
    sheet
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p>Each claim is about a network and its cross-stage partial variant; here <bdi>{{ csp }}</bdi> is
judged against <bdi>{{ base }}</bdi>. Of networks that are no such pair the verdicts say nothing.</p>
{% for claim in claims %}<article class="claim">
<h3>{{ claim.name }} <span class="verdict {{ claim.class }}">{{ claim.verdict }}</span></h3>
<blockquote><p>{{ claim.quote }}</p><footer>{{ claim.source }}</footer></blockquote>
<p class="note">{{ claim.formula }}</p>
{{ claim.figures }}{% if !claim.remark.is_empty() %}<p>{{ claim.remark }}</p>
{% endif %}</article>
{% endfor %}{{ stages }}"#
)]
struct Judged {
    base: String,
    csp: String,
    claims: Vec<One>,
    stages: Markup,
}

struct One {
    name: &'static str,
    verdict: &'static str,
    class: String,
    quote: &'static str,
    source: &'static str,
    formula: &'static str,
    figures: Markup,
    remark: String,
}

fn judged(pair: &Pair<'_>, claims: &[Claim]) -> Markup {
    let one = |claim: &Claim| One {
        name: claim.rule.name,
        verdict: claim.finding.verdict.words(),
        class: claim.finding.verdict.words().replace(' ', "-"),
        quote: claim.rule.quote,
        source: claim.rule.source,
        formula: claim.rule.formula,
        figures: table(&claim_sheets::figures(claim), false),
        remark: shown(&claim.finding.remark),
    };
    let stages = match pair.stages.is_empty() {
        true => Markup::default(),
        false => table(&claim_sheets::stages(pair, claims), true),
    };
    Markup::of(&Judged {
        base: shown(&pair.base.graph.name),
        csp: shown(&pair.csp.graph.name),
        claims: claims.iter().map(one).collect(),
        stages,
    })
}
