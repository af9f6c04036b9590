//! Constants, and what is made of a shape alone.

use super::Handler;
use crate::diagnostic::Code;
use crate::frontend::onnx::call::{Call, Stop, Values};
use crate::frontend::onnx::model;
use crate::frontend::onnx::value::{Elements, Filling, Kind, Known, Value, dtype};
use crate::tensor::{DType, TensorShape, TensorType};

pub(super) fn find(op: &str) -> Option<Handler> {
    Some(match op {
        "Constant" => constant,
        "ConstantOfShape" => of_shape,
        "EyeLike" => eye_like,
        "Shape" | "Size" => |call| {
            // The size of whatever has one was found before.
            call.tensor(0)?;
            Err(Stop::unknown("the size of its input is not known"))
        },
        "Range" => |_| Err(Stop::unknown("its limits depend on data")),
        "RandomNormal" | "RandomUniform" | "RandomNormalLike" | "RandomUniformLike" => random,
        "Trilu" => |call| {
            let known = if call.has(1) { call.known(1, "diagonal").ok() } else { None };
            let diagonal = known.and_then(Known::whole).and_then(|list| list.first().copied());
            if call.has(1) && diagonal.is_none() {
                call.refuse("its diagonal depends on data");
            }
            let op = crate::ops::Trilu { upper: call.int("upper", 1) == 1, diagonal: diagonal.unwrap_or(0) };
            let input = call.outlet(0)?;
            let output = call.add(op, &[input])?;
            call.one(output)
        },
        _ => return None,
    })
}

fn constant(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let floats = |list: Vec<f64>, dims| Known { dims, dtype: DType::F32, elements: Elements::Float(list) };
    for name in ["value", "value_int", "value_ints", "value_float", "value_floats", "sparse_value"] {
        let value = match call.attribute(name) {
            None => continue,
            Some(model::Value::Tensor(tensor)) => call.importer.stored(tensor, true),
            Some(model::Value::Int(number)) => Value::known(Known::scalar(*number)),
            Some(model::Value::Ints(list)) => Value::known(Known::list(list.clone())),
            Some(model::Value::Float(number)) => Value::known(floats(vec![f64::from(*number)], Vec::new())),
            Some(model::Value::Floats(list)) => {
                let list: Vec<f64> = list.iter().map(|&number| f64::from(number)).collect();
                let dims = vec![list.len() as u64];
                Value::known(floats(list, dims))
            }
            Some(_) => Value::without_size("it is no tensor of numbers"),
        };
        return Ok(Values::from_iter([value]));
    }
    Ok(Values::from_iter([Value::without_size("it is no tensor of numbers")]))
}

fn literal(tensor: TensorType, filling: Filling) -> Result<Values, Stop> {
    tensor.check().map_err(|overflow| Stop::fault(Code::Overflow, overflow.to_string()))?;
    Ok(Values::from_iter([Value::new(Kind::Literal(tensor, filling))]))
}

/// A tensor of one number, too large to be followed element by element.
fn of_shape(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let shape: Option<Vec<u64>> =
        call.whole(0, "shape")?.iter().map(|&size| u64::try_from(size).ok()).collect();
    let shape = shape.ok_or_else(|| Stop::fault(Code::OutOfRange, "a size is negative"))?;
    let dtype = match call.attribute("value") {
        Some(model::Value::Tensor(tensor)) => dtype(tensor.data_type),
        _ => Some(DType::F32),
    };
    let dtype = dtype.ok_or_else(|| Stop::unknown("its element type is not known"))?;
    let filling = match call.attribute("value") {
        None => Filling::All(0.0),
        Some(model::Value::Tensor(tensor)) => match Known::of_file(tensor).and_then(|known| known.number()) {
            Some(number) => Filling::All(number),
            None => Filling::Unknown("the file does not hold its one number"),
        },
        Some(_) => Filling::Unknown("its value is no tensor"),
    };
    literal(TensorType { shape: TensorShape::new(shape), dtype }, filling)
}

fn target(call: &Call<'_, '_, '_>, otherwise: DType) -> DType {
    i32::try_from(call.int("dtype", 0)).ok().and_then(dtype).unwrap_or(otherwise)
}

fn eye_like(call: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    let tensor = call.tensor(0)?;
    let of = TensorType { dtype: target(call, tensor.dtype), shape: tensor.shape };
    literal(of, Filling::Diagonal(call.int("k", 0)))
}

/// Random numbers cost what nobody has said.
fn random(_: &mut Call<'_, '_, '_>) -> Result<Values, Stop> {
    Err(Stop::unknown("what a random number costs depends on the generator"))
}
