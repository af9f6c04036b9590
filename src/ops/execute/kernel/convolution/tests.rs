//! Against loops that follow the definition word by word.

use candle_core::{DType, Device, Tensor};

use super::{Slide, device, forward, grad_input, grad_kernel};

/// Numbers without a pattern that a mistake could hide in.
pub(super) fn numbers(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let of = |index: usize| {
        let mixed = (index + 1).wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 7;
        f64::from(u16::try_from(mixed % 2001).unwrap()) / 1000.0 - 1.0
    };
    let numbers: Vec<f64> = (0..count).map(of).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// A convolution to be tested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) out: usize,
    pub(super) groups: usize,
    pub(super) slide: Slide,
}

impl Case {
    /// `pads` are top, left, bottom, right.
    pub(super) fn new(
        [batch, channels, out, groups]: [usize; 4],
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
        pads: [usize; 4],
    ) -> Option<Self> {
        let output = |axis: usize| {
            let padded = input[axis] + pads[axis] + pads[axis + 2];
            Some(padded.checked_sub((kernel[axis] - 1) * dilation[axis] + 1)? / stride[axis] + 1)
        };
        let slide = Slide {
            kernel,
            stride,
            dilation,
            before: [pads[0], pads[1]],
            input,
            output: [output(0)?, output(1)?],
        };
        Some(Self { batch, channels, out, groups, slide })
    }

    fn tensors(&self) -> [Tensor; 4] {
        let Slide { kernel: [kh, kw], input: [h, w], output: [oh, ow], .. } = self.slide;
        [
            numbers(&[self.batch, self.channels, h, w], 1),
            numbers(&[self.out, self.channels / self.groups, kh, kw], 2),
            numbers(&[self.out], 3),
            numbers(&[self.batch, self.out, oh, ow], 4),
        ]
    }

    /// Calls with the places of every product: in x, in the kernel, in y.
    fn products(&self, mut each: impl FnMut(usize, usize, usize)) {
        let Slide { kernel: [kh, kw], stride, dilation, before, input, output: [oh, ow] } = self.slide;
        let (own, of_group) = (self.channels / self.groups, self.out / self.groups);
        for n in 0..self.batch {
            for o in 0..self.out {
                for (y, x) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                    for c in 0..own {
                        for (ky, kx) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x))) {
                            let row = (y * stride[0] + ky * dilation[0]).checked_sub(before[0]);
                            let column = (x * stride[1] + kx * dilation[1]).checked_sub(before[1]);
                            let (Some(row), Some(column)) = (row, column) else { continue };
                            if row >= input[0] || column >= input[1] {
                                continue;
                            }
                            let channel = o / of_group * own + c;
                            each(
                                ((n * self.channels + channel) * input[0] + row) * input[1] + column,
                                ((o * own + c) * kh + ky) * kw + kx,
                                ((n * self.out + o) * oh + y) * ow + x,
                            );
                        }
                    }
                }
            }
        }
    }
}

fn list(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_close(what: &str, case: &Case, got: &Tensor, wanted: &[f64], tolerance: f64) {
    let got = list(got);
    assert_eq!(got.len(), wanted.len(), "{what} {case:?}");
    for (index, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let near = (got - wanted).abs() <= tolerance * (1.0 + wanted.abs());
        assert!(near, "{what} {case:?}: at {index} {got} and not {wanted}");
    }
}

/// All three passes, by each code path there is.
fn check(case: Case) {
    let Case { batch, channels, out, groups, slide } = case;
    let [x, kernel, bias, gradient] = case.tensors();
    let (xs, ks, gs) = (list(&x), list(&kernel), list(&gradient));
    let mut y: Vec<f64> = vec![0.0; batch * out * slide.outputs()];
    let (mut of_x, mut of_kernel) = (vec![0.0; xs.len()], vec![0.0; ks.len()]);
    case.products(|x, k, at| {
        y[at] += xs[x] * ks[k];
        of_x[x] += ks[k] * gs[at];
        of_kernel[k] += xs[x] * gs[at];
    });
    let biases = list(&bias);
    let with_bias: Vec<f64> =
        y.iter().enumerate().map(|(at, y)| y + biases[at / slide.outputs() % out]).collect();
    for (dtype, tolerance) in
        [(DType::F64, 1e-12), (DType::F32, 2e-5), (DType::F16, 2e-2), (DType::BF16, 2e-1)]
    {
        let to = |tensor: &Tensor| tensor.to_dtype(dtype).unwrap();
        let (x, kernel, bias, gradient) = (to(&x), to(&kernel), to(&bias), to(&gradient));
        let got = forward(&x, &kernel, None, &slide, groups).unwrap();
        assert_eq!(got.dims(), [batch, out, slide.output[0], slide.output[1]]);
        assert_close("y", &case, &got, &y, tolerance);
        let got = forward(&x, &kernel, Some(&bias), &slide, groups).unwrap();
        assert_close("y with bias", &case, &got, &with_bias, tolerance);
        let got = grad_input(&gradient, &kernel, &slide, groups).unwrap();
        assert_eq!(got.dims(), [batch, channels, slide.input[0], slide.input[1]]);
        assert_close("dx", &case, &got, &of_x, tolerance);
        let got = grad_kernel(&x, &gradient, &slide, groups).unwrap();
        assert_eq!(got.dims(), kernel.dims());
        // A sum over all places; half numbers are rounded at the end only.
        assert_close("dw", &case, &got, &of_kernel, tolerance * 4.0);
        if dtype == DType::F64 {
            let got = device::forward(&x, &kernel, Some(&bias), &slide, groups).unwrap();
            assert_close("y of the device", &case, &got, &with_bias, tolerance);
            let got = device::grad_input(&gradient, &kernel, &slide, groups).unwrap();
            assert_close("dx of the device", &case, &got, &of_x, tolerance);
            let got = device::grad_kernel(&x, &gradient, &slide, groups).unwrap();
            assert_close("dw of the device", &case, &got, &of_kernel, tolerance);
        }
    }
}

/// Channels, outputs and groups: one, few, more than a tile has rows, grouped, depthwise, with a multiplier.
const CHANNELS: [[usize; 3]; 8] =
    [[1, 1, 1], [3, 13, 1], [5, 2, 1], [4, 8, 4], [6, 6, 6], [5, 15, 5], [8, 8, 2], [20, 40, 2]];

#[test]
fn every_pass_follows_the_definition() {
    let kernels = [[1, 1], [3, 3], [1, 7], [2, 3], [5, 1]];
    let strides = [[1, 1], [2, 2], [2, 1], [3, 2]];
    let pads = [[0; 4], [1; 4], [0, 1, 2, 3], [3, 0, 1, 2]];
    let mut cases = 0;
    for (index, [channels, out, groups]) in CHANNELS.into_iter().enumerate() {
        for (kernel, stride) in kernels.into_iter().flat_map(|kernel| strides.map(|stride| (kernel, stride)))
        {
            for (pad, pads) in pads.into_iter().enumerate() {
                // Sizes, batch and dilation vary along; not every product of all lists, which took a minute.
                let input = [[7, 9], [5, 20], [8, 8]][(index + pad) % 3];
                let batch = if (index + pad) % 2 == 0 { 1 } else { 3 };
                let dilation = [[1, 1], [2, 2], [1, 2]][(pad + stride[0]) % 3];
                let shape = [batch, channels, out, groups];
                if let Some(case) = Case::new(shape, input, kernel, stride, dilation, pads) {
                    check(case);
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 500, "{cases}");
}

#[test]
fn more_places_and_rows_than_a_block_has() {
    // 300 channels in two blocks of depth, 17·19 = 323 places in two of width.
    let one = [1, 1];
    check(Case::new([2, 300, 11, 1], [17, 19], one, one, one, [0; 4]).unwrap());
    check(Case::new([1, 40, 9, 1], [17, 19], [3, 3], one, one, [1; 4]).unwrap());
    check(Case::new([1, 9, 70, 1], [33, 9], [3, 3], [2, 2], one, [1; 4]).unwrap());
}

#[test]
fn images_that_lie_apart_are_read_where_they_are() {
    let case = Case::new([2, 6, 10, 1], [6, 7], [3, 3], [1, 1], [1, 1], [1; 4]).unwrap();
    let [_, kernel, _, gradient] = case.tensors();
    let whole = numbers(&[2, 9, 6, 7], 5);
    let part = whole.narrow(1, 2, 6).unwrap();
    let copy = part.force_contiguous().unwrap();
    let same = |a: Tensor, b: Tensor| assert_eq!(list(&a), list(&b));
    let run = |x: &Tensor| forward(x, &kernel, None, &case.slide, 1).unwrap();
    same(run(&part), run(&copy));
    let run = |x: &Tensor| grad_kernel(x, &gradient, &case.slide, 1).unwrap();
    same(run(&part), run(&copy));
}
