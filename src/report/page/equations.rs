//! The update equations of the stages, as MathML.

use askama::Template;

use super::markup::Markup;
use super::shown;
use crate::analysis::gradient::equations::{Equations, Notation};
use crate::analysis::gradient::vertex_name;
use crate::report::Report;
use crate::report::gradient::{EQUATION_LIMIT, form_name};
use crate::units::plural;

/// Of a stage with more weight layers than this, the first and the last ones are shown.
const LAYERS: usize = 10;
/// Of more stages than this, the first ones are shown.
const STAGES: usize = 40;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h3>Update equations</h3>
<p>Three lines for each weight layer: the paper's form, in which equal names mean that both layers' gradients are made
with the same features; the exact gradient of each block of weights; and what the layer sends back and receives.</p>
{% for stage in stages %}<details>
<summary><bdi>{{ stage.name }}</bdi> <span class="quiet">{{ stage.form }}, {{ stage.count }}</span></summary>
{% if stage.is_too_large %}<p class="note">The stage has too many edges for this page.</p>{% endif %}
<ol class="equations">
{% for layer in stage.layers %}{% if loop.index0 == stage.gap_at %}<li class="gap">{{ stage.omitted }} more weight layers: <code>csp-profile gradient FILE --stage <bdi>{{ stage.name }}</bdi> --equations text</code></li>
{% endif %}<li><p class="layer"><bdi>{{ layer.name }}</bdi></p>
{% for line in layer.lines %}<div class="scroll equation" tabindex="0" role="group" aria-label="Equation">{{ line }}</div>
{% endfor %}</li>
{% endfor %}</ol>
</details>
{% endfor %}{% if more > 0 %}<p class="note">{{ more }} more stages have equations too.</p>
{% endif %}"#
)]
struct View {
    stages: Vec<Stage>,
    more: usize,
}

struct Stage {
    name: String,
    form: &'static str,
    /// Of its weight layers, in words.
    count: String,
    layers: Vec<Layer>,
    omitted: usize,
    gap_at: usize,
    is_too_large: bool,
}

struct Layer {
    name: String,
    lines: [Markup; 3],
}

/// The equations of all stages that have weight layers; nothing where there are none.
pub(super) fn equations(report: &Report<'_>) -> Option<Markup> {
    let gradient = report.gradient?;
    let named = report.graph.stages().iter().zip(&gradient.stages).enumerate();
    let with_layers: Vec<(usize, &String)> = named
        .filter(|(_, (_, stage))| !stage.layers.is_empty())
        .map(|(index, (name, _))| (index, name))
        .collect();
    if with_layers.is_empty() {
        return None;
    }
    let stages = with_layers.iter().take(STAGES).map(|&(index, name)| {
        let layers = &gradient.stages[index].layers;
        let edges: usize = layers.iter().map(|&layer| gradient.h.reads.row(layer as usize).len()).sum();
        if edges > EQUATION_LIMIT {
            return Stage {
                name: shown(name),
                form: "not shown",
                count: plural(layers.len() as u64, "weight layer"),
                layers: Vec::new(),
                omitted: layers.len(),
                gap_at: usize::MAX,
                is_too_large: true,
            };
        }
        let equations = Equations::new(gradient, index, Notation::MathMl);
        let all = equations.layers.len();
        let (head, tail) = if all > LAYERS { (LAYERS - 4, 3) } else { (all, 0) };
        let chosen = equations.layers.iter().take(head).chain(equations.layers.iter().skip(all - tail));
        let chosen = chosen.map(|equation| Layer {
            name: shown(vertex_name(report.graph, &gradient.h, equation.layer)),
            lines: equation.lines.each_ref().map(|line| Markup::trusted(line.clone())),
        });
        Stage {
            name: shown(name),
            form: form_name(equations.form),
            count: plural(all as u64, "weight layer"),
            layers: chosen.collect(),
            omitted: all - head - tail,
            gap_at: if tail > 0 { head } else { usize::MAX },
            is_too_large: false,
        }
    });
    Some(Markup::of(&View { stages: stages.collect(), more: with_layers.len().saturating_sub(STAGES) }))
}
