//! What a name of an ONNX graph stands for while the file is read: a tensor of our graph, a stored tensor, or numbers
//! that are known exactly.

use std::cell::Cell;
use std::rc::Rc;

use super::model::{Data, Tensor, data_type as T};
use super::views::Views;
use crate::graph::Outlet;
use crate::tensor::{DType, TensorShape, TensorType};

/// Elements of one tensor that are followed exactly: more are no shape arithmetic.
pub(super) const MOST_KNOWN: u64 = 1 << 16;

/// A value. Copies are one value: what is made of it is made once.
#[derive(Clone, Debug)]
pub(super) struct Value(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    /// The node that stands for it in the graph, once something read it there.
    outlet: Cell<Option<Outlet>>,
}

/// The kinds of value.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Computed by a node of the graph.
    Computed(Outlet, TensorType),
    /// A tensor of the file.
    Stored(Stored),
    /// Computed from shapes and constants alone, element by element.
    Known(Rc<Known>),
    /// The same, but too large to follow or of no interest.
    Literal(TensorType, Filling),
    /// A list of tensors.
    Sequence(Rc<[Value]>),
    /// A tensor of unknown size, and why.
    Unsized(Rc<str>),
}

/// A tensor of the file, perhaps seen through casts, transposes and the like.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Which one.
    pub(super) storage: u32,
    /// As it is seen.
    pub(super) seen: TensorType,
    /// Its elements, where they are few and no float weight.
    pub(super) known: Option<Rc<Known>>,
    /// Tensors that were needed to see it so: scales and zero points.
    pub(super) with: Rc<[u32]>,
    /// What leads from the file's tensor to this, or why that is not followed.
    pub(super) views: Result<Views, &'static str>,
}

/// What the elements of a literal are.
#[derive(Clone, Debug)]
pub(super) enum Filling {
    /// All the same number.
    All(f64),
    /// Ones on a diagonal, so far above the main one, and zeros.
    Diagonal(i64),
    /// Not known, and why.
    Unknown(&'static str),
}

impl Value {
    pub(super) fn new(kind: Kind) -> Self {
        Self(Rc::new(Inner { kind, outlet: Cell::new(None) }))
    }

    pub(super) fn computed(outlet: Outlet, of: TensorType) -> Self {
        Self::new(Kind::Computed(outlet, of))
    }

    pub(super) fn known(known: Known) -> Self {
        Self::new(Kind::Known(Rc::new(known)))
    }

    pub(super) fn without_size(why: &str) -> Self {
        Self::new(Kind::Unsized(why.into()))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Its shape and element type, where it has them.
    pub(super) fn tensor(&self) -> Option<TensorType> {
        match self.kind() {
            Kind::Computed(_, of) | Kind::Literal(of, _) => Some(of.clone()),
            Kind::Stored(stored) => Some(stored.seen.clone()),
            Kind::Known(known) => Some(known.tensor()),
            Kind::Sequence(_) | Kind::Unsized(_) => None,
        }
    }

    /// Its elements, where they are known.
    pub(super) fn elements(&self) -> Option<&Rc<Known>> {
        match self.kind() {
            Kind::Known(known) => Some(known),
            Kind::Stored(stored) => stored.known.as_ref(),
            _ => None,
        }
    }

    /// The node that stands for it, if there is one.
    pub(super) fn outlet(&self) -> Option<Outlet> {
        match self.kind() {
            Kind::Computed(outlet, _) => Some(*outlet),
            _ => self.0.outlet.get(),
        }
    }

    /// Forgets the node that stands for it.
    pub(super) fn clear_outlet(&self) {
        self.0.outlet.set(None);
    }

    pub(super) fn set_outlet(&self, outlet: Outlet) {
        self.0.outlet.set(Some(outlet));
    }

    /// Bytes, a tensor without axes apart, as onnxsim sums them.
    pub(super) fn onnxsim_bytes(&self) -> u64 {
        let bytes = |of: &TensorType| if of.shape.rank() > 0 { of.bytes().get() } else { 0 };
        match self.kind() {
            Kind::Computed(_, of) | Kind::Literal(of, _) => bytes(of),
            Kind::Stored(stored) => bytes(&stored.seen),
            Kind::Known(known) => bytes(&known.tensor()),
            Kind::Sequence(_) | Kind::Unsized(_) => 0,
        }
    }
}

/// A tensor whose elements are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) dims: Vec<u64>,
    pub(super) dtype: DType,
    pub(super) elements: Elements,
}

/// Exact whole numbers and truth values, or floats of double precision.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Elements {
    Whole(Vec<i64>),
    Float(Vec<f64>),
}

impl Elements {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(list) => list.len(),
            Self::Float(list) => list.len(),
        }
    }

    /// Those at the given places, in that order.
    pub(super) fn pick(&self, places: &[usize]) -> Option<Self> {
        Some(match self {
            Self::Whole(list) => {
                Self::Whole(places.iter().map(|&place| list.get(place).copied()).collect::<Option<_>>()?)
            }
            Self::Float(list) => {
                Self::Float(places.iter().map(|&place| list.get(place).copied()).collect::<Option<_>>()?)
            }
        })
    }
}

impl Known {
    /// A list of whole numbers.
    pub(super) fn list(numbers: Vec<i64>) -> Self {
        Self { dims: vec![numbers.len() as u64], dtype: DType::I64, elements: Elements::Whole(numbers) }
    }

    /// One whole number.
    pub(super) fn scalar(number: i64) -> Self {
        Self { dims: Vec::new(), dtype: DType::I64, elements: Elements::Whole(vec![number]) }
    }

    pub(super) fn tensor(&self) -> TensorType {
        TensorType { shape: TensorShape::new(self.dims.iter().copied()), dtype: self.dtype }
    }

    /// The elements as whole numbers; floats are none.
    pub(super) fn whole(&self) -> Option<&[i64]> {
        match &self.elements {
            Elements::Whole(list) => Some(list),
            Elements::Float(_) => None,
        }
    }

    /// The only element as a float.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.elements {
            #[expect(clippy::cast_precision_loss, reason = "as a cast to float does")]
            Elements::Whole(list) => list.first().map(|&number| number as f64).filter(|_| list.len() == 1),
            Elements::Float(list) => list.first().copied().filter(|_| list.len() == 1),
        }
    }

    /// The elements as floats.
    pub(super) fn floats(&self) -> Vec<f64> {
        match &self.elements {
            #[expect(clippy::cast_precision_loss, reason = "as a cast to float does")]
            Elements::Whole(list) => list.iter().map(|&number| number as f64).collect(),
            Elements::Float(list) => list.clone(),
        }
    }

    /// The elements of a tensor of the file, where they are in it and not too many.
    pub(super) fn of_file(tensor: &Tensor) -> Option<Self> {
        let Data::Here(bytes) = &tensor.data else { return None };
        let dtype = dtype(tensor.data_type)?;
        let dims: Vec<u64> =
            tensor.dims.iter().map(|&size| u64::try_from(size).ok()).collect::<Option<_>>()?;
        let count = crate::units::product(&dims).ok().filter(|&count| count <= MOST_KNOWN)?;
        let count = usize::try_from(count).ok()?;
        let elements = decode(tensor.data_type, bytes, count)?;
        Some(Self { dims, dtype, elements })
    }
}

/// Little-endian elements as `raw_data` has them; `None` where there are too few.
fn decode(data_type: i32, bytes: &[u8], count: usize) -> Option<Elements> {
    macro_rules! numbers {
        ($type:ty, $convert:expr) => {{
            let size = size_of::<$type>();
            let bytes = bytes.get(..count.checked_mul(size)?)?;
            bytes
                .chunks_exact(size)
                .map(|chunk| $convert(<$type>::from_le_bytes(chunk.try_into().unwrap_or_default())))
                .collect()
        }};
    }
    Some(match data_type {
        T::FLOAT => Elements::Float(numbers!(f32, f64::from)),
        T::DOUBLE => Elements::Float(numbers!(f64, |number| number)),
        T::FLOAT16 => Elements::Float(numbers!(u16, half)),
        T::BFLOAT16 => {
            Elements::Float(numbers!(u16, |bits| f64::from(f32::from_bits(u32::from(bits) << 16))))
        }
        T::INT64 => Elements::Whole(numbers!(i64, |number| number)),
        // Values past the signed range are no sizes.
        T::UINT64 => Elements::Whole(numbers!(u64, |number| i64::try_from(number).unwrap_or(i64::MAX))),
        T::INT32 => Elements::Whole(numbers!(i32, i64::from)),
        T::UINT32 => Elements::Whole(numbers!(u32, i64::from)),
        T::INT16 => Elements::Whole(numbers!(i16, i64::from)),
        T::UINT16 => Elements::Whole(numbers!(u16, i64::from)),
        T::INT8 => Elements::Whole(numbers!(i8, i64::from)),
        T::UINT8 => Elements::Whole(numbers!(u8, i64::from)),
        T::BOOL => Elements::Whole(numbers!(u8, |byte: u8| i64::from(byte != 0))),
        _ => return None,
    })
}

/// IEEE half precision.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if bits & 1023 == 0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Our element type of a number in `TensorProto.DataType`.
pub(super) fn dtype(data_type: i32) -> Option<DType> {
    Some(match data_type {
        T::FLOAT => DType::F32,
        T::DOUBLE => DType::F64,
        T::FLOAT16 => DType::F16,
        T::BFLOAT16 => DType::Bf16,
        T::FLOAT8E4M3FN | T::FLOAT8E4M3FNUZ => DType::F8e4m3,
        T::FLOAT8E5M2 | T::FLOAT8E5M2FNUZ => DType::F8e5m2,
        T::INT64 => DType::I64,
        T::INT32 => DType::I32,
        T::INT16 => DType::I16,
        T::INT8 => DType::I8,
        T::INT4 => DType::I4,
        T::UINT64 => DType::U64,
        T::UINT32 => DType::U32,
        T::UINT16 => DType::U16,
        T::UINT8 => DType::U8,
        T::UINT4 => DType::U4,
        T::BOOL => DType::Bool,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_width() {
        let tensor = |data_type, dims: &[i64], bytes: &[u8]| Tensor {
            dims: dims.to_vec(),
            data_type,
            data: Data::Here(bytes.to_vec()),
            ..Tensor::default()
        };
        let floats =
            |data_type, bytes: &[u8]| Known::of_file(&tensor(data_type, &[1], bytes)).unwrap().floats();
        assert_eq!(floats(T::FLOAT, &1.5f32.to_le_bytes()), [1.5]);
        // 0x3c00 is 1, 0xc100 is -2.5, 0x0001 is 2^-24 in half precision; 0x3fc0 is 1.5 in bf16.
        assert_eq!(floats(T::FLOAT16, &0x3c00u16.to_le_bytes()), [1.0]);
        assert_eq!(floats(T::FLOAT16, &0xc100u16.to_le_bytes()), [-2.5]);
        assert_eq!(floats(T::FLOAT16, &1u16.to_le_bytes()), [2f64.powi(-24)]);
        assert_eq!(floats(T::BFLOAT16, &0x3fc0u16.to_le_bytes()), [1.5]);
        let whole = Known::of_file(&tensor(T::INT8, &[2], &[255, 3])).unwrap();
        assert_eq!((whole.whole(), whole.dtype), (Some(&[-1, 3][..]), DType::I8));
        // Too few bytes, a negative size, and no numbers at all.
        assert_eq!(Known::of_file(&tensor(T::INT64, &[2], &[0; 15])), None);
        assert_eq!(Known::of_file(&tensor(T::INT64, &[-1], &[0; 8])), None);
        assert_eq!(Known::of_file(&tensor(T::STRING, &[1], &[0; 8])), None);
    }
}
