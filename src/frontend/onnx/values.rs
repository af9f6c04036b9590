//! The values of a network's stored tensors, from its ONNX file and from the files beside it, laid out as ops store them.
//! Nothing is read that no node uses.

use std::io::{self, Read, Seek, SeekFrom};

use candle_core::{Device, Tensor};

use super::location::below_model;
use super::model::{Data, data_type};
use super::payload;
use super::sources::{Content, FileTensor, Given, Sources};
use super::value::{Elements, Known};
use super::views::View;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::NodeId;
use crate::ops::execute;
use crate::seed;
use crate::tensor::{DType, TensorType};
use crate::units::{Overflow, grouped, sum};

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// A file that can be read anywhere.
pub trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// Opens a file below the model's folder, by a path of names that `/` joins; `None` where there is none. It must open
/// neither what is no plain file nor what a link leads to elsewhere.
pub type Open<'a> = dyn FnMut(&str) -> io::Result<Option<Box<dyn Source>>> + 'a;

/// The values of all stored tensors of a network.
#[derive(Debug)]
pub struct Values(Vec<(NodeId, &'static str, std::result::Result<Tensor, String>)>);

impl Values {
    /// Those of one stored tensor of a node's op.
    ///
    /// # Errors
    /// Why there are none.
    pub fn get(&self, node: NodeId, name: &str) -> std::result::Result<&Tensor, String> {
        let start = self.0.partition_point(|(other, ..)| *other < node);
        let mut of_node = self.0[start..].iter().take_while(|(other, ..)| *other == node);
        match of_node.find(|(_, other, _)| *other == name) {
            Some((.., values)) => values.as_ref().map_err(Clone::clone),
            None => Err(format!("the file has no values for its `{name}`")),
        }
    }

    /// The bytes of all of them.
    pub fn bytes(&self) -> usize {
        let tensors = self.0.iter().filter_map(|(.., values)| values.as_ref().ok());
        tensors.map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()).sum()
    }
}

/// How values are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// What diagnostics call the model.
    pub path: &'a str,
    /// Draws what no file holds: [`seed`]. Without it that is an error.
    pub seed: Option<u64>,
    /// More bytes than these are refused before any is read.
    pub most: u64,
    /// Where they go.
    pub device: &'a Device,
}

/// Reads the values of all stored tensors.
///
/// # Errors
/// A diagnostic that names the tensor and the file: where elements are missing, or of another number than the shape says.
pub fn read(
    model: &mut (impl Read + Seek),
    open: &mut Open<'_>,
    sources: &Sources,
    reading: Reading<'_>,
) -> Result<Values> {
    fits(sources, reading)?;
    let mut uses: Vec<Vec<usize>> = vec![Vec::new(); sources.tensors.len()];
    let mut values: Vec<Option<std::result::Result<Tensor, String>>> = Vec::new();
    for (index, given) in sources.given.iter().enumerate() {
        let computed = match &given.content {
            Content::Tensor(place) => {
                uses[*place].push(index);
                None
            }
            Content::Known(known) => Some(of_known(known, reading.device)),
            Content::All(number) => Some(all(*number, &given.of, reading.device)),
            Content::Diagonal(above) => Some(diagonal(*above, &given.of, reading.device)),
        };
        values.push(computed.map(|tensor| tensor.and_then(|tensor| seen(&tensor, given))));
    }
    let mut external = External { open, last: None };
    // Each tensor is read once and dropped when all that use it have theirs.
    for (tensor, uses) in sources.tensors.iter().zip(uses) {
        let elements = match elements(model, &mut external, tensor, reading)? {
            Some(bytes) => of_bytes(&bytes, tensor, reading.device),
            None => drawn(tensor, reading)?,
        };
        for index in uses {
            let given = &sources.given[index];
            values[index] =
                Some(elements.as_ref().map_err(Clone::clone).and_then(|tensor| seen(tensor, given)));
        }
    }
    let missing = || Err("a bug: a tensor has no values".to_owned());
    let all = sources.given.iter().zip(values);
    Ok(Values(all.map(|(given, values)| (given.node, given.name, values.unwrap_or_else(missing))).collect()))
}

/// Whether all values together are no more than may be.
fn fits(sources: &Sources, reading: Reading<'_>) -> Result<()> {
    let of_file = sources.tensors.iter().map(|tensor| tensor.of.bytes().get()).max().unwrap_or(0);
    let bytes = sum(sources.given.iter().map(|given| given.of.bytes().get()).chain([of_file]));
    if bytes.is_ok_and(|bytes| bytes <= reading.most) {
        return Ok(());
    }
    let message = format!("its stored tensors take more than {} bytes", grouped(reading.most));
    Err(Box::new(Diagnostic::error(Code::TooLarge, message).in_file(reading.path, None, "")))
}

fn fault(reading: Reading<'_>, tensor: &FileTensor, code: Code, message: String) -> Box<Diagnostic> {
    let place = format!("the stored tensor `{}`", tensor.name);
    Box::new(Diagnostic::error(code, message).in_file(reading.path, None, place))
}

/// The bytes of a tensor, of the number that its shape says; `None` where they are to be drawn.
fn elements(
    model: &mut (impl Read + Seek),
    external: &mut External<'_, '_>,
    tensor: &FileTensor,
    reading: Reading<'_>,
) -> Result<Option<Vec<u8>>> {
    let wanted = tensor.of.bytes().get();
    let bytes = match &tensor.data {
        Data::Absent if reading.seed.is_some() => return Ok(None),
        Data::Absent => {
            let message = "the file names a shape and no values".into();
            return Err(Box::new(fault(reading, tensor, Code::Missing, message).help(DRAW)));
        }
        Data::External { location, offset, length } => {
            let place = Place { location, offset: *offset, length: *length };
            return external.read(&place, wanted, tensor, reading);
        }
        // A packed list has a byte at least for each element: what is too short is not read.
        Data::Skipped { length, .. } | Data::Records { length, .. }
            if *length < tensor.of.elements().get() =>
        {
            return Err(wrong_length(reading, tensor, *length, wanted));
        }
        data => payload::read(model, data, tensor.data_type).map_err(|fault| {
            fault.within(format!("the stored tensor `{}`", tensor.name)).diagnostic(reading.path)
        })?,
    };
    match bytes.len() as u64 == wanted {
        true => Ok(Some(bytes)),
        false => Err(wrong_length(reading, tensor, bytes.len() as u64, wanted)),
    }
}

fn wrong_length(reading: Reading<'_>, tensor: &FileTensor, is: u64, wanted: u64) -> Box<Diagnostic> {
    let message = format!(
        "its values take {} bytes, and {} of {} take {}",
        grouped(is),
        grouped(tensor.of.elements().get()),
        tensor.of.dtype,
        grouped(wanted)
    );
    fault(reading, tensor, Code::Malformed, message)
}

/// The way out where values are missing.
const DRAW: &str = "values can be drawn from the tensors' names with `--seed`";

/// Where external data lies.
struct Place<'a> {
    location: &'a str,
    offset: u64,
    length: Option<u64>,
}

/// The files beside the model. Most models have one; the last one stays open.
struct External<'a, 'o> {
    open: &'a mut Open<'o>,
    last: Option<(String, Option<Box<dyn Source>>)>,
}

impl External<'_, '_> {
    fn read(
        &mut self,
        place: &Place<'_>,
        wanted: u64,
        tensor: &FileTensor,
        reading: Reading<'_>,
    ) -> Result<Option<Vec<u8>>> {
        let unsafe_place = |message| fault(reading, tensor, Code::Unreadable, message);
        let path = below_model(place.location).map_err(unsafe_place)?;
        if self.last.as_ref().is_none_or(|(last, _)| *last != path) {
            let file = (self.open)(&path).map_err(|error| {
                let message = format!("its values lie in `{path}`, which cannot be read: {error}");
                fault(reading, tensor, Code::Unreadable, message)
            })?;
            self.last = Some((path.clone(), file));
        }
        let Some((_, Some(file))) = &mut self.last else {
            if reading.seed.is_some() {
                return Ok(None);
            }
            let message = format!("its values lie in `{path}`, and there is no such file beside the model");
            let help = format!("put it there, or {DRAW}");
            return Err(Box::new(fault(reading, tensor, Code::Missing, message).help(help)));
        };
        if let Some(length) = place.length.filter(|&length| length != wanted) {
            return Err(wrong_length(reading, tensor, length, wanted));
        }
        let io = |error: io::Error| {
            let message = format!("its values lie in `{path}`, which cannot be read: {error}");
            fault(reading, tensor, Code::Unreadable, message)
        };
        let size = file.seek(SeekFrom::End(0)).map_err(io)?;
        if place.offset.checked_add(wanted).is_none_or(|end| end > size) {
            let message = format!(
                "its values are {} bytes at {} of `{path}`, which has {}",
                grouped(wanted),
                grouped(place.offset),
                grouped(size)
            );
            return Err(fault(reading, tensor, Code::Truncated, message));
        }
        file.seek(SeekFrom::Start(place.offset)).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(wanted).read_to_end(&mut bytes).map_err(io)?;
        match bytes.len() as u64 == wanted {
            true => Ok(Some(bytes)),
            false => Err(wrong_length(reading, tensor, bytes.len() as u64, wanted)),
        }
    }
}

/// Values from the tensor's name.
fn drawn(tensor: &FileTensor, reading: Reading<'_>) -> Result<std::result::Result<Tensor, String>> {
    if !tensor.of.dtype.is_float() {
        let message = format!("it has no values, and {} are not drawn at random", tensor.of.dtype);
        return Err(fault(reading, tensor, Code::Missing, message));
    }
    let values = seed::values(&tensor.name, reading.seed.unwrap_or(0), tensor.range);
    Ok(floats(values, &tensor.of, reading.device))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn device_fault(error: candle_core::Error) -> String {
    format!("the device failed: {error}")
}

/// The type that candle has for one of ours.
fn runs(dtype: DType) -> std::result::Result<candle_core::DType, String> {
    execute::dtype(dtype).ok_or_else(|| format!("elements of type {dtype} do not run"))
}

fn shape(of: &TensorType) -> std::result::Result<Vec<usize>, String> {
    let sizes = of.shape.axes().iter().map(|&size| usize::try_from(size));
    sizes.collect::<std::result::Result<_, _>>().map_err(|_| Overflow.to_string())
}

/// As many single-precision numbers as a tensor has elements, in its type.
fn floats(
    values: impl Iterator<Item = f32>,
    of: &TensorType,
    device: &Device,
) -> std::result::Result<Tensor, String> {
    let (shape, dtype) = (shape(of)?, runs(of.dtype)?);
    let values: Vec<f32> = values.take(shape.iter().product()).collect();
    let tensor = Tensor::from_vec(values, shape, device).and_then(|tensor| tensor.to_dtype(dtype));
    tensor.map_err(device_fault)
}

/// Little-endian bytes, of the right number.
fn of_bytes(bytes: &[u8], tensor: &FileTensor, device: &Device) -> std::result::Result<Tensor, String> {
    let (shape, dtype) = (shape(&tensor.of)?, runs(tensor.of.dtype)?);
    let truths: Vec<u8>;
    let bytes = if tensor.data_type == data_type::BOOL {
        truths = bytes.iter().map(|&byte| u8::from(byte != 0)).collect();
        &truths
    } else {
        bytes
    };
    Tensor::from_raw_buffer(bytes, dtype, &shape, device).map_err(device_fault)
}

fn of_known(known: &Known, device: &Device) -> std::result::Result<Tensor, String> {
    let of = known.tensor();
    let (shape, dtype) = (shape(&of)?, runs(of.dtype)?);
    let tensor = match &known.elements {
        Elements::Whole(list) => Tensor::from_slice(list, shape, device),
        Elements::Float(list) => Tensor::from_slice(list, shape, device),
    };
    tensor.and_then(|tensor| tensor.to_dtype(dtype)).map_err(device_fault)
}

fn all(number: f64, of: &TensorType, device: &Device) -> std::result::Result<Tensor, String> {
    let (shape, dtype) = (shape(of)?, runs(of.dtype)?);
    let one = Tensor::new(number, device).and_then(|one| one.to_dtype(dtype));
    one.and_then(|one| one.broadcast_as(shape)?.contiguous()).map_err(device_fault)
}

fn diagonal(above: i64, of: &TensorType, device: &Device) -> std::result::Result<Tensor, String> {
    let (shape, dtype) = (shape(of)?, runs(of.dtype)?);
    let &[rows, columns] = shape.as_slice() else { return Err("only a matrix has a diagonal".into()) };
    let mut elements = vec![0u8; rows * columns];
    for row in 0..rows {
        let column = i64::try_from(row).ok().and_then(|row| usize::try_from(row.checked_add(above)?).ok());
        if let Some(column) = column.filter(|&column| column < columns) {
            elements[row * columns + column] = 1;
        }
    }
    Tensor::from_vec(elements, shape, device).and_then(|tensor| tensor.to_dtype(dtype)).map_err(device_fault)
}

/// A tensor of the file as an op stores it: contiguous, and its own where anything was changed.
fn seen(tensor: &Tensor, given: &Given) -> std::result::Result<Tensor, String> {
    let mut tensor = tensor.clone();
    for view in &given.views {
        tensor = one_view(&tensor, view)?;
    }
    if tensor.dims() != shape(&given.of)? || tensor.dtype() != runs(given.of.dtype)? {
        return Err(format!("a bug: its `{}` has another shape or type than the op stores", given.name));
    }
    tensor.contiguous().map_err(device_fault)
}

fn one_view(tensor: &Tensor, view: &View) -> std::result::Result<Tensor, String> {
    let of = |shape: &crate::tensor::TensorShape| self::shape(&TensorType::new(shape.axes(), DType::F32));
    let viewed = match view {
        View::Reshape(shape) => tensor.reshape(of(shape)?),
        View::Transpose(order) => tensor.permute(order.as_slice()),
        View::Cast(DType::Bool) => tensor.zeros_like().and_then(|zeros| tensor.ne(&zeros)),
        View::Cast(dtype) => tensor.to_dtype(runs(*dtype)?),
        View::Scale(factor) => tensor.affine(*factor, 0.0),
        View::Repeat(times) => {
            let times = usize::try_from(*times).map_err(|_| Overflow.to_string())?;
            let flat = tensor.flatten_all().and_then(|flat| flat.unsqueeze(1));
            flat.and_then(|flat| flat.broadcast_as((tensor.elem_count(), times))?.flatten_all())
        }
    };
    viewed.map_err(device_fault)
}
