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
        /// x where it is more than a threshold, else 0.
        ThresholdedRelu = "thresholded_relu",
        /// Nearer to 0 by a step, and 0 where it was near.
        Shrink = "shrink",
    }
}

attributes! {
    /// A function of single elements that networks rarely use.
    ///
    /// ## Formula
    /// `y = f(x)`; `is_nan` and `is_inf` give truth values.
    ///
    /// ## Counted
    /// FLOPs for each element: tan 2 sin and 1 div; asin, acos, atan 1 sin each; sinh, cosh 2 exp, 1 add and 1 mul;
    /// asinh, acosh 1 mul, 2 add, 1 sqrt and 1 log; atanh 1 add, 1 sub, 1 div, 1 log and 1 mul; sign 2 compare; is_nan
    /// 1 compare; is_inf 1 abs and 1 compare; thresholded_relu 1 compare; shrink 2 compare and 1 add.
    ///
    /// ## Source
    /// PyTorch's and ONNX's functions of these names.
    Unary = "unary" {
        /// Which function.
        function: Function,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn counts() {
        let flops = |function, count| {
            check(Unary { function }, &[&[2, 5]]).outputs("2x5").flops(10 * count).macs(0);
        };
        flops(Function::Tan, 3);
        flops(Function::Atan, 1);
        flops(Function::Cosh, 4);
        flops(Function::Asinh, 5);
        flops(Function::Atanh, 5);
        flops(Function::Sign, 2);
        flops(Function::Shrink, 3);
        check(Unary { function: Function::IsInf }, &[&[4]]).dtype(DType::Bool).flops(8).eager(Kept::NOTHING);
    }
}
