//! Convolutions against candle's own, pairs in one run: `RAYON_NUM_THREADS=1 cargo bench --features exec --bench execute`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench is no library")]

use std::hint::black_box;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use csp_profile::ops::execute::kernel::convolution::{Slide, forward, grad_input, grad_kernel};

/// Channels in and out, groups, height and width, kernel, stride, padding.
struct Shape(&'static str, [usize; 3], usize, [usize; 3]);

const SHAPES: &[Shape] = &[
    Shape("3x3 64 to 64 at 56", [64, 64, 1], 56, [3, 1, 1]),
    Shape("1x1 256 to 64 at 56", [256, 64, 1], 56, [1, 1, 0]),
    Shape("1x1 64 to 256 at 56", [64, 256, 1], 56, [1, 1, 0]),
    Shape("7x7 by 2, 3 to 64 at 224", [3, 64, 1], 224, [7, 2, 3]),
    Shape("depthwise 3x3 128 at 56", [128, 128, 128], 56, [3, 1, 1]),
    Shape("32 groups 3x3 128 at 56", [128, 128, 32], 56, [3, 1, 1]),
    Shape("3x3 512 to 512 at 7", [512, 512, 1], 7, [3, 1, 1]),
    Shape("1x1 by 2, 256 to 512 at 56", [256, 512, 1], 56, [1, 2, 0]),
];

impl Shape {
    fn slide(&self) -> Slide {
        let &Self(_, _, size, [kernel, stride, padding]) = self;
        let output = (size + 2 * padding - kernel) / stride + 1;
        Slide {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            before: [padding; 2],
            input: [size; 2],
            output: [output; 2],
        }
    }

    fn macs(&self) -> u64 {
        let &Self(_, [channels, out, groups], _, [kernel, ..]) = self;
        (out * self.slide().outputs() * channels / groups * kernel * kernel) as u64
    }
}

fn random(shape: [usize; 4]) -> Tensor {
    Tensor::randn(0f32, 1f32, &shape[..], &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap()
}

fn convolutions(c: &mut Criterion) {
    let mut group = c.benchmark_group("convolution");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for shape in SHAPES {
        let &Shape(name, [channels, out, groups], size, [kernel, stride, padding]) = shape;
        let (slide, taps) = (shape.slide(), [out, channels / groups, kernel, kernel]);
        let (x, kernel) = (random([1, channels, size, size]), random(taps));
        let gradient = random([1, out, slide.output[0], slide.output[1]]);
        group.throughput(Throughput::Elements(shape.macs()));
        group.bench_function(BenchmarkId::new("forward", name), |b| {
            b.iter(|| black_box(forward(&x, &kernel, None, &slide, groups).unwrap()));
        });
        group.bench_function(BenchmarkId::new("candle", name), |b| {
            b.iter(|| black_box(x.conv2d(&kernel, padding, stride, 1, groups).unwrap()));
        });
        group.bench_function(BenchmarkId::new("grad_input", name), |b| {
            b.iter(|| black_box(grad_input(&gradient, &kernel, &slide, groups).unwrap()));
        });
        group.bench_function(BenchmarkId::new("grad_kernel", name), |b| {
            b.iter(|| black_box(grad_kernel(&x, &gradient, &slide, groups).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
