//! The inputs of an ONNX graph: which of them are inputs at all, and the sizes of their symbolic axes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::import::{Frame, Importer};
use super::model::{Dim, Graph, ValueInfo};
use super::value::{Value, dtype};
use crate::diagnostic::{Code, Diagnostic};
use crate::frontend::LoadOptions;
use crate::graph::{NewNode, Origin, Outlet};
use crate::ops::Input;
use crate::tensor::{DType, TensorShape, TensorType};

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// Adds the inputs. What has an initializer is a weight that old files list as an input.
pub(super) fn add<'m>(
    importer: &mut Importer<'m>,
    frame: &Frame<'_, 'm>,
    graph: &'m Graph,
    options: &LoadOptions,
) -> Result<()> {
    let inputs: Vec<&'m ValueInfo> = graph
        .inputs
        .iter()
        .filter(|input| !frame.values.borrow().contains_key(input.name.as_str()))
        .collect();
    for (name, _) in &options.inputs {
        if let Some(name) = name
            && !inputs.iter().any(|input| input.name == *name)
        {
            let names = inputs.iter().map(|input| input.name.as_str());
            let listed = names.clone().collect::<Vec<_>>().join(", ");
            let message = format!("the network has no input `{name}`");
            return Err(Box::new(
                Diagnostic::error(Code::UnknownName, message)
                    .did_you_mean(name, names)
                    .help(format!("inputs: {listed}")),
            ));
        }
    }
    // What is given binds symbols, whichever input is asked first.
    let mut asked: Vec<Option<Vec<u64>>> = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let given = options.inputs.iter().rev().find(|(name, _)| match name {
            Some(name) => *name == input.name,
            None => index == 0,
        });
        let axes = given.map(|(_, axes)| with_batch(input, axes, options)).transpose()?;
        if let (Some(axes), Some(dims)) = (&axes, &input.dims) {
            bind(importer, dims, axes);
        }
        asked.push(axes);
    }
    let batch = options.batch.unwrap_or(1);
    for (index, (input, axes)) in inputs.iter().zip(asked).enumerate() {
        let tensor =
            TensorType { shape: shape(importer, input, axes, batch, options)?, dtype: element(input)? };
        if index == 0 {
            importer.graph.batch = tensor.shape.axis(0).unwrap_or(1);
        }
        let new = NewNode {
            name: input.name.as_str().into(),
            op: Arc::new(Input { shape: tensor.shape.clone(), dtype: tensor.dtype }.into()),
            inputs: SmallVec::new(),
            origin: Origin { onnx_name: Some(input.name.as_str().into()), ..Origin::default() },
            stage: None,
            block: None,
            shares: None,
            called_as: None,
        };
        let node = importer.graph.add(new).map_err(|mismatch| {
            Box::new(Diagnostic::error(
                mismatch.code,
                format!("input `{}`: {}", input.name, mismatch.message),
            ))
        })?;
        importer.take_name(&input.name);
        frame.set(&input.name, Value::computed(Outlet { node, port: 0 }, tensor));
    }
    Ok(())
}

/// The sizes that were given, with a batch in front where they have none.
fn with_batch(input: &ValueInfo, axes: &[u64], options: &LoadOptions) -> Result<Vec<u64>> {
    let Some(dims) = &input.dims else { return Ok(axes.to_vec()) };
    if axes.len() == dims.len() {
        return Ok(axes.to_vec());
    }
    let open = !matches!(dims.first(), Some(Dim::Known(_)));
    if axes.len() + 1 == dims.len() && (open || dims.first() == Some(&Dim::Known(1))) {
        return Ok(std::iter::once(options.batch.unwrap_or(1)).chain(axes.iter().copied()).collect());
    }
    let message = format!(
        "the input `{}` has {} axes, {}, but {} are given",
        input.name,
        dims.len(),
        spelled(dims),
        axes.len()
    );
    Err(Box::new(Diagnostic::error(Code::ShapeMismatch, message)))
}

fn bind<'m>(importer: &mut Importer<'m>, dims: &'m [Dim], axes: &[u64]) {
    for (dim, &size) in dims.iter().zip(axes) {
        if let Dim::Symbol(symbol) = dim {
            importer.symbols.entry(symbol).or_insert(size);
        }
    }
}

/// The shape of an input: what was given, what the file says, and a batch of one.
fn shape<'m>(
    importer: &mut Importer<'m>,
    input: &'m ValueInfo,
    given: Option<Vec<u64>>,
    batch: u64,
    options: &LoadOptions,
) -> Result<TensorShape> {
    if let Some(kind) = input.not_a_tensor {
        let message = format!("the input `{}` is no tensor but a {kind}", input.name);
        return Err(Box::new(Diagnostic::error(Code::WrongType, message)));
    }
    if let Some(axes) = given {
        return Ok(TensorShape::new(axes));
    }
    let Some(dims) = &input.dims else {
        let message = format!("the file does not say how many axes the input `{}` has", input.name);
        return Err(Box::new(
            Diagnostic::error(Code::DynamicSize, message)
                .help(flag(&input.name, &[Dim::Unknown, Dim::Known(3)])),
        ));
    };
    let mut axes = Vec::with_capacity(dims.len());
    for (axis, dim) in dims.iter().enumerate() {
        let known = match dim {
            Dim::Known(size) => u64::try_from(*size).ok().filter(|&size| size > 0),
            Dim::Symbol(symbol) => importer.symbols.get(symbol.as_str()).copied(),
            Dim::Unknown => None,
        };
        axes.push(match (known, options.batch) {
            // A batch that was asked for replaces the one that the exporter traced with.
            (Some(1), Some(batch)) if axis == 0 && dims.len() > 1 => batch,
            (Some(size), _) => size,
            (None, _) if axis == 0 => {
                if let Dim::Symbol(symbol) = dim {
                    importer.symbols.insert(symbol, batch);
                }
                batch
            }
            (None, _) => {
                let what = match dim {
                    Dim::Symbol(symbol) => format!("`{symbol}`"),
                    _ => "not said".into(),
                };
                let message = format!(
                    "the input `{}` is {}: its axis {axis} is {what}, so its size must be given",
                    input.name,
                    spelled(dims)
                );
                return Err(Box::new(
                    Diagnostic::error(Code::DynamicSize, message).help(flag(&input.name, dims)),
                ));
            }
        });
    }
    Ok(TensorShape::new(axes))
}

/// The flag that gives a shape, with likely sizes.
fn flag(name: &str, dims: &[Dim]) -> String {
    let likely = |axis: usize, dim: &Dim| match dim {
        Dim::Known(size) if *size > 0 => size.to_string(),
        _ if axis == 0 => "1".into(),
        _ if axis == 1 && dims.len() == 4 => "3".into(),
        _ => "224".into(),
    };
    let mut sizes: Vec<String> = dims.iter().enumerate().map(|(axis, dim)| likely(axis, dim)).collect();
    if dims.len() == 2 && dims[0] == Dim::Unknown {
        sizes.extend(["224".into(), "224".into()]);
    }
    // A name that a shell would take apart is quoted.
    let plain = name.chars().all(|letter| letter.is_alphanumeric() || "_-./:".contains(letter));
    let shape = sizes.join("x");
    if plain {
        format!("for example `--input {name}={shape}`")
    } else {
        format!("for example `--input '{name}={shape}'`")
    }
}

/// `batchx3x?x?`, as the file has it.
fn spelled(dims: &[Dim]) -> String {
    let one = |dim: &Dim| match dim {
        Dim::Known(size) => size.to_string(),
        Dim::Symbol(symbol) => symbol.clone(),
        Dim::Unknown => "?".into(),
    };
    format!("[{}]", dims.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn element(input: &ValueInfo) -> Result<DType> {
    dtype(input.data_type).ok_or_else(|| {
        let message = format!(
            "the input `{}` has elements of type {} of TensorProto.DataType, which are no numbers that are known",
            input.name, input.data_type
        );
        Box::new(Diagnostic::error(Code::WrongType, message))
    })
}

/// What the file says of a value, where that is all of its type.
pub(super) fn declared(
    info: &ValueInfo,
    symbols: &std::collections::HashMap<&str, u64>,
) -> Option<TensorType> {
    let axes: Option<Vec<u64>> = info
        .dims
        .as_ref()?
        .iter()
        .map(|dim| match dim {
            Dim::Known(size) => u64::try_from(*size).ok().filter(|&size| size > 0),
            Dim::Symbol(symbol) => symbols.get(symbol.as_str()).copied(),
            Dim::Unknown => None,
        })
        .collect();
    let axes = axes.filter(|axes| axes.len() <= TensorShape::MAX_RANK)?;
    let tensor = TensorType { shape: TensorShape::new(axes), dtype: dtype(info.data_type)? };
    tensor.check().is_ok().then_some(tensor)
}
