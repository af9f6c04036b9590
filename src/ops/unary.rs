use super::attribute::{attributes, choice};
use super::elementwise::Elementwise;
use super::{Family, Io, Kept, Kind, Mismatch, Outputs, one};
use crate::tensor::{DType, TensorType};

choice! {
    /// Which function.
    Function {
        /// Tangent.
        Tan = "tan",
        /// Inverse sine.
        Asin = "asin",
        /// Inverse cosine.
        Acos = "acos",
        /// Inverse tangent.
        Atan = "atan",
        /// Hyperbolic sine.
        Sinh = "sinh",
        /// Hyperbolic cosine.
        Cosh = "cosh",
        /// Inverse hyperbolic sine.
        Asinh = "asinh",
        /// Inverse hyperbolic cosine.
        Acosh = "acosh",
        /// Inverse hyperbolic tangent.
        Atanh = "atanh",
        /// −1, 0 or 1.
        Sign = "sign",
        /// Whether it is no number.
        IsNan = "is_nan",
        /// Whether it is infinite.
        IsInf = "is_inf",
        /// x where it is more than `threshold`, else 0.
        ThresholdedRelu = "thresholded_relu",
        /// Nearer to 0 by `bias` where it is more than `threshold` away, else 0.
        Shrink = "shrink",
    }
}

attributes! {
    /// A function of single elements that networks rarely use.
    ///
    /// ## Formula
    /// `y = f(x)`; `is_nan` and `is_inf` give truth values.
    ///
    /// `thresholded_relu`: `y = x` where `x > threshold`, else 0.
    ///
    /// `shrink`: `y = x − bias` where `x > threshold`, `x + bias` where `x < −threshold`, else 0.
    ///
    /// ## Counted
    /// FLOPs for each element: tan 2 sin and 1 div; asin, acos, atan 1 sin each; sinh, cosh 2 exp, 1 add and 1 mul;
    /// asinh, acosh 1 mul, 2 add, 1 sqrt and 1 log; atanh 1 add, 1 sub, 1 div, 1 log and 1 mul; sign 2 compare; is_nan
    /// 1 compare; is_inf 1 abs and 1 compare; thresholded_relu 1 compare; shrink 2 compare and 1 add.
    ///
    /// ## Source
    /// PyTorch's and ONNX's functions of these names; ONNX calls the threshold of ThresholdedRelu `alpha`, that of
    /// Shrink `lambd`. Shrink is `torch.nn.Softshrink` where the bias is the threshold, `torch.nn.Hardshrink` where it
    /// is 0.
    Unary = "unary" {
        /// Which function.
        function: Function,
        /// Where `thresholded_relu` and `shrink` begin to pass something: 1 and 0.5 if it is not named.
        threshold: Option<f64> = None,
        /// By how much `shrink` brings nearer to 0: the threshold if it is not named.
        bias: Option<f64> = None,
    }
}

#[cfg(feature = "exec")]
impl Unary {
    fn threshold(&self) -> f64 {
        self.threshold.unwrap_or(if self.function == Function::Shrink { 0.5 } else { 1.0 })
    }

    fn bias(&self) -> f64 {
        self.bias.unwrap_or_else(|| self.threshold())
    }
}

impl Elementwise for Unary {
    const TENSORS: usize = 1;
    const FAMILY: Family = Family::Activation;

    fn output(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let dtype = match self.function {
            Function::IsNan | Function::IsInf => DType::Bool,
            _ => inputs[0].dtype,
        };
        one(TensorType { dtype, ..inputs[0].clone() })
    }

    fn operations(&self) -> &'static [(Kind, u64)] {
        match self.function {
            Function::Tan => &[(Kind::Sin, 2), (Kind::Div, 1)],
            Function::Asin | Function::Acos | Function::Atan => &[(Kind::Sin, 1)],
            Function::Sinh | Function::Cosh => &[(Kind::Exp, 2), (Kind::Add, 1), (Kind::Mul, 1)],
            Function::Asinh | Function::Acosh => {
                &[(Kind::Mul, 1), (Kind::Add, 2), (Kind::Sqrt, 1), (Kind::Log, 1)]
            }
            Function::Atanh => {
                &[(Kind::Add, 1), (Kind::Sub, 1), (Kind::Div, 1), (Kind::Log, 1), (Kind::Mul, 1)]
            }
            Function::Sign => &[(Kind::Compare, 2)],
            Function::IsNan | Function::ThresholdedRelu => &[(Kind::Compare, 1)],
            Function::IsInf => &[(Kind::Abs, 1), (Kind::Compare, 1)],
            Function::Shrink => &[(Kind::Compare, 2), (Kind::Add, 1)],
        }
    }

    fn eager(&self, _: Io<'_>) -> Kept {
        self.minimal()
    }

    fn minimal(&self) -> Kept {
        match self.function {
            // Constant between its steps.
            Function::Sign | Function::IsNan | Function::IsInf => Kept::NOTHING,
            Function::Tan => Kept::OUTPUT,
            _ => Kept::INPUT,
        }
    }
}

#[cfg(feature = "exec")]
impl super::execute::formula::Formula for Unary {
    #[inline(always)]
    fn value<S: super::execute::scalar::Scalar>(&self, x: &[S]) -> S {
        let (x, zero, one, half) = (x[0], S::of(0.0), S::of(1.0), S::of(0.5));
        match self.function {
            Function::Tan => x.sin() / x.cos(),
            Function::Asin => x.asin(),
            Function::Acos => x.acos(),
            Function::Atan => x.atan(),
            Function::Sinh => (x.exp() + -(-x).exp()) * half,
            Function::Cosh => (x.exp() + (-x).exp()) * half,
            Function::Asinh => {
                // Of the size: below 0 the sum would lose its digits.
                let size = x.with_sign(one);
                (size + (size * size + one).sqrt()).ln().with_sign(x)
            }
            Function::Acosh => (x + (x * x + -one).sqrt()).ln(),
            Function::Atanh => ((one + x) / (one - x)).ln() * half,
            Function::Sign => x.if_above(zero, one, zero.if_above(x, -one, zero)),
            Function::IsNan => x.if_equal(x, zero, one),
            Function::IsInf => x.abs().if_equal(S::of(f64::INFINITY), one, zero),
            Function::ThresholdedRelu => x.if_above(S::of(self.threshold()), x, zero),
            Function::Shrink => {
                let (threshold, bias) = (S::of(self.threshold()), S::of(self.bias()));
                x + x.if_above(threshold, -bias, (-x).if_above(threshold, bias, -x))
            }
        }
    }

    #[inline(always)]
    fn slope<S: super::execute::scalar::Scalar>(&self, kept: &[S], _: usize) -> S {
        let (zero, one) = (S::of(0.0), S::of(1.0));
        if matches!(self.function, Function::Sign | Function::IsNan | Function::IsInf) {
            return zero;
        }
        let x = kept[0];
        match self.function {
            // Of the output.
            Function::Tan => one + x * x,
            Function::Asin => one / (one - x * x).sqrt(),
            Function::Acos => -(one / (one - x * x).sqrt()),
            Function::Atan => one / (one + x * x),
            Function::Sinh => (x.exp() + (-x).exp()) * S::of(0.5),
            Function::Cosh => (x.exp() - (-x).exp()) * S::of(0.5),
            Function::Asinh => one / (x * x + one).sqrt(),
            Function::Acosh => one / (x * x - one).sqrt(),
            Function::Atanh => one / (one - x * x),
            Function::Sign | Function::IsNan | Function::IsInf => zero,
            Function::ThresholdedRelu => x.if_above(S::of(self.threshold()), one, zero),
            Function::Shrink => {
                let threshold = S::of(self.threshold());
                x.if_above(threshold, one, (-x).if_above(threshold, one, zero))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        let flops = |function, count: u64| {
            check(Unary { function, threshold: None, bias: None }, &[&[2, 5]])
                .outputs("2x5")
                .flops(10 * count)
                .macs(0);
        };
        flops(Function::Tan, 3);
        flops(Function::Atan, 1);
        flops(Function::Cosh, 4);
        flops(Function::Asinh, 5);
        flops(Function::Atanh, 5);
        flops(Function::Sign, 2);
        flops(Function::Shrink, 3);
        let is_inf = Unary { function: Function::IsInf, threshold: None, bias: None };
        check(is_inf, &[&[4]]).dtype(DType::Bool).flops(8).eager(Kept::NOTHING);
    }
}
