//! Elements picked by indices, and written to them.

use super::Handler;
use super::layout::place;
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::ops::{
    CumSum, Embedding, Gather, GatherElements, GatherNd, GridPadding, GridSample, OneHot, ResizeMode, Role,
    Scatter, ScatterForm, ScatterReduction, Squeeze, TopK,
};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Gather" => gather,
        "GatherElements" => |call| {
            let op = GatherElements { axis: call.int("axis", 0) };
            let inputs = [call.outlet(0)?, call.outlet(1)?];
            let output = call.add(op, &inputs)?;
            call.one(output)
        },
        "GatherND" => |call| {
            let op = GatherNd { batch_dims: u64::try_from(call.int("batch_dims", 0)).unwrap_or(0) };
            let inputs = [call.outlet(0)?, call.outlet(1)?];
            let output = call.add(op, &inputs)?;
            call.one(output)
        },
        "ScatterElements" | "ScatterND" | "Scatter" => scatter,
        "TopK" => top_k,
        "OneHot" => one_hot,
        "CumSum" => |call| {
            let axis = *call.whole(1, "axis")?.first().unwrap_or(&0);
            call.needs("exclusive", 0);
            call.needs("reverse", 0);
            let input = call.outlet(0)?;
            let output = call.add(CumSum { axis }, &[input])?;
            call.one(output)
        },
        "GridSample" => grid_sample,
        "NonZero" | "NonMaxSuppression" | "Unique" | "Compress" => |call| {
            call.tensor(0)?;
            Err(Stop::unknown("how much it finds depends on data"))
        },
        _ => return None,
    })
}

/// Indices that are known and few become a list; a table of vectors that is stored is an embedding.
fn gather(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    const MOST_LISTED: usize = 4096;
    let (table, axis) = (call.tensor(0)?, call.int("axis", 0));
    let listed = call.input(1)?.elements();
    let few = listed.filter(|known| known.dims.len() < 2 && known.elements.len() <= MOST_LISTED).cloned();
    if let Some(known) = few
        && let Some(indices) = known.whole()
    {
        call.importer.budget.pieces(indices.len())?;
        let indices = Some(indices.to_vec());
        let input = call.outlet(0)?;
        let mut output = call.add(Gather { axis, indices }, &[input])?;
        if known.dims.is_empty() {
            // One index takes the axis away.
            output = call.add(Squeeze { axes: vec![axis] }, &[output])?;
        }
        return call.one(output);
    }
    let indices = call.outlet(1)?;
    let uses = call.uses(0, "weight", Role::Other);
    if let (&[rows, length], Some(0), false) =
        (table.shape.axes(), place(axis, table.shape.rank()), uses.is_empty())
        && table.dtype.is_float()
    {
        let positive = super::convolution::positive;
        let op = Embedding {
            num_embeddings: positive(rows, "rows")?,
            embedding_dim: positive(length, "columns")?,
            dtype: table.dtype,
        };
        let output = call.add_using(op, &[indices], &uses)?;
        call.give(output.node, "weight", 0);
        return call.one(output);
    }
    let input = call.outlet(0)?;
    let output = call.add(Gather { axis, indices: None }, &[input, indices])?;
    call.one(output)
}

fn scatter(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let reduction = match call.text("reduction").unwrap_or("none") {
        "add" => ScatterReduction::Add,
        "mul" => ScatterReduction::Mul,
        "max" => ScatterReduction::Max,
        "min" => ScatterReduction::Min,
        _ => ScatterReduction::None,
    };
    let inputs = [call.outlet(0)?, call.outlet(1)?, call.outlet(2)?];
    let op = match call.node.op_type.as_str() {
        "ScatterND" => Scatter { reduction, form: Some(ScatterForm::Parts), axis: 0 },
        _ => Scatter { reduction, form: Some(ScatterForm::Elements), axis: call.int("axis", 0) },
    };
    let output = call.add(op, &inputs)?;
    call.one(output)
}

/// k is an attribute before operator set 10.
fn top_k(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let k = match call.attribute("k") {
        Some(_) => call.int("k", 0),
        None => *call.whole(1, "k")?.first().unwrap_or(&0),
    };
    let k = super::convolution::positive(u64::try_from(k).unwrap_or(0), "k")?;
    let op = TopK { k, axis: call.int("axis", -1), largest: call.int("largest", 1) != 0 };
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    Ok(call.all(output))
}

fn one_hot(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    #[expect(clippy::cast_possible_truncation, reason = "a number of classes")]
    let depth = call.number(1).map(|depth| depth as i64);
    let depth = depth.ok_or_else(|| Stop::unknown("its depth depends on data"))?;
    let classes = super::convolution::positive(u64::try_from(depth).unwrap_or(0), "depth")?;
    let values = call.known(2, "values")?.floats();
    let &[off, on] = values.as_slice() else {
        return Err(Stop::fault(Code::WrongCount, "its values are not two, off and on"));
    };
    let op = OneHot { classes, axis: call.int("axis", -1), dtype: call.tensor(2)?.dtype, on, off };
    let input = call.outlet(0)?;
    let output = call.add(op, &[input])?;
    call.one(output)
}

fn grid_sample(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let mode = match call.text("mode").unwrap_or("linear") {
        "nearest" => ResizeMode::Nearest,
        "cubic" | "bicubic" => ResizeMode::Cubic,
        _ => ResizeMode::Linear,
    };
    let inputs = [call.outlet(0)?, call.outlet(1)?];
    let padding_mode = match call.text("padding_mode").unwrap_or("zeros") {
        "border" => GridPadding::Border,
        "reflection" => GridPadding::Reflection,
        _ => GridPadding::Zeros,
    };
    let align_corners = call.int("align_corners", 0) != 0;
    let output = call.add(GridSample { mode, padding_mode, align_corners }, &inputs)?;
    call.one(output)
}
