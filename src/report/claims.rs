//! Claims as tables and as JSON. Keys: `csp-profile explain claims`.

use num::BigUint;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::figures;
use super::sheet::{Cell, Sheet};
use crate::analysis::gradient::paths::log2;
use crate::claims::{Claim, Figure, Finding, Pair, StageFigure, Value};

/// The figures of stages that have columns, and how they are shown.
const COLUMNS: &[(&str, &str, bool)] = &[
    ("paths", "paths", true),
    ("branches", "sides", true),
    ("Dx", "Dx", true),
    ("reuse in block", "reuse", true),
    ("MACs", "MACs", false),
    ("largest layer", "largest", false),
    ("block CIO", "CIO", false),
    ("peak", "peak", false),
];

/// All tables: the claims, what changed by stage, remarks.
pub fn sheets(pair: &Pair<'_>, claims: &[Claim]) -> Vec<Sheet> {
    let mut sheets = vec![overview(pair, claims)];
    if !pair.stages.is_empty() {
        sheets.push(stages(pair, claims));
    }
    sheets
}

fn overview(pair: &Pair<'_>, claims: &[Claim]) -> Sheet {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for (index, Claim { rule, finding }) in claims.iter().enumerate() {
        rows.push(vec![
            Cell::Name(format!("{} {}", index + 1, rule.name)),
            Cell::Empty,
            Cell::Empty,
            Cell::Empty,
            Cell::Text(finding.verdict.words().into()),
        ]);
        for figure in &finding.figures {
            rows.push(vec![
                Cell::Name(format!("    {}", figure.name)),
                cell(figure.base.as_ref()),
                cell(figure.csp.as_ref()),
                growth(figure),
                Cell::Text(String::new()),
            ]);
        }
        if !finding.remark.is_empty() {
            notes.push(format!("{}: {}", index + 1, finding.remark));
        }
    }
    notes.push("`csp-profile explain claims` quotes each claim and defines its figure.".into());
    Sheet {
        title: format!("The papers' claims: {} against {}", pair.csp.graph.name, pair.base.graph.name),
        columns: vec!["claim", "base", "csp", "change", "verdict"],
        rows,
        notes,
    }
}

/// The figures of one claim.
pub fn figures(claim: &Claim) -> Sheet {
    let rows = claim.finding.figures.iter().map(|figure| {
        vec![
            Cell::Name(figure.name.into()),
            cell(figure.base.as_ref()),
            cell(figure.csp.as_ref()),
            growth(figure),
        ]
    });
    Sheet {
        title: claim.rule.name.into(),
        columns: vec!["figure", "base", "csp", "change"],
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

/// The figures of the stages that differ.
pub fn stages(pair: &Pair<'_>, claims: &[Claim]) -> Sheet {
    let figures = |name: &str| -> Vec<&StageFigure> {
        let all = claims.iter().flat_map(|claim| &claim.finding.stages);
        all.filter(|stage| stage.figure.name == name).collect()
    };
    let columns: Vec<(Vec<&StageFigure>, bool)> =
        COLUMNS.iter().map(|(name, _, both)| (figures(name), *both)).collect();
    let row = |index: usize| {
        let name = columns.iter().find_map(|(figures, _)| figures.get(index));
        let first = Cell::Name(name.map_or(String::new(), |figure| figure.stage.clone()));
        let rest = columns.iter().map(|(figures, both)| match figures.get(index) {
            None => Cell::Empty,
            Some(one) if *both => Cell::Text(both_of(&one.figure)),
            Some(one) => growth(&one.figure),
        });
        std::iter::once(first).chain(rest).collect()
    };
    let mut notes = vec![
        "Sides: branches; reuse: producers read again in the block; then the changes of all MACs, of the largest \
         layer, of the block's CIO and of the peak. A blank or null: there is nothing to reuse."
            .to_owned(),
    ];
    if pair.unpaired > 0 {
        notes.push(format!("{} stages are in one of the networks only and are left out.", pair.unpaired));
    }
    Sheet {
        title: "By stage".into(),
        columns: std::iter::once("stage").chain(COLUMNS.iter().map(|column| column.1)).collect(),
        rows: (0..pair.stages.len()).map(row).collect(),
        notes,
    }
}

fn both_of(figure: &Figure) -> String {
    let text = |value: Option<&Value>| value.map_or_else(|| "null".into(), human);
    if figure.base.is_none() && figure.csp.is_none() {
        return String::new();
    }
    format!("{}→{}", text(figure.base.as_ref()), text(figure.csp.as_ref()))
}

fn human(value: &Value) -> String {
    match value {
        Value::Paths(count) => paths(count),
        Value::Ratio(ratio) if *ratio <= 0.0 => "0".into(),
        Value::Ratio(ratio) if (*ratio - 1.0).abs() < f64::EPSILON => "1".into(),
        value => cell(Some(value)).human(),
    }
}

fn cell(value: Option<&Value>) -> Cell {
    match value {
        None => Cell::Empty,
        Some(Value::Count(count)) => Cell::Count(*count),
        Some(Value::Bytes(bytes)) => Cell::Bytes(*bytes),
        Some(Value::Ratio(ratio)) => Cell::Ratio(*ratio),
        Some(Value::Paths(count)) => Cell::Text(paths(count)),
    }
}

/// Exact up to eight digits or next to a power of two, else `2^58.02`.
fn paths(count: &BigUint) -> String {
    let power = |count: &BigUint| count.trailing_zeros().filter(|zeros| zeros + 1 == count.bits());
    if count.bits() <= 17 {
        return count.to_string();
    }
    match (power(count), power(&(count - 1u32))) {
        (Some(zeros), _) => format!("2^{zeros}"),
        (_, Some(zeros)) => format!("2^{zeros}+1"),
        _ if count.bits() <= 26 => count.to_string(),
        _ => format!("2^{:.2}", log2(count)),
    }
}

/// The change, as that of a ratio from 1.
fn growth(figure: &Figure) -> Cell {
    match figure.ratio() {
        None => Cell::Empty,
        Some(ratio) => Cell::Growth(figures::Figure::Ratio(1.0), figures::Figure::Ratio(ratio)),
    }
}

/// The JSON document of `claims`.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    /// The networks.
    pub pair: &'a Pair<'a>,
    /// What was found.
    pub claims: &'a [Claim],
    /// Their files.
    pub files: &'a [String; 2],
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let network = |name: &str, file: &str| serde_json::json!({ "name": name, "file": file });
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema_version", &super::SCHEMA_VERSION)?;
        map.serialize_entry("base", &network(&self.pair.base.graph.name, &self.files[0]))?;
        map.serialize_entry("csp", &network(&self.pair.csp.graph.name, &self.files[1]))?;
        map.serialize_entry("unpaired_stages", &self.pair.unpaired)?;
        map.serialize_entry("claims", &Claims(self.claims))?;
        map.end()
    }
}

struct Claims<'a>(&'a [Claim]);

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.0.len()))?;
        for Claim { rule, finding } in self.0 {
            let Finding { figures, stages, verdict, remark } = finding;
            let figures: Vec<_> = figures.iter().map(json).collect();
            let stages: Vec<_> = stages
                .iter()
                .map(|stage| {
                    let mut row = json(&stage.figure);
                    row["stage"] = stage.stage.as_str().into();
                    row["holds"] = stage.holds.into();
                    row
                })
                .collect();
            rows.serialize_element(&serde_json::json!({
                "claim": rule.key, "name": rule.name, "quote": rule.quote, "source": rule.source,
                "formula": rule.formula, "verdict": verdict, "remark": remark,
                "figures": figures, "stages": stages,
            }))?;
        }
        rows.end()
    }
}

fn json(figure: &Figure) -> serde_json::Value {
    let value = |value: Option<&Value>| match value {
        None => serde_json::Value::Null,
        Some(Value::Count(count) | Value::Bytes(count)) => (*count).into(),
        Some(Value::Ratio(ratio)) => (*ratio).into(),
        Some(Value::Paths(count)) => count.to_string().into(),
    };
    serde_json::json!({
        "figure": figure.name, "base": value(figure.base.as_ref()), "csp": value(figure.csp.as_ref()),
        "ratio": figure.ratio(),
    })
}
