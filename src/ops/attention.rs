use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, product, sum};

attributes! {
    /// Scaled dot-product attention over a query, a key and a value.
    ///
    /// The inputs are `[n, tokens, features]`, whose features fall into heads, or `[n, heads, tokens, features]`. Keys
    /// and values may be of another length than the queries (cross attention). With fewer `kv_heads` than `heads`,
    /// groups of query heads share a key and value head. The projections around it are `linear` ops.
    ///
    /// ## Formula
    /// `y = softmax(Q·Kᵀ/√d)·V` for each head; the output has the query's layout and the value's features.
    ///
    /// ## Counted
    /// With t queries, s keys, d features of a query and e of a value, a head of an image has `t·s` scores. MACs:
    /// `d` for each score (Q·Kᵀ) and `s` for each of `t·e` outputs. FLOPs: 2 for each, and for each score 1 mul
    /// (scale), 1 sub, 1 exp and 1 div, and for each query `s − 1` max and `s − 1` add (softmax). A causal mask saves
    /// nothing here. Activations: scores and outputs. Backward: twice the MACs, and Q·Kᵀ once more, since scores are not
    /// kept.
    ///
    /// ## Source
    /// Vaswani et al. 2017, arXiv 1706.03762; shared heads: Ainslie et al. 2023, arXiv 2305.13245; what is kept: Dao et
    /// al. 2022, arXiv 2205.14135; `torch.nn.functional.scaled_dot_product_attention`; ONNX Attention.
    Attention = "attention" {
        /// Heads of the query; if not given, axis 1 where there are four axes, else 1.
        heads: Option<NonZeroU64> = None,
        /// Heads of key and value; if not given, their axis 1 where there are four axes, else as many as the query's.
        kv_heads: Option<NonZeroU64> = None,
    }
}

/// One input: `[n, heads, tokens, features of a head]`.
type Parts = [u64; 4];

impl Attention {
    fn parts(&self, inputs: &[&TensorType], index: usize) -> Result<Parts, Box<Mismatch>> {
        let input = inputs[index];
        let (given, attribute) = match (index, self.kv_heads) {
            (1.., Some(heads)) => (Some(heads), "kv_heads"),
            _ => (self.heads, "heads"),
        };
        let given = given.map(NonZeroU64::get);
        let error = |code, message| {
            Mismatch::new(code, message).input(index, format!("this is {}", input.shape)).attribute(attribute)
        };
        match *input.shape.axes() {
            [batch, tokens, features] => {
                let heads = given.unwrap_or(1);
                if features % heads != 0 {
                    return Err(error(
                        Code::Indivisible,
                        format!("{heads} heads do not divide {features} features"),
                    ));
                }
                Ok([batch, heads, tokens, features / heads])
            }
            [batch, heads, tokens, features] => {
                // Without `kv_heads`, the key's own axis says how many there are.
                let fixed = given.filter(|_| index == 0 || self.kv_heads.is_some());
                match fixed.filter(|&fixed| fixed != heads) {
                    Some(fixed) => Err(error(
                        Code::ShapeMismatch,
                        format!("`{attribute}` is {fixed}, but axis 1 is {heads}"),
                    )),
                    None => Ok([batch, heads, tokens, features]),
                }
            }
            _ => {
                let layouts = "the inputs must be [n, tokens, features] or [n, heads, tokens, features]";
                Err(Mismatch::new(Code::ShapeMismatch, layouts)
                    .input(index, format!("this is {}", input.shape)))
            }
        }
    }

    fn all(&self, inputs: &[&TensorType]) -> Result<[Parts; 3], Box<Mismatch>> {
        Ok([self.parts(inputs, 0)?, self.parts(inputs, 1)?, self.parts(inputs, 2)?])
    }

    /// The MACs of Q·Kᵀ and those of its product with V.
    fn products(&self, io: Io<'_>) -> Result<[Cost; 2], Overflow> {
        // `infer` accepted the inputs: they have parts.
        let [[batch, heads, queries, size], [_, _, keys, _], _] =
            self.all(io.inputs).map_err(|_| Overflow)?;
        let scores = product(&[batch, heads, queries, keys])?;
        Ok([Cost::products(scores, size)?, Cost::products(io.output_elements(), keys)?])
    }
}

impl Operator for Attention {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let dtype = shape::common_dtype(inputs)?;
        let [query, key, value] = self.all(inputs)?;
        let error = |a: usize, b: usize, message: String| {
            Err(Mismatch::new(Code::ShapeMismatch, message)
                .input(a, format!("this is {}", inputs[a].shape))
                .input(b, format!("this is {}", inputs[b].shape)))
        };
        let rank = inputs[0].shape.rank();
        for other in [1, 2] {
            if inputs[other].shape.rank() != rank || inputs[other].shape.axis(0) != inputs[0].shape.axis(0) {
                return error(0, other, "query, key and value must agree in axes and batch".into());
            }
        }
        if query[3] != key[3] {
            return error(0, 1, format!("a query head has {} features and a key head {}", query[3], key[3]));
        }
        if key[1..3] != value[1..3] {
            return error(1, 2, "key and value must agree in heads and tokens".into());
        }
        if key[1] == 0 || query[1] % key[1] != 0 {
            return error(0, 1, format!("{} key heads do not divide {} query heads", key[1], query[1]));
        }
        let [batch, heads, tokens, _] = query;
        let shape = if rank == 3 {
            TensorShape::from([batch, tokens, product(&[heads, value[3]])?])
        } else {
            TensorShape::from([batch, heads, tokens, value[3]])
        };
        one(TensorType { shape, dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        let [scores, outputs] = self.products(io)?;
        let [[batch, heads, queries, _], ..] = self.all(io.inputs).map_err(|_| Overflow)?;
        let (elements, rows) = (scores.activations, product(&[batch, heads, queries])?);
        let pairs = elements.saturating_sub(rows);
        scores
            .checked_add(&outputs)?
            .each(elements, &[(Kind::Mul, 1), (Kind::Sub, 1), (Kind::Exp, 1), (Kind::Div, 1)])?
            .each(pairs, &[(Kind::Max, 1), (Kind::Add, 1)])
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        let [scores, outputs] = self.products(io)?;
        // dV = Pᵀ·dY, dP = dY·Vᵀ, dQ = dS·K, dK = dSᵀ·Q, and the scores again. PyTorch's fused kernels keep the output
        // and the logarithm of each row's sum (f32); the inputs alone are enough.
        let macs = sum([product(&[3, scores.macs])?, product(&[2, outputs.macs])?])?;
        let [[batch, heads, queries, _], ..] = self.all(io.inputs).map_err(|_| Overflow)?;
        let rows = product(&[batch, heads, queries, 4])?;
        let eager = Kept { outputs: true, ..Kept::INPUTS }.and_bytes(rows);
        Ok(Backward { grad_input_macs: macs, eager, ..Backward::keeps(Kept::INPUTS) })
    }

    fn channels(&self, io: Io<'_>, _: usize) -> Channels {
        // With four axes, axis 1 is the head: each passes on its own, unless several share a key.
        let heads = io.inputs[0].channels();
        let apart = io.inputs[0].shape.rank() == 4 && io.inputs[1].channels() == heads;
        if apart { Channels::Same } else { Channels::Mixed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn attention(heads: Option<u64>, kv_heads: Option<u64>) -> Attention {
        Attention { heads: heads.and_then(NonZeroU64::new), kv_heads: kv_heads.and_then(NonZeroU64::new) }
    }

    #[test]
    fn one_layer_of_vit_b_16() {
        // 12·197² = 465,708 scores: 64 MACs each, and as many for the product with V.
        let tokens: &[u64] = &[1, 197, 768];
        // Beside them 4 for each score, and 2·196 for each of 12·197 queries.
        check(attention(Some(12), None), &[tokens, tokens, tokens])
            .outputs("1x197x768")
            .learned(0)
            .macs(59_610_624)
            .flops(2 * 59_610_624 + 4 * 465_708 + 2 * 196 * 2364)
            .activations(465_708 + 151_296)
            .gradient_macs(29_805_312 * 5, 0)
            .keeps(Kept { outputs: true, ..Kept::INPUTS }.and_bytes(4 * 2364), Kept::INPUTS)
            .channels(&Channels::Mixed);
        let heads: &[u64] = &[1, 12, 197, 64];
        check(attention(None, None), &[heads, heads, heads])
            .outputs("1x12x197x64")
            .macs(59_610_624)
            .channels(&Channels::Same);
    }

    #[test]
    fn cross_attention_and_shared_heads() {
        // 2 images, 4 heads, 5·7 scores: 3 MACs each; 2·4·5·6 outputs of 7.
        check(attention(Some(4), None), &[&[2, 5, 12], &[2, 7, 12], &[2, 7, 24]])
            .outputs("2x5x24")
            .macs(2 * 4 * 35 * 3 + 2 * 4 * 30 * 7);
        // 4 query heads of 3, 2 key heads of 3 and value heads of 5: 4·(5·7·3 + 5·5·7).
        check(attention(Some(4), Some(2)), &[&[1, 5, 12], &[1, 7, 6], &[1, 7, 10]])
            .outputs("1x5x20")
            .macs(4 * (105 + 175));
        check(attention(None, None), &[&[1, 8, 5, 3], &[1, 2, 7, 3], &[1, 2, 7, 3]])
            .outputs("1x8x5x3")
            .channels(&Channels::Mixed);
    }

    #[test]
    fn what_does_not_fit() {
        let tokens: &[u64] = &[1, 5, 12];
        check(attention(Some(5), None), &[tokens, tokens, tokens])
            .refused("5 heads do not divide 12 features");
        check(attention(None, None), &[tokens, &[1, 5, 10], tokens])
            .refused("has 12 features and a key head 10");
        check(attention(None, None), &[tokens, tokens, &[1, 6, 12]]).refused("agree in heads and tokens");
        check(attention(None, None), &[tokens, tokens, &[2, 5, 12]]).refused("agree in axes and batch");
        check(attention(None, None), &[&[5, 12], tokens, tokens])
            .refused("the inputs must be [n, tokens, features]");
        let heads: &[u64] = &[1, 6, 5, 2];
        check(attention(Some(3), None), &[heads, heads, heads]).refused("`heads` is 3, but axis 1 is 6");
        check(attention(None, None), &[heads, &[1, 4, 5, 2], &[1, 4, 5, 2]])
            .refused("4 key heads do not divide 6");
    }
}
