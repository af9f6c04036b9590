//! Loops that ops share. Each runs a function stated over [`Scalar`] on the CPU, or on a device's whole tensors.
//!
//! Tensors that come out are contiguous and own their memory.

pub mod blocks;
pub mod convolution;
pub mod elementwise;
pub mod moments;
pub mod products;
pub mod reach;
pub mod reduce;
pub mod row_functions;
pub mod rows;
pub mod sample;
pub mod scan;
pub mod standardize;
pub mod window;

use candle_core::{DType, Device, Shape, Storage, Tensor, WithDType};
use half::{bf16, f16};

use super::Fault;
use super::scalar::Scalar;

/// An element type of the CPU, and the number that computes for it.
pub trait Element: WithDType {
    /// What its loops compute with.
    type Number: Scalar;
    /// As a number.
    fn load(self) -> Self::Number;
    /// Back.
    fn store(number: Self::Number) -> Self;
    /// A number as a double.
    fn double(number: Self::Number) -> f64;
    /// The same memory, where elements are the numbers.
    fn numbers(elements: &[Self]) -> Option<&[Self::Number]>;
    /// Lets `run` append numbers to elements.
    fn append(elements: &mut Vec<Self>, run: &mut dyn FnMut(&mut Vec<Self::Number>));
}

macro_rules! elements {
    (@memory same) => {
        fn numbers(elements: &[Self]) -> Option<&[Self::Number]> { Some(elements) }
        fn append(elements: &mut Vec<Self>, run: &mut dyn FnMut(&mut Vec<Self::Number>)) { run(elements) }
    };
    (@memory other) => {
        fn numbers(_: &[Self]) -> Option<&[Self::Number]> { None }
        fn append(elements: &mut Vec<Self>, run: &mut dyn FnMut(&mut Vec<Self::Number>)) {
            let mut numbers = Vec::new();
            run(&mut numbers);
            elements.extend(numbers.into_iter().map(Self::store));
        }
    };
    ($($element:ty, $number:ident, $memory:ident, $load:expr, $store:expr;)*) => {$(
        impl Element for $element {
            type Number = $number;
            elements!(@memory $memory);
            #[inline(always)]
            fn load(self) -> $number { $load(self) }
            #[inline(always)]
            fn store(number: $number) -> Self { $store(number) }
            #[inline(always)]
            fn double(number: $number) -> f64 { f64::from(number) }
        }
    )*};
}

elements! {
    f32, f32, same, std::convert::identity, std::convert::identity;
    f64, f64, same, std::convert::identity, std::convert::identity;
    f16, f32, other, f16::to_f32, f16::from_f32;
    bf16, f32, other, bf16::to_f32, bf16::from_f32;
    u8, f64, other, WithDType::to_f64, WithDType::from_f64;
    u32, f64, other, WithDType::to_f64, WithDType::from_f64;
    i64, f64, other, WithDType::to_f64, WithDType::from_f64;
}

/// The elements of a contiguous tensor on the CPU.
///
/// # Errors
/// Where it is elsewhere, or has another element type.
pub fn with_elements<T: WithDType, R>(tensor: &Tensor, run: impl FnOnce(&[T]) -> R) -> Result<R, Fault> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(Fault::internal("a tensor of the CPU is elsewhere"));
    };
    let Some((start, end)) = layout.contiguous_offsets() else {
        return Err(Fault::internal("a tensor has gaps where none may be"));
    };
    Ok(run(&T::cpu_storage_as_slice(storage)?[start..end]))
}

/// A tensor of these elements on the CPU; they are not copied.
///
/// # Errors
/// Where there are not as many as the shape says.
pub fn tensor<T: WithDType>(elements: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor, Fault> {
    let shape = shape.into();
    if elements.len() != shape.elem_count() {
        return Err(Fault::internal("a loop made another number of elements than its shape has"));
    }
    Ok(Tensor::from_vec(elements, shape, &Device::Cpu)?)
}

/// The elements as doubles, in order: for what need not be quick.
///
/// # Errors
/// Where the device fails.
pub fn doubles(tensor: &Tensor) -> Result<Vec<f64>, Fault> {
    Ok(tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?)
}

/// Runs the same code with each float type of the CPU.
macro_rules! with_float {
    ($dtype:expr, $name:ident => $run:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $name = f32;
                $run
            }
            candle_core::DType::F64 => {
                type $name = f64;
                $run
            }
            candle_core::DType::F16 => {
                type $name = half::f16;
                $run
            }
            candle_core::DType::BF16 => {
                type $name = half::bf16;
                $run
            }
            other => Err($crate::ops::execute::Fault::Dtype(other)),
        }
    };
}
pub(crate) use with_float;

/// Runs the same code with each element type of the CPU.
macro_rules! with_element {
    ($dtype:expr, $name:ident => $run:expr) => {
        match $dtype {
            candle_core::DType::U8 => {
                type $name = u8;
                $run
            }
            candle_core::DType::U32 => {
                type $name = u32;
                $run
            }
            candle_core::DType::I64 => {
                type $name = i64;
                $run
            }
            float => $crate::ops::execute::kernel::with_float!(float, $name => $run),
        }
    };
}
pub(crate) use with_element;

/// Compiled for what the CPU has, chosen as it runs.
#[inline(always)]
pub fn simd<R>(run: impl FnOnce() -> R) -> R {
    struct Run<F>(F);
    impl<R, F: FnOnce() -> R> pulp::WithSimd for Run<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Run(run))
}
