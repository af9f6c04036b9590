//! What a tensor is, apart from its values: a shape and an element type.

use std::fmt;

use smallvec::SmallVec;

use crate::units::{Bytes, Elements, Overflow, product};

macro_rules! dtypes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $bits:literal, $float:literal;)*) => {
        /// The type of a tensor's elements.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DType { $($(#[doc = $doc])* $name,)* }

        impl DType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in files and reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Bits of one element.
            pub fn bits(self) -> u64 {
                match self { $(Self::$name => $bits,)* }
            }

            /// Whether it holds fractions.
            pub fn is_float(self) -> bool {
                match self { $(Self::$name => $float,)* }
            }

            /// The type of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

dtypes! {
    /// IEEE double.
    F64 = "f64", 64, true;
    /// IEEE single.
    F32 = "f32", 32, true;
    /// IEEE half.
    F16 = "f16", 16, true;
    /// The upper half of a single.
    Bf16 = "bf16", 16, true;
    /// Eight-bit float, 4 exponent bits.
    F8e4m3 = "f8e4m3", 8, true;
    /// Eight-bit float, 5 exponent bits.
    F8e5m2 = "f8e5m2", 8, true;
    /// Signed 64-bit integer.
    I64 = "i64", 64, false;
    /// Signed 32-bit integer.
    I32 = "i32", 32, false;
    /// Signed 16-bit integer.
    I16 = "i16", 16, false;
    /// Signed 8-bit integer.
    I8 = "i8", 8, false;
    /// Signed 4-bit integer, two to a byte.
    I4 = "i4", 4, false;
    /// Unsigned 64-bit integer.
    U64 = "u64", 64, false;
    /// Unsigned 32-bit integer.
    U32 = "u32", 32, false;
    /// Unsigned 16-bit integer.
    U16 = "u16", 16, false;
    /// Unsigned 8-bit integer.
    U8 = "u8", 8, false;
    /// Unsigned 4-bit integer, two to a byte.
    U4 = "u4", 4, false;
    /// One byte, true or false.
    Bool = "bool", 8, false;
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sizes of a tensor's axes, batch first: `[n, c, h, w]` for images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TensorShape(SmallVec<[u64; 4]>);

impl TensorShape {
    /// The most axes a tensor may have.
    pub const MAX_RANK: usize = 16;

    /// A shape of the given axes.
    pub fn new(axes: impl IntoIterator<Item = u64>) -> Self {
        Self(axes.into_iter().collect())
    }

    /// The axes.
    pub fn axes(&self) -> &[u64] {
        &self.0
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// One axis; `None` past the last.
    pub fn axis(&self, index: usize) -> Option<u64> {
        self.0.get(index).copied()
    }

    /// The same shape with one axis replaced.
    ///
    /// # Panics
    /// If there is no such axis.
    #[must_use]
    pub fn with_axis(&self, index: usize, size: u64) -> Self {
        let mut axes = self.0.clone();
        axes[index] = size;
        Self(axes)
    }

    /// The number of elements.
    pub fn elements(&self) -> Result<u64, Overflow> {
        product(&self.0)
    }
}

impl From<&[u64]> for TensorShape {
    fn from(axes: &[u64]) -> Self {
        Self(axes.into())
    }
}

impl<const N: usize> From<[u64; N]> for TensorShape {
    fn from(axes: [u64; N]) -> Self {
        Self(axes.as_slice().into())
    }
}

impl fmt::Display for TensorShape {
    /// `1x64x56x56`; `scalar` for no axes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("scalar");
        }
        for (i, axis) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("x")?;
            }
            write!(f, "{axis}")?;
        }
        Ok(())
    }
}

/// A shape and an element type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The axes.
    pub shape: TensorShape,
    /// The element type.
    pub dtype: DType,
}

impl TensorType {
    /// A tensor of this shape and type.
    pub fn new(shape: impl Into<TensorShape>, dtype: DType) -> Self {
        Self { shape: shape.into(), dtype }
    }

    /// The same element type in another shape.
    #[must_use]
    pub fn reshaped(&self, shape: impl Into<TensorShape>) -> Self {
        Self { shape: shape.into(), dtype: self.dtype }
    }

    /// Whether the number of bits fits; the graph holds no tensor that fails this, so sizes need no check later.
    pub fn check(&self) -> Result<(), Overflow> {
        self.shape.elements().and_then(|elements| product(&[elements, self.dtype.bits()])).map(drop)
    }

    /// The number of elements. Saturates on a type that [`TensorType::check`] refuses.
    pub fn elements(&self) -> Elements {
        Elements(self.shape.elements().unwrap_or(u64::MAX))
    }

    /// The number of bytes, rounded up to whole ones. Saturates likewise.
    pub fn bytes(&self) -> Bytes {
        Bytes(product(&[self.elements().get(), self.dtype.bits()]).map_or(u64::MAX, |bits| bits.div_ceil(8)))
    }

    /// The channel axis's size: axis 1, or the only axis.
    pub fn channels(&self) -> u64 {
        let axes = self.shape.axes();
        axes.get(1).or_else(|| axes.first()).copied().unwrap_or(1)
    }

    /// The sizes after batch and channels.
    pub fn spatial(&self) -> &[u64] {
        self.shape.axes().get(2..).unwrap_or(&[])
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.shape, self.dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let image = TensorType::new([2, 3, 5, 7], DType::F16);
        assert_eq!((image.elements(), image.bytes(), image.channels()), (Elements(210), Bytes(420), 3));
        assert_eq!(image.spatial(), [5, 7]);
        assert_eq!(image.to_string(), "2x3x5x7 f16");
        assert_eq!(TensorType::new([3], DType::I4).bytes(), Bytes(2));
        assert_eq!(TensorType::new([], DType::F32).elements(), Elements(1));
        assert!(TensorType::new([1 << 40, 1 << 40], DType::F32).check().is_err());
        assert!(TensorType::new([1 << 61], DType::F32).check().is_err());
    }

    #[test]
    fn every_dtype_has_its_name() {
        for &dtype in DType::ALL {
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        }
    }
}
