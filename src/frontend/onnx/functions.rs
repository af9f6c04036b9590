//! Nodes that stand for nodes: local functions, and the bodies of If, Loop and Scan.

use std::cell::RefCell;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::call::{Call, Stop, Values};
use super::import::{Importer, label};
use super::model::{self, Function, Graph, Node};
use super::order;
use super::scope::Frame;
use super::value::{Filling, Kind, Known, Value};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::{Io, Operator};
use crate::units::grouped;

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// Calls and bodies within each other.
const DEEPEST: usize = 64;
/// Turns of a loop that are written out.
const MOST_TURNS: i64 = 256;

fn check_depth(importer: &Importer<'_>, frame: &Frame<'_, '_>, node: &Node) -> Result<()> {
    if frame.depth < DEEPEST {
        return Ok(());
    }
    let message = format!("more than {DEEPEST} calls and bodies lie within each other");
    Err(importer.failure(Some(node), Stop::fault(Code::RecursiveBlock, message)))
}

/// A call of a local function: its body in place of the node.
pub(super) fn call<'m>(call: &mut Call<'_, '_, 'm>, function: &'m Function) -> Result<Values> {
    check_depth(call.importer, call.frame, call.node)?;
    let mut attributes: HashMap<&'m str, &'m model::Value> =
        function.defaults.iter().map(|default| (&*default.name, &default.value)).collect();
    for attribute in &call.node.attributes {
        if let Some(value) = call.attribute(&attribute.name) {
            attributes.insert(&attribute.name, value);
        }
    }
    let prefix = call.frame.prefix.len() + label(call.node).len() + 1;
    let copied = attributes.len() + function.inputs.len();
    let fits = call.importer.budget.name(prefix).and_then(|()| call.importer.budget.pieces(copied));
    fits.map_err(|stop| call.importer.failure(Some(call.node), stop))?;
    let frame = Frame {
        values: RefCell::default(),
        around: None,
        attributes,
        opsets: if function.opsets.is_empty() { call.frame.opsets } else { &function.opsets },
        prefix: format!("{}{}/", call.frame.prefix, label(call.node)),
        depth: call.frame.depth + 1,
        absent: RefCell::default(),
    };
    for (index, name) in function.inputs.iter().enumerate() {
        match call.inputs.get(index).cloned().flatten() {
            Some(value) => frame.set(name, value),
            None => frame.leave_out(name),
        }
    }
    let outputs: Vec<&str> = function.outputs.iter().map(String::as_str).collect();
    call.importer.run(&frame, &function.nodes, &outputs)?;
    results(call.importer, &frame, call.node, &outputs)
}

/// The values of a body's outputs.
fn results(importer: &Importer<'_>, frame: &Frame<'_, '_>, node: &Node, outputs: &[&str]) -> Result<Values> {
    let found = outputs.iter().map(|name| {
        frame.find(name).ok_or_else(|| {
            let message = format!("nothing in its body makes the output `{name}`");
            importer.failure(Some(node), Stop::fault(Code::UnknownReference, message))
        })
    });
    found.collect()
}

/// Whether an op has bodies of nodes that are taken in its place.
pub(super) fn has_bodies(domain: &str, op: &str) -> bool {
    domain.is_empty() && matches!(op, "If" | "Loop" | "Scan")
}

/// If, Loop and Scan.
pub(super) fn control(call: &mut Call<'_, '_, '_>) -> Result<Values> {
    check_depth(call.importer, call.frame, call.node)?;
    match call.node.op_type.as_str() {
        "If" => branch(call),
        "Loop" => repeat(call),
        _ => scan(call),
    }
}

fn body<'m>(call: &Call<'_, '_, 'm>, name: &str) -> Result<&'m Graph> {
    match call.attribute(name) {
        Some(model::Value::Graph(graph)) => Ok(graph),
        _ => Err(call
            .importer
            .failure(Some(call.node), Stop::fault(Code::Missing, format!("it has no graph `{name}`")))),
    }
}

/// Takes the nodes of a body once.
fn take<'m>(
    call: &mut Call<'_, '_, 'm>,
    graph: &'m Graph,
    prefix: String,
    inputs: Vec<Value>,
) -> Result<Values> {
    let copied = call.frame.attributes.len() + graph.initializers.len();
    let fits = call.importer.budget.name(prefix.len()).and_then(|()| call.importer.budget.pieces(copied));
    fits.map_err(|stop| call.importer.failure(Some(call.node), stop))?;
    let frame = Frame {
        values: RefCell::default(),
        around: Some(call.frame),
        attributes: call.frame.attributes.clone(),
        opsets: call.frame.opsets,
        prefix,
        depth: call.frame.depth + 1,
        absent: RefCell::default(),
    };
    call.importer.initializers(&frame, graph);
    for (info, value) in graph.inputs.iter().zip(inputs) {
        frame.set(&info.name, value);
    }
    let outputs = order::output_names(graph);
    call.importer.run(&frame, &graph.nodes, &outputs)?;
    results(call.importer, &frame, call.node, &outputs)
}

/// What the nodes from a number on cost.
fn figures(importer: &Importer<'_>, from: usize) -> (u64, u64) {
    let graph = &importer.graph;
    let mut sums = (0u64, 0u64);
    for (_, node) in graph.nodes().rev().take(graph.len() - from) {
        let types = graph.input_types(node);
        // A node of a graph has a cost that fits.
        if let Ok(cost) = node.op.cost(Io { inputs: &types, outputs: &node.outputs }) {
            sums.0 = sums.0.saturating_add(cost.macs);
            sums.1 = sums.1.saturating_add(cost.flops().unwrap_or(u64::MAX));
        }
    }
    sums
}

/// The branch that is taken where the condition is known, else the costlier one.
fn branch(call: &mut Call<'_, '_, '_>) -> Result<Values> {
    let (yes, no) = (body(call, "then_branch")?, body(call, "else_branch")?);
    let prefix = |name: &str| format!("{}{}/{name}/", call.frame.prefix, label(call.node));
    let prefixes = [prefix("then"), prefix("else")];
    let [then, otherwise] = prefixes;
    if let Some(condition) = call.number(0) {
        let (graph, prefix) = if condition == 0.0 { (no, otherwise) } else { (yes, then) };
        return take(call, graph, prefix, Vec::new());
    }
    call.refuse("which branch runs depends on data");
    let (mark, start) = (call.importer.mark(), call.importer.graph.len());
    take(call, yes, then.clone(), Vec::new())?;
    let first = figures(call.importer, start);
    call.importer.rewind(&mark);
    let mark = call.importer.mark();
    let values = take(call, no, otherwise, Vec::new())?;
    let second = figures(call.importer, start);
    let message = format!(
        "which branch runs depends on data: `then` has {} MACs and {} FLOPs, `else` {} MACs and {} FLOPs; the costlier \
         one is counted",
        grouped(first.0),
        grouped(first.1),
        grouped(second.0),
        grouped(second.1)
    );
    let values = if first > second {
        call.importer.rewind(&mark);
        take(call, yes, then, Vec::new())?
    } else {
        values
    };
    call.importer.remark(call.node, Code::DataDependent, message);
    Ok(values)
}

/// A loop: written out where the number of turns is known and small, else its body once and "at least".
fn repeat(call: &mut Call<'_, '_, '_>) -> Result<Values> {
    let graph = body(call, "body")?;
    let carried_count = call.inputs.len().saturating_sub(2);
    let carried: Vec<Option<Value>> = call.inputs.iter().skip(2).cloned().collect();
    let Some(mut carried) = carried.into_iter().collect::<Option<Vec<Value>>>() else {
        let stop = Stop::fault(Code::WrongCount, "a value that it carries is missing");
        return Err(call.importer.failure(Some(call.node), stop));
    };
    if graph.outputs.len() < carried_count + 1 || graph.inputs.len() < carried_count + 2 {
        let stop = Stop::fault(Code::WrongCount, "its body does not give back what it carries");
        return Err(call.importer.failure(Some(call.node), stop));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a number of turns")]
    let turns = call.number(0).map(|turns| turns as i64);
    let goes_on = if call.has(1) { call.number(1) } else { Some(1.0) };
    let scans = graph.outputs.len() - 1 - carried_count;
    let mut scanned: Vec<Vec<Value>> = vec![Vec::new(); scans];
    let mut turn = 0;
    let mut known = true;
    let mut goes_on = goes_on;
    loop {
        let ends = turns.is_some_and(|turns| turn >= turns) || goes_on == Some(0.0);
        if ends {
            break;
        }
        let prefix = format!("{}{}/{turn}/", call.frame.prefix, label(call.node));
        let condition = match goes_on {
            Some(_) => Value::known(truth()),
            None => {
                let filling = Filling::Unknown("whether a loop goes on depends on data");
                Value::new(Kind::Literal(truth().tensor(), filling))
            }
        };
        let mut inputs = vec![Value::known(Known::scalar(turn)), condition];
        inputs.append(&mut carried);
        let mut outputs = take(call, graph, prefix, inputs)?.into_iter();
        let condition = outputs.next();
        carried.extend(outputs.by_ref().take(carried_count));
        scanned.iter_mut().zip(outputs).for_each(|(list, value)| list.push(value));
        turn += 1;
        // A condition that only the data tells ends what can be followed.
        goes_on = condition.and_then(|value| value.elements().and_then(|known| known.number()));
        if goes_on.is_none() && turns != Some(turn) || turns.is_none_or(|turns| turns > MOST_TURNS) {
            known = turns == Some(turn);
            break;
        }
    }
    if known {
        return stacked(call, carried, scanned);
    }
    let reason = match turns {
        Some(turns) if turns > MOST_TURNS => format!("it turns {turns} times; its body is counted once"),
        _ => "how often it turns depends on data; its body is counted once".into(),
    };
    call.refuse("how often a loop turns depends on data, or is too often");
    let values = at_least(call, &reason)?;
    let scans = values.into_iter().skip(carried_count);
    Ok(carried.into_iter().chain(scans).collect())
}

fn truth() -> Known {
    Known { dtype: crate::tensor::DType::Bool, ..Known::scalar(1) }
}

/// A node of unknown cost beside the body that was counted once.
fn at_least(call: &mut Call<'_, '_, '_>, reason: &str) -> Result<Values> {
    let (frame, node) = (call.frame, call.node);
    call.importer.unknown(frame, node, &[], reason)
}

/// The values that a loop carries at its end, and those that it lists.
fn stacked(call: &mut Call<'_, '_, '_>, carried: Vec<Value>, scanned: Vec<Vec<Value>>) -> Result<Values> {
    let mut values: Values = carried.into_iter().collect();
    for list in scanned {
        let value = stack(call, &list).map_err(|stop| match stop {
            Stop::Unknown(reason) => Ok(Value::without_size(&reason)),
            stop => Err(call.importer.failure(Some(call.node), stop)),
        });
        values.push(match value {
            Ok(value) => value,
            Err(Ok(value)) => value,
            Err(Err(diagnostic)) => return Err(diagnostic),
        });
    }
    Ok(values)
}

/// One tensor of equal ones along a new first axis.
fn stack(call: &mut Call<'_, '_, '_>, list: &[Value]) -> std::result::Result<Value, Stop> {
    if list.is_empty() {
        return Err(Stop::unknown("a loop without a turn lists nothing"));
    }
    let mut parts: SmallVec<[_; 4]> = SmallVec::new();
    for value in list {
        let part = call.importer.outlet(call.frame, value)?;
        parts.push(call.add(crate::ops::Unsqueeze { axes: vec![0] }, &[part])?);
    }
    let joined = match parts.as_slice() {
        &[part] => part,
        parts => call.add(crate::ops::Concat { axis: 0 }, parts)?,
    };
    Ok(call.value(joined))
}

/// A scan over the first axis of its inputs: its body once and "at least", unless that axis is 1 long.
fn scan(call: &mut Call<'_, '_, '_>) -> Result<Values> {
    let reason = "the turns of a scan are not followed; what its body costs is not counted";
    let inputs = call.inputs.clone();
    let (frame, node) = (call.frame, call.node);
    call.importer.unknown(frame, node, &inputs, reason)
}
