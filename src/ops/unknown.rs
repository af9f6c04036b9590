use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{Backward, Channels, Cost, Family, Io, Kept, Mismatch, Operator, Outputs, Storage, Weights};
use crate::diagnostic::Code;
use crate::tensor::{DType, TensorShape, TensorType};
use crate::units::Overflow;

attributes! {
    /// An op whose cost is not known.
    ///
    /// It holds the place of a layer that a file names and nobody can count: a custom op, or one whose result depends on
    /// data. It is listed in `totals.unknown_ops`, and every total that misses it says "at least".
    ///
    /// ## Formula
    /// Not known. The outputs are what the file says of them.
    ///
    /// ## Counted
    /// Not known: no figure of a network that has one is more than a lower bound.
    ///
    /// ## Source
    /// ONNX nodes of custom domains, and those that `csp-profile explain onnx` lists.
    Unknown = "unknown" {
        /// What its format calls it.
        called: String = String::new(),
        /// The shapes of its outputs, as far as the file says.
        shapes: Vec<TensorShape> = Vec::new(),
        /// The element types of its outputs; `f32` where there are too few.
        dtypes: Vec<DType> = Vec::new(),
    }
}

impl Unknown {
    /// An op of that name with outputs of these types.
    pub fn new(called: &str, outputs: &[TensorType]) -> Self {
        Self {
            called: called.into(),
            shapes: outputs.iter().map(|output| output.shape.clone()).collect(),
            dtypes: outputs.iter().map(|output| output.dtype).collect(),
        }
    }
}

impl Operator for Unknown {
    fn arity(&self) -> RangeInclusive<usize> {
        0..=usize::MAX
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let _ = inputs;
        if self.dtypes.len() > self.shapes.len() {
            return Err(Mismatch::new(Code::WrongCount, "`dtypes` lists more outputs than `shapes`")
                .attribute("dtypes"));
        }
        let outputs = self.shapes.iter().enumerate().map(|(index, shape)| {
            let dtype = self.dtypes.get(index).copied().unwrap_or(DType::F32);
            let output = TensorType { shape: shape.clone(), dtype };
            output.check().map_err(|overflow| Box::<Mismatch>::from(overflow).attribute("shapes"))?;
            Ok(output)
        });
        outputs.collect()
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn cost(&self, _: Io<'_>) -> Result<Cost, Overflow> {
        Ok(Cost { unknown: true, ..Cost::NONE })
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, _: Io<'_>) -> Result<Backward, Overflow> {
        Ok(Backward::keeps(Kept::NOTHING))
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        if io.inputs.is_empty() { Channels::Source } else { Channels::Mixed }
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::prelude::*;
    use super::Unknown;

    impl Unknown {
        fn fault(&self) -> Fault {
            let called = if self.called.is_empty() { "an op without a name" } else { &self.called };
            Fault::unrunnable(format!("what `{called}` computes is not known; replace it by ops that are"))
        }
    }

    impl Execute for Unknown {
        fn forward(&self, _: &Call<'_>) -> Result<Made, Fault> {
            Err(self.fault())
        }

        fn gradients(&self, _: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            Err(self.fault())
        }

        fn workspace(&self, _: Io<'_>, _: Pass) -> Result<u64, Overflow> {
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    #[test]
    fn its_cost_is_unknown() {
        let tensor = TensorType::new([1, 8, 4, 4], DType::F16);
        let op = Unknown::new("com.acme::Fancy", &[tensor]);
        check(op.clone(), &[&[1, 3, 8, 8]])
            .outputs("1x8x4x4")
            .dtype(DType::F16)
            .learned(0)
            .channels(&Channels::Mixed);
        let cost = op.cost(Io { inputs: &[], outputs: &[] }).unwrap();
        assert!(cost.unknown);
        check(Unknown { dtypes: vec![DType::F32; 2], ..op }, &[]).refused("more outputs");
    }
}
