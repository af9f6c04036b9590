//! Memory in reports: the keys of the JSON report, and sheets.

use serde::Serialize;
use serde::ser::SerializeMap;

use super::outlet_name;
use super::sheet::{Cell, Sheet};
use crate::analysis::memory::arena::Fit;
use crate::analysis::memory::training::{OptimizerBytes, Training, TrainingMacs, cross_entropy_bytes};
use crate::analysis::memory::{Alive, Analysis, Memory, Model, StageMemory};
use crate::graph::Graph;
use crate::units;

/// Bytes under each reported model.
#[derive(Serialize)]
struct PeakMemoryBytes {
    inference: u64,
    inference_inplace: u64,
    inference_views: u64,
}

impl From<[u64; 3]> for PeakMemoryBytes {
    /// In the order of [`Model::REPORTED`].
    fn from([inference, inference_inplace, inference_views]: [u64; 3]) -> Self {
        Self { inference, inference_inplace, inference_views }
    }
}

#[derive(Serialize)]
struct Macs {
    forward: u64,
    grad_input: u64,
    grad_weight: u64,
}

impl From<TrainingMacs> for Macs {
    fn from(macs: TrainingMacs) -> Self {
        let TrainingMacs { forward, grad_input, grad_weight } = macs;
        Self { forward, grad_input, grad_weight }
    }
}

#[derive(Serialize)]
struct Optimizer {
    sgd_momentum: u64,
    adam: u64,
}

impl From<OptimizerBytes> for Optimizer {
    fn from(bytes: OptimizerBytes) -> Self {
        let OptimizerBytes { sgd_momentum, adam } = bytes;
        Self { sgd_momentum, adam }
    }
}

/// One profile.
#[derive(Serialize)]
struct OneProfile {
    macs: Macs,
    saved_bytes: u64,
    saved_input_bytes: u64,
    buffer_bytes: u64,
    gradient_bytes: u64,
    optimizer_bytes: Optimizer,
    peak_bytes: u64,
}

impl From<&Training> for OneProfile {
    fn from(training: &Training) -> Self {
        Self {
            macs: training.macs.into(),
            saved_bytes: training.saved_bytes,
            saved_input_bytes: training.saved_input_bytes,
            buffer_bytes: training.buffer_bytes,
            gradient_bytes: training.gradient_bytes,
            optimizer_bytes: training.optimizer_bytes.into(),
            peak_bytes: training.peak_bytes,
        }
    }
}

/// The first profile's figures, and each profile's under its name.
#[derive(Serialize)]
struct TrainingBytes {
    #[serde(flatten)]
    eager: OneProfile,
    loss_bytes: Option<u64>,
    pytorch_eager: OneProfile,
    minimal: OneProfile,
    shared_concat: OneProfile,
}

/// What `schedule` holds.
#[derive(Serialize)]
struct Lowered {
    peak_memory_bytes: u64,
    as_written: u64,
    remark: String,
}

/// Adds the keys of `totals`: `peak_memory_bytes`, `arena_bytes`, `training`, `rescheduled`.
///
/// # Errors
/// Those of the serializer.
pub fn totals<M: SerializeMap>(map: &mut M, graph: &Graph, analysis: &Analysis) -> Result<(), M::Error> {
    let peaks = analysis.models.each_ref().map(|memory| memory.peak);
    map.serialize_entry("peak_memory_bytes", &PeakMemoryBytes::from(peaks))?;
    map.serialize_entry("arena_bytes", &analysis.arena.bytes)?;
    let [eager, minimal, shared] = &analysis.training;
    let training = TrainingBytes {
        eager: eager.into(),
        loss_bytes: cross_entropy_bytes(graph),
        pytorch_eager: eager.into(),
        minimal: minimal.into(),
        shared_concat: shared.into(),
    };
    map.serialize_entry("training", &training)?;
    let lowered = &analysis.lowered;
    let rescheduled = Lowered {
        peak_memory_bytes: lowered.peak,
        as_written: lowered.as_written,
        remark: lowered.to_string(),
    };
    map.serialize_entry("rescheduled", &rescheduled)
}

/// Adds the keys of one stage: `peak_memory_bytes`, `concat_bytes`.
///
/// # Errors
/// Those of the serializer.
pub fn stage<M: SerializeMap>(map: &mut M, stage: &StageMemory) -> Result<(), M::Error> {
    map.serialize_entry("peak_memory_bytes", &PeakMemoryBytes::from(stage.peaks))?;
    map.serialize_entry("concat_bytes", &stage.concat_bytes)
}

/// The value of a metric of the totals; `None` where it is none of memory's.
pub fn value(analysis: &Analysis, metric: &str) -> Option<u64> {
    if metric == "arena_bytes" {
        return Some(analysis.arena.bytes);
    }
    if let Some(key) = metric.strip_prefix("peak_memory_bytes.") {
        let index = Model::REPORTED.iter().position(|(name, _)| *name == key)?;
        return Some(analysis.models[index].peak);
    }
    let key = metric.strip_prefix("training.")?;
    let named = analysis.training.iter().find_map(|training| {
        let key = key.strip_prefix(training.profile.name())?.strip_prefix('.')?;
        Some((training, key))
    });
    let (training, key) = named.unwrap_or((&analysis.training[0], key));
    Some(match key {
        "macs.forward" => training.macs.forward,
        "macs.grad_input" => training.macs.grad_input,
        "macs.grad_weight" => training.macs.grad_weight,
        "saved_bytes" => training.saved_bytes,
        "saved_input_bytes" => training.saved_input_bytes,
        "buffer_bytes" => training.buffer_bytes,
        "gradient_bytes" => training.gradient_bytes,
        "optimizer_bytes.sgd_momentum" => training.optimizer_bytes.sgd_momentum,
        "optimizer_bytes.adam" => training.optimizer_bytes.adam,
        "peak_bytes" => training.peak_bytes,
        _ => return None,
    })
}

/// Where a memory's peak is.
fn place(graph: &Graph, memory: &Memory) -> String {
    memory.at.map_or("-".into(), |id| graph.node(id).name.to_string())
}

/// Peaks, where they are, the arena and the other schedule.
pub fn summary(graph: &Graph, analysis: &Analysis) -> Sheet {
    let row = |name: &str, bytes: u64, remark: String| {
        vec![Cell::Text(name.into()), Cell::Digits(bytes), Cell::Bytes(bytes), Cell::Name(remark)]
    };
    let models = Model::REPORTED.iter().zip(&analysis.models);
    let mut rows: Vec<_> =
        models.map(|((key, _), memory)| row(key, memory.peak, place(graph, memory))).collect();
    let arena = &analysis.arena;
    let over = match arena.bytes.saturating_sub(arena.lower_bound) {
        0 => "in place; as small as can be".to_owned(),
        over => format!("in place; {} above the peak", units::bytes(over)),
    };
    rows.push(row("arena", arena.bytes, over));
    let mut notes = vec![format!("in place, rescheduled: {}", analysis.lowered)];
    if arena.by_size_skipped {
        notes.push("arena: too many tensors to place the largest first; placed by first use".into());
    }
    if analysis.models[2].peak > analysis.models[0].peak {
        notes.push("views need more here: a concat's whole buffer is in use from its first part on".into());
    }
    Sheet {
        title: "Peak memory of activations".into(),
        columns: vec!["model", "bytes", "", "at"],
        rows,
        notes,
    }
}

fn tensors(graph: &Graph, alive: &[Alive], total: u64, limit: usize) -> Vec<Vec<Cell>> {
    let row = |alive: &Alive| {
        vec![
            Cell::Name(outlet_name(graph, alive.tensor)),
            Cell::Text(graph.tensor(alive.tensor).to_string()),
            Cell::Bytes(alive.bytes),
            Cell::Share(alive.bytes, total),
        ]
    };
    alive.iter().take(limit).map(row).collect()
}

/// The tensors in memory at the peak, the largest first.
pub fn peak(graph: &Graph, key: &str, memory: &Memory, limit: usize) -> Sheet {
    let alive = memory.alive(memory.step);
    let mut notes = Vec::new();
    if alive.len() > limit {
        notes.push(format!("and {} smaller ones", alive.len() - limit));
    }
    Sheet {
        title: format!("In memory at the peak ({key}), while {} runs", place(graph, memory)),
        columns: vec!["tensor", "type", "bytes", "%"],
        rows: tensors(graph, &alive, memory.peak, limit),
        notes,
    }
}

/// Peaks and concats by stage.
pub fn stages(graph: &Graph, analysis: &Analysis) -> Sheet {
    let rows = graph.stages().iter().zip(&analysis.stages).map(|(name, stage)| {
        let peaks = stage.peaks.map(Cell::Bytes);
        std::iter::once(Cell::Name(name.clone()))
            .chain(peaks)
            .chain([Cell::Bytes(stage.concat_bytes)])
            .collect()
    });
    Sheet {
        title: "Peak memory by stage".into(),
        columns: vec!["stage", "inference", "in place", "views", "concats write"],
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

/// Training under the profiles.
pub fn training(graph: &Graph, analysis: &Analysis) -> Sheet {
    let rows = analysis.training.iter().map(|training| {
        let at = training.peak_at.map_or("-".into(), |(id, backward)| {
            format!("{}{}", graph.node(id).name, if backward { ", backward" } else { "" })
        });
        vec![
            Cell::Text(training.profile.name().into()),
            Cell::Bytes(training.saved_bytes),
            Cell::Bytes(training.peak_bytes),
            Cell::Name(at),
        ]
    });
    let eager = &analysis.training[0];
    let macs = eager.macs;
    let mut notes = vec![
        format!(
            "MACs: forward {}, gradients of activations {}, of weights {}",
            units::si(macs.forward),
            units::si(macs.grad_input),
            units::si(macs.grad_weight)
        ),
        format!(
            "beside these: gradients {}, SGD with momentum {}, Adam {}",
            units::bytes(eager.gradient_bytes),
            units::bytes(eager.optimizer_bytes.sgd_momentum),
            units::bytes(eager.optimizer_bytes.adam)
        ),
    ];
    if eager.gradient_bytes == 0 {
        notes.push("no output of floats depends on anything that is learned: no gradient flows".into());
    }
    if let Some(loss) = cross_entropy_bytes(graph) {
        notes.push(format!("a cross-entropy saves {} more", units::bytes(loss)));
    }
    Sheet {
        title: format!("Training, batch {}", graph.batch),
        columns: vec!["profile", "saved", "peak", "at"],
        rows: rows.collect(),
        notes,
    }
}

/// What repeated concats and norms keep in training, by stage, against shared buffers.
pub fn growth(graph: &Graph, analysis: &Analysis) -> Sheet {
    let rows = graph.stages().iter().zip(&analysis.growth.stages).map(|(name, stage)| {
        vec![
            Cell::Name(name.clone()),
            Cell::Bytes(stage.concat),
            Cell::Bytes(stage.normalized),
            Cell::Bytes(stage.other),
            Cell::Bytes(stage.shared),
            Cell::Bytes(stage.buffers),
            Cell::Share(stage.saving(), stage.naive()),
        ]
    });
    Sheet {
        title: format!("Saved for backward: copies and shared buffers, batch {}", graph.batch),
        columns: vec!["stage", "concats", "behind them", "other", "shared", "buffers", "saves"],
        rows: rows.collect(),
        notes: vec![
            "shared: the same without concats and the norms behind them, which `buffers` hold".into(),
        ],
    }
}

/// What a variant (another γ) takes off the copies of each stage: stages of the same name side by side.
pub fn growth_compared(graph: &Graph, analysis: &Analysis, other: &Graph, variant: &Analysis) -> Sheet {
    let copies = |analysis: &Analysis, index: usize| {
        let stage = analysis.growth.stages[index];
        stage.concat.saturating_add(stage.normalized)
    };
    let mut rows = Vec::new();
    for (index, name) in graph.stages().iter().enumerate() {
        let Some(twin) = other.stages().get_index_of(name) else { continue };
        let (before, after) = (copies(analysis, index), copies(variant, twin));
        let change = if before == 0 {
            Cell::Text(if after == 0 { "-" } else { "new" }.into())
        } else if after <= before {
            Cell::Text(format!("-{}", units::percent(before - after, before)))
        } else {
            Cell::Text(format!("+{}", units::percent(after - before, before)))
        };
        rows.push(vec![
            Cell::Name(name.clone()),
            Cell::Bytes(before),
            Cell::Bytes(after),
            change,
            Cell::Bytes(analysis.stages[index].peaks[0]),
            Cell::Bytes(variant.stages[twin].peaks[0]),
        ]);
    }
    let mut notes = Vec::new();
    if crate::analysis::memory::same_peak(analysis, variant) {
        notes.push("the peaks of the whole networks are the same".into());
    }
    Sheet {
        title: format!("Copies kept in training: {} and {}", graph.name, other.name),
        columns: vec!["stage", "copies", "variant", "change", "peak", "variant"],
        rows,
        notes,
    }
}

/// Whether the arena fits into so many bytes, and what breaks it.
pub fn fit(graph: &Graph, analysis: &Analysis, available: u64, limit: usize) -> (bool, Sheet) {
    let memory = &analysis.models[1];
    let plan = &analysis.arena;
    let slots = |breaking: &[usize]| -> Vec<Alive> {
        let alive =
            |&slot: &usize| Alive { tensor: plan.slots[slot].tensors[0], bytes: plan.slots[slot].bytes };
        breaking.iter().map(alive).collect()
    };
    let size = units::bytes(available);
    let (fits, title, rows, note) = match plan.fit(memory, available) {
        Fit::Fits { spare } => {
            (true, format!("Fits into {size}"), Vec::new(), format!("{} are left", units::bytes(spare)))
        }
        Fit::Fragmented { breaking } => (
            false,
            format!("Does not fit into {size} as planned: these end behind it"),
            slots(&breaking),
            format!(
                "the peak of {} would fit; the plan needs {}",
                units::bytes(memory.peak),
                units::bytes(plan.bytes)
            ),
        ),
        Fit::TooLarge { missing, alive, .. } => (
            false,
            format!("Does not fit into {size}: these are in memory while {} runs", place(graph, memory)),
            alive,
            format!("{} are missing", units::bytes(missing)),
        ),
    };
    let mut notes = vec![note];
    if rows.len() > limit {
        notes.push(format!("and {} smaller tensors", rows.len() - limit));
    }
    let rows = tensors(graph, &rows, memory.peak, limit);
    let columns = if rows.is_empty() { Vec::new() } else { vec!["tensor", "type", "bytes", "% of peak"] };
    (fits, Sheet { title, columns, rows, notes })
}

/// Bytes in memory at each step, for plots.
pub fn curve(graph: &Graph, analysis: &Analysis) -> Sheet {
    let steps = graph.nodes().map(|(id, node)| {
        let bytes = analysis.models.each_ref().map(|memory| Cell::Bytes(memory.curve[id.index()]));
        std::iter::once(Cell::Name(node.name.to_string())).chain(bytes).collect()
    });
    Sheet {
        title: "Bytes in memory at each step".into(),
        columns: vec!["node", "inference", "inference_inplace", "inference_views"],
        rows: steps.collect(),
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::memory::{analyze, tests::network};
    use crate::report::table;

    struct Keys<'a>(&'a Graph, &'a Analysis);

    impl Serialize for Keys<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            totals(&mut map, self.0, self.1)?;
            stage(&mut map, &self.1.stages[1])?;
            map.end()
        }
    }

    #[test]
    fn keys_and_values_agree() {
        let graph = network("densenet121", 1);
        let analysis = analyze(&graph).unwrap();
        let json = serde_json::to_value(Keys(&graph, &analysis)).unwrap();
        for metric in [
            "arena_bytes",
            "training.macs.grad_input",
            "training.saved_bytes",
            "training.shared_concat.saved_bytes",
            "training.pytorch_eager.peak_bytes",
            "training.minimal.optimizer_bytes.adam",
        ] {
            let pointer = format!("/{}", metric.replace('.', "/"));
            let found = json.pointer(&pointer).and_then(serde_json::Value::as_u64);
            assert!(found.is_some(), "{metric} is in {json}");
            assert_eq!(found, value(&analysis, metric), "{metric}");
        }
        assert_eq!(value(&analysis, "peak_memory_bytes.inference"), Some(8_429_568));
        assert_eq!(value(&analysis, "training.shared_concat.nothing"), None);
        assert_eq!(json["concat_bytes"], 56 * 56 * 4 * (64 * 7 + 32 * 21));
    }

    #[test]
    fn sheets_are_narrow_and_name_the_peak() {
        let graph = network("csp_densenet121", 1);
        let analysis = analyze(&graph).unwrap();
        let plain = network("densenet121", 1);
        let base = analyze(&plain).unwrap();
        let (fits, broken) = fit(&graph, &analysis, 512 << 10, 3);
        assert!(!fits && fit(&graph, &analysis, 8 << 20, 3).0);
        for sheet in [
            summary(&graph, &analysis),
            peak(&graph, "inference", &analysis.models[0], 5),
            stages(&graph, &analysis),
            training(&graph, &analysis),
            growth(&graph, &analysis),
            growth_compared(&plain, &base, &graph, &analysis),
            broken,
        ] {
            let text = table::render(&sheet, table::WIDTH);
            println!("{}\n{text}", sheet.title);
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
        let sheet = peak(&graph, "inference", &analysis.models[0], 5);
        assert!(sheet.title.contains("dense1/dense_block/layer[5]/conv1/batch_norm"), "{}", sheet.title);
        assert_eq!(curve(&graph, &analysis).rows.len(), graph.len());
    }
}
