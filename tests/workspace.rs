//! Convolutions allocate what they declare, to the byte.
#![cfg(feature = "exec")]
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

use std::alloc::System;
use std::num::NonZeroU64;

use candle_core::{DType, Device, Tensor};
use csp_profile::executor::allocator::{self, Counting};
use csp_profile::ops::attribute::{Padding, Pair};
use csp_profile::ops::execute::kernel::convolution::{Slide, forward, grad_input, grad_kernel};
use csp_profile::ops::execute::{Execute, Pass};
use csp_profile::ops::{Conv2d, Io, Operator};
use csp_profile::tensor::{DType as Elements, TensorType};

#[global_allocator]
static ALLOCATOR: Counting<System> = Counting(System);

/// What `run` allocated at most, beside what it gives out.
fn peak(run: impl FnOnce() -> Tensor) -> u64 {
    let before = allocator::now(4);
    allocator::restart(4);
    let made = run();
    let peak = allocator::peak(4) - before;
    u64::try_from(peak).unwrap() - 4 * made.elem_count() as u64
}

fn random(shape: &[usize]) -> Tensor {
    Tensor::rand(-1f32, 1f32, shape, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap()
}

#[test]
fn convolutions_allocate_what_they_declare() {
    // Channels, outputs, groups, size, kernel, stride, padding.
    for [channels, out, groups, size, kernel, stride, padding] in [
        [64, 64, 1, 14, 3, 1, 1],
        [64, 32, 1, 20, 1, 1, 0],
        [64, 32, 1, 20, 1, 2, 0],
        [3, 64, 1, 31, 7, 2, 3],
        [12, 12, 12, 15, 3, 1, 1],
        [12, 24, 12, 15, 3, 2, 1],
        [64, 64, 4, 15, 3, 2, 1],
        [32, 32, 8, 9, 3, 1, 0],
        [300, 4, 1, 3, 1, 1, 0],
    ] {
        let whole = |size: usize| NonZeroU64::new(size as u64).unwrap();
        let op = Conv2d {
            out_channels: whole(out),
            kernel: Pair::both(kernel as u64),
            stride: Pair::both(stride as u64),
            padding: Padding::all(padding as u64),
            dilation: Pair::both(1),
            groups: whole(groups),
            bias: false,
            dtype: None,
        };
        let batch = 1;
        let input = TensorType::new([batch, channels as u64, size as u64, size as u64], Elements::F32);
        let outputs = op.infer(&[&input]).unwrap();
        let inputs = [&input];
        let io = Io { inputs: &inputs, outputs: &outputs };
        let output = (size + 2 * padding - kernel) / stride + 1;
        let slide = Slide {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            before: [padding; 2],
            input: [size; 2],
            output: [output; 2],
        };
        let x = random(&[1, channels, size, size]);
        let weights = random(&[out, channels / groups, kernel, kernel]);
        let gradient = random(&[1, out, output, output]);
        let measured = peak(|| forward(&x, &weights, None, &slide, groups).unwrap());
        assert_eq!(op.workspace(io, Pass::Forward).unwrap(), measured, "{op:?} forward");
        let of_input = peak(|| grad_input(&gradient, &weights, &slide, groups).unwrap());
        let of_kernel = peak(|| grad_kernel(&x, &gradient, &slide, groups).unwrap());
        let declared = op.workspace(io, Pass::Backward).unwrap();
        assert_eq!(declared, of_input.max(of_kernel), "{op:?} backward: {of_input}, {of_kernel}");
    }
}
