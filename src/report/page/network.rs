//! The page of one network.

use askama::Template;

use super::data::Data;
use super::equations::equations;
use super::markup::Markup;
use super::shell::{Section, charts, made, section, shell};
use super::shown;
use super::summary::summary;
use super::table::table;
use crate::analysis::conventions::CONVENTIONS;
use crate::report::chart::Chart;
use crate::report::measurement::Measured;
use crate::report::sections::costs::{self, By};
use crate::report::sections::measurement;
use crate::report::{Report, budget, gradient, memory, outlet_name, sections};
use crate::units::{grouped, si};

/// What the page of one network shows.
#[derive(Clone, Copy)]
pub struct Network<'a> {
    /// The network.
    pub report: Report<'a>,
    /// Its charts.
    pub charts: &'a [Chart],
    /// The command line as it was typed.
    pub command: &'a str,
}

impl Network<'_> {
    /// The page. Linear in the network's size up to a limit, beyond which it shows stages and the costliest layers.
    pub fn render(&self) -> String {
        let report = &self.report;
        let data = Data::new(report);
        let mut sections = vec![section("summary", "Summary", "Summary", summary(report))];
        if let Some(verdict) = report.budget {
            let sheet = budget::sheet(&report.graph.name, verdict);
            sections.push(section("budget", "Budget", "Budget", table(&sheet, true)));
        }
        if let Some(measured) = Measured::new(report) {
            let title = "Measured beside predicted";
            sections.push(section("measured", "Measured", title, self.measured(&measured)));
        }
        let predicted = || self.charts.iter().filter(|chart| !chart.is_measured());
        if predicted().next().is_some() {
            sections.push(section("charts", "Charts", "Charts", charts(predicted())));
        }
        sections.push(section("architecture", "Architecture", "Architecture", architecture(&data)));
        sections.push(section("layers", "Layers", "Layers", layers(report, &data)));
        if let Some(memory) = report.memory {
            let mut sheets = vec![memory::summary(report.graph, memory)];
            if !report.graph.stages().is_empty() {
                sheets.push(memory::stages(report.graph, memory));
            }
            sheets.push(memory::training(report.graph, memory));
            sections.push(section(
                "memory",
                "Memory",
                "Memory",
                Markup::join(sheets.iter().map(|sheet| table(sheet, true))),
            ));
        }
        sections.extend(gradients(report));
        if report.applying().next().is_some() {
            let sheet = sections::published::sheet(report, true);
            sections.push(section("published", "Published", "Published figures", table(&sheet, false)));
        }
        sections.push(section(
            "conventions",
            "Conventions",
            "How other programs count",
            conventions(&[report], &["ours".into()]),
        ));
        sections.push(section("made", "Method", "How this page was made", made(self.command, facts(report))));
        shell(
            &report.graph.name,
            "Cost of a network architecture",
            &lines(report),
            &sections,
            Some(Markup::json(&data)),
        )
    }
}

impl Network<'_> {
    /// Checks, times, and the charts of both.
    fn measured(&self, measured: &Measured<'_>) -> Markup {
        let mut parts = vec![table(&measurement::checks(measured), false)];
        parts.extend(measurement::times(measured).map(|sheet| table(&sheet, true)));
        parts.push(charts(self.charts.iter().filter(|chart| chart.is_measured())));
        parts.extend(measurement::layers(measured, Some(SLOWEST), false).map(|sheet| table(&sheet, true)));
        Markup::join(parts)
    }
}

/// The most layers that are listed with their times.
const SLOWEST: usize = 30;

/// The lines below the title.
fn lines(report: &Report<'_>) -> Vec<String> {
    let graph = report.graph;
    let tensors = |outlets: &mut dyn Iterator<Item = crate::graph::Outlet>| {
        let tensors =
            outlets.map(|outlet| format!("{} {}", outlet_name(graph, outlet), graph.tensor(outlet)));
        tensors.collect::<Vec<_>>().join(", ")
    };
    let inputs = tensors(&mut graph.inputs().iter().map(|&node| crate::graph::Outlet { node, port: 0 }));
    let outputs = tensors(&mut graph.outputs.iter().copied());
    graph.description.iter().cloned().chain([format!("{inputs} → {outputs}")]).collect()
}

/// What the figures depend on.
fn facts(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let parameters: Vec<String> = report
        .parameters
        .iter()
        .map(|(name, value)| format!("{name} = {}", value.to_string().replace('"', "")))
        .collect();
    let mut facts = vec![("format", report.format.to_owned()), ("batch", grouped(report.graph.batch))];
    if !parameters.is_empty() {
        facts.push(("parameters of the file", parameters.join(", ")));
    }
    facts
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% for remark in remarks %}<p class="note">{{ remark }}</p>
{% endfor %}<noscript><p class="note">The drawing needs JavaScript, which is off here.</p></noscript>
<div id="drawing" hidden>
<div class="tools" role="toolbar" aria-label="Drawing">
<button type="button" data-do="out" aria-label="Zoom out">−</button>
<button type="button" data-do="in" aria-label="Zoom in">+</button>
<button type="button" data-do="fit">Fit</button>
<button type="button" data-do="unfold">Unfold all</button>
<button type="button" data-do="fold">Fold all</button>
<span class="legend"><span class="swatch self"></span>chosen <span class="swatch source"></span>its gradient sources <span class="swatch reader"></span>its consumers <span class="swatch share"></span>share of MACs</span>
</div>
<div class="drawing">
<div class="canvas scroll" id="canvas" tabindex="0" role="group" aria-label="Drawing of the network. Arrow keys go from box to box, Enter folds or unfolds, Space chooses, plus and minus zoom."></div>
<aside class="panel" id="panel" aria-live="polite" aria-label="The chosen layer"><p class="quiet">Choose a layer to see what it costs, where its gradients come from and who reads it.</p></aside>
</div>
</div>
"#
)]
struct Architecture<'a> {
    remarks: &'a [String],
}

fn architecture(data: &Data) -> Markup {
    Markup::of(&Architecture { remarks: data.remarks().1 })
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{{ stages }}{% for remark in remarks %}<p class="note">{{ remark }}</p>
{% endfor %}<h3>Layer by layer</h3>
<noscript><p class="note">The table of all layers needs JavaScript, which is off here; <code>csp-profile analyze FILE --by layer</code> prints it.</p></noscript>
<div id="table" hidden>
<div class="tools" role="toolbar" aria-label="Table of layers">
<label for="filter">Filter</label>
<input type="search" id="filter" placeholder="name or op" autocomplete="off" spellcheck="false">
<label for="stage">Stage</label>
<select id="stage"><option value="">all</option></select>
<span class="check"><input type="checkbox" id="group"><label for="group">Group by stage</label></span>
<button type="button" id="csv">Copy as CSV</button>
<span id="status" role="status" class="quiet"></span>
</div>
<div class="scroll tall" id="rows" role="region" tabindex="0" aria-label="Layers"></div>
</div>
"#
)]
struct Layers<'a> {
    stages: Markup,
    remarks: &'a [String],
}

fn layers(report: &Report<'_>, data: &Data) -> Markup {
    let by = |by: By| match costs::sheet(report, by, None, None, false) {
        Ok(sheet) if sheet.rows.len() > 1 => table(&sheet, true),
        _ => Markup::default(),
    };
    let stages = Markup::join([by(By::Stage), by(By::Op)]);
    Markup::of(&Layers { stages, remarks: data.remarks().0 })
}

fn gradients(report: &Report<'_>) -> Option<Section> {
    let gradient = report.gradient?;
    let mut parts = vec![table(&gradient::summary(gradient), false)];
    if !report.graph.stages().is_empty() {
        parts.push(table(&gradient::stages(report.graph, gradient), true));
    }
    parts.extend(equations(report));
    Some(section("gradient", "Gradient", "Gradient paths", Markup::join(parts)))
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p>Programs that count a network's cost count different things. This is what each would print for one image, and what
it counts.</p>
<div class="scroll" role="region" tabindex="0" aria-label="Conventions">
<table class="conventions">
<caption class="unseen">Conventions</caption>
<thead><tr><th scope="col">convention</th>{% for name in names %}<th scope="col" class="n"><bdi>{{ name }}</bdi></th>{% endfor %}<th scope="col">unit</th><th scope="col">what it counts</th></tr></thead>
<tbody>
{% for row in rows %}<tr><th scope="row">{{ row.name }}</th>{% for (human, exact) in row.values %}<td class="n" title="{{ exact }}">{{ human }}</td>{% endfor %}<td>{{ row.unit }}</td><td class="text">{% for (code, text) in row.doc %}{% if code %}<code>{{ text }}</code>{% else %}{{ text }}{% endif %}{% endfor %}</td></tr>
{% endfor %}</tbody>
</table>
</div>
"#
)]
struct Conventions {
    names: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    values: Vec<(String, String)>,
    unit: &'static str,
    /// Its parts, and whether each is code.
    doc: Vec<(bool, &'static str)>,
}

/// What each convention counts, and its value for each network.
pub(super) fn conventions(reports: &[&Report<'_>], names: &[String]) -> Markup {
    let rows = CONVENTIONS.iter().enumerate().map(|(index, convention)| Row {
        name: convention.name,
        values: reports
            .iter()
            .map(|report| {
                let value = report.analysis.conventions[index];
                value.map_or(("-".into(), String::new()), |count| (si(count), grouped(count)))
            })
            .collect(),
        unit: convention.unit.name(),
        doc: convention.doc.split('`').enumerate().map(|(index, part)| (index % 2 == 1, part)).collect(),
    });
    let names = names.iter().map(|name| shown(name)).collect();
    Markup::of(&Conventions { names, rows: rows.collect() })
}
