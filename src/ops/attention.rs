use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::attribute::{attributes, choice};
use super::shape;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, product, sum};

choice! {
    /// Which keys a query does not see.
    AttentionMask {
        /// It sees all.
        None = "none",
        /// It does not see those behind its own place.
        Causal = "causal",
        /// Those that a tensor tells which is not among the inputs; such a layer is counted, but does not run.
        Given = "given",
    }
}

attributes! {
    /// Scaled dot-product attention over a query, a key and a value.
    ///
    /// The inputs are `[n, tokens, features]`, whose features fall into heads, or `[n, heads, tokens, features]`. Keys
    /// and values may be of another length than the queries (cross attention). With fewer `kv_heads` than `heads`,
    /// groups of neighbouring query heads share a key and value head. Heads follow each other in the features. The projections around it are `linear` ops.
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
        /// Which keys a query does not see.
        mask: AttentionMask = AttentionMask::None,
        /// What the scores are multiplied with; 1/√d if not given.
        scale: Option<f64> = None,
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

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::products::multiply;
    use super::super::execute::prelude::*;
    use super::{Attention, AttentionMask};

    /// Query, key and value as matrices `[n, key heads, rows, features]`: the queries of the heads that share a key
    /// follow each other as rows.
    struct Heads {
        query: Tensor,
        key: Tensor,
        value: Tensor,
        /// Query heads, and tokens of a query.
        heads: usize,
        tokens: usize,
        scale: f64,
    }

    impl Attention {
        fn heads(&self, io: Io<'_>, inputs: [&Tensor; 3]) -> Result<Heads, Fault> {
            if self.mask == AttentionMask::Given {
                return Err(Fault::unrunnable(
                    "the mask of this attention is not among its inputs; attention without one, or causal, runs",
                ));
            }
            let all =
                self.all(io.inputs).map_err(|_| Fault::internal("attention over shapes that do not fit"))?;
            let mut parts = Vec::with_capacity(3);
            for (x, sizes) in inputs.into_iter().zip(all) {
                let [_, heads, tokens, features] =
                    sizes.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
                parts.push(apart(x, heads, tokens, features)?);
            }
            let [query, key, value] =
                <[Tensor; 3]>::try_from(parts).map_err(|_| Fault::internal("attention has three inputs"))?;
            let (batch, heads, tokens, features) = query.dims4()?;
            let shared = key.dims()[1];
            let query = query.reshape((batch, shared, heads / shared * tokens, features))?;
            #[expect(clippy::cast_precision_loss, reason = "features are fewer than 2^53")]
            let scale = self.scale.unwrap_or(1.0 / (features as f64).sqrt());
            Ok(Heads { query, key, value, heads, tokens, scale })
        }
    }

    /// `[n, tokens, heads · features]` as `[n, heads, tokens, features]`; that layout stays as it is.
    fn apart(x: &Tensor, heads: usize, tokens: usize, features: usize) -> Result<Tensor, Fault> {
        if x.rank() == 4 {
            return Ok(x.contiguous()?);
        }
        let x = x.contiguous()?.reshape((x.dims()[0], tokens, heads, features))?;
        Ok(x.transpose(1, 2)?.contiguous()?)
    }

    /// The way back, to the layout of the given shape.
    fn together(x: &Tensor, heads: usize, tokens: usize, shape: &[usize]) -> Result<Tensor, Fault> {
        let features = x.elem_count() / (shape[0] * heads * tokens).max(1);
        let x = x.reshape((shape[0], heads, tokens, features))?;
        Ok(if shape.len() == 4 { x } else { x.transpose(1, 2)?.contiguous()?.reshape(shape)? })
    }

    impl Heads {
        /// Each query's shares of all keys.
        fn shares(&self, mask: AttentionMask) -> Result<Tensor, Fault> {
            let (products, scale) = (multiply(&self.query, &self.key.t()?)?, self.scale);
            let mut scores = map(&[&products], products.dims(), &function!([scale] | x | x * scale))?;
            drop(products);
            if mask == AttentionMask::Causal {
                // What is hidden is known before the first image.
                scores = uncounted(|| self.hide_later(&scores))?;
            }
            let most = reduce(&scores, &[3], &Max)?;
            let powers = map(&[&scores, &most], scores.dims(), &function!(|x, m| (x - m).exp()))?;
            drop(scores);
            let sums = reduce(&powers, &[3], &Sum)?;
            map(&[&powers, &sums], powers.dims(), &function!(|x, sum| x / sum))
        }

        /// A query sees no key behind its own place.
        fn hide_later(&self, scores: &Tensor) -> Result<Tensor, Fault> {
            let (rows, keys) = (scores.dims()[2], scores.dims()[3]);
            let seen =
                |row: usize, key: usize| if key <= row % self.tokens { 0.0 } else { f64::NEG_INFINITY };
            let mask: Vec<f64> = (0..rows).flat_map(|row| (0..keys).map(move |key| seen(row, key))).collect();
            let mask = Tensor::from_vec(mask, (rows, keys), &candle_core::Device::Cpu)?;
            let mask = mask.to_dtype(scores.dtype())?.to_device(scores.device())?;
            map(&[scores, &mask], scores.dims(), &function!(|x, m| x + m))
        }
    }

    impl Execute for Attention {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let heads = self.heads(call.io, [&call.inputs[0], &call.inputs[1], &call.inputs[2]])?;
            let y = multiply(&heads.shares(self.mask)?, &heads.value)?;
            Ok(together(&y, heads.heads, heads.tokens, &call.shape(0))?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let heads = self.heads(call.io, [call.input(0)?, call.input(1)?, call.input(2)?])?;
            let shares = heads.shares(self.mask)?;
            let (features, scale) = (heads.value.dims()[3], heads.scale);
            let gradient = apart(call.gradient()?, heads.heads, heads.tokens, features)?;
            let (batch, shared, rows, _) = shares.dims4()?;
            let gradient = gradient.reshape((batch, shared, rows, features))?;
            let (keys, mut gradients) = (shares.dims()[3], Gradients::default());
            let of_value = call.wants(2).then(|| {
                let own = multiply(&shares.t()?, &gradient)?;
                together(&own, shared, keys, &call.shape(2))
            });
            let of_value = of_value.transpose()?;
            // The softmax backward: dS = P·(dP − Σ P·dP).
            let of_shares = multiply(&gradient, &heads.value.t()?)?;
            let products = map(&[&shares, &of_shares], shares.dims(), &function!(|p, d| p * d))?;
            let sums = reduce(&products, &[3], &Sum)?;
            drop(products);
            let formula = function!([scale] | p, d, sum | p * (d - sum) * scale);
            let of_scores = map(&[&shares, &of_shares, &sums], shares.dims(), &formula)?;
            drop((shares, of_shares));
            let of_query = call.wants(0).then(|| {
                together(&multiply(&of_scores, &heads.key)?, heads.heads, heads.tokens, &call.shape(0))
            });
            gradients.inputs.push(of_query.transpose()?);
            let of_key = call
                .wants(1)
                .then(|| together(&multiply(&of_scores.t()?, &heads.query)?, shared, keys, &call.shape(1)));
            gradients.inputs.push(of_key.transpose()?);
            gradients.inputs.push(of_value);
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let [[batch, heads, queries, _], [_, _, keys, _], _] =
                self.all(io.inputs).map_err(|_| Overflow)?;
            let scores = product(&[batch, heads, queries, keys, io.inputs[0].dtype.bits().div_ceil(8)])?;
            // A mask is made of doubles. Where the heads are not an axis, all tensors are laid out anew.
            let hidden = match self.mask {
                AttentionMask::Causal => product(&[heads, queries, keys, 16])?,
                _ => 0,
            };
            let tensors = io.inputs.iter().map(|input| input.bytes().get());
            let tensors = sum(tensors.chain([io.outputs[0].bytes().get()]))?;
            let alive = if pass == Pass::Forward { 3 } else { 5 };
            sum([product(&[alive, scores])?, product(&[2, tensors])?, hidden])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn attention(heads: Option<u64>, kv_heads: Option<u64>) -> Attention {
        let [heads, kv_heads] = [heads, kv_heads].map(|heads| heads.and_then(NonZeroU64::new));
        Attention { heads, kv_heads, mask: AttentionMask::None, scale: None }
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
