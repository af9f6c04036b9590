use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one,
    shape,
};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, product, sum};

attributes! {
    /// A product of tensors in Einstein's notation.
    ///
    /// ## Formula
    /// `bhid,bhjd->bhij`: letters name axes; what the output does not name is summed over. `…` stands for further axes,
    /// which broadcast; without `->` the output has the letters that stand once, in alphabetical order.
    ///
    /// ## Counted
    /// Tensors are joined from left to right; an axis that neither the output nor a later tensor names is summed over as
    /// soon as it can be. If only one of the two tensors of a step names it, that is before they are joined, as for a
    /// tensor alone: 1 add for each element that is summed away. MACs of a step: the product of the sizes of all other
    /// axes that the two name, if one is summed over; else 1 mul for each element.
    ///
    /// ## Source
    /// `torch.einsum`; ONNX Einsum.
    Einsum = "einsum" {
        /// The notation.
        equation: String,
    }
}

/// An axis: a letter, or a number from the end for those behind an ellipsis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// The axes of one tensor and their sizes.
type Term = Vec<(Label, u64)>;

impl Einsum {
    fn error(message: impl Into<String>) -> Box<Mismatch> {
        Mismatch::new(Code::ShapeMismatch, message).attribute("equation")
    }

    /// The labels of one part of the notation, for so many axes.
    fn labels(part: &str, rank: usize) -> Result<Vec<Label>, Box<Mismatch>> {
        let letters = part.chars().filter(|letter| letter.is_alphabetic()).count();
        let mut labels = Vec::new();
        let mut rest = part.trim();
        while let Some(letter) = rest.chars().next() {
            if let Some(behind) = rest.strip_prefix("...") {
                let hidden = rank.checked_sub(letters).ok_or_else(|| {
                    Self::error(format!("`{part}` names {letters} axes, but a tensor has {rank}"))
                })?;
                labels.extend((0..hidden).rev().map(Label::Ellipsis));
                rest = behind;
                continue;
            }
            if letter.is_alphabetic() {
                labels.push(Label::Letter(letter));
            } else if !letter.is_whitespace() {
                return Err(Self::error(format!("`{letter}` has no meaning in the notation")));
            }
            rest = &rest[letter.len_utf8()..];
        }
        Ok(labels)
    }

    /// The tensors' axes and the output's.
    fn terms(&self, inputs: &[&TensorType]) -> Result<(Vec<Term>, Term), Box<Mismatch>> {
        let (left, right) = match self.equation.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (self.equation.as_str(), None),
        };
        let parts: Vec<&str> = left.split(',').collect();
        if parts.len() != inputs.len() {
            return Err(Self::error(format!(
                "it names {} tensors, but is given {}",
                parts.len(),
                inputs.len()
            )));
        }
        let mut sizes: Vec<(Label, u64)> = Vec::new();
        let mut terms = Vec::new();
        for (index, (part, input)) in parts.iter().zip(inputs).enumerate() {
            let labels = Self::labels(part, input.shape.rank())?;
            if labels.len() != input.shape.rank() {
                return Err(Self::error(format!("`{}` names {} axes", part.trim(), labels.len()))
                    .input(index, format!("this is {}", input.shape)));
            }
            for (&label, &size) in labels.iter().zip(input.shape.axes()) {
                match sizes.iter_mut().find(|(other, _)| *other == label) {
                    None => sizes.push((label, size)),
                    Some((_, known)) if *known == 1 => *known = size,
                    Some((_, known)) if *known != size && size != 1 => {
                        return Err(Self::error(format!(
                            "an axis is {known} in one tensor and {size} in another"
                        ))
                        .input(index, format!("this is {}", input.shape)));
                    }
                    Some(_) => {}
                }
            }
            terms.push(labels);
        }
        let labels = match right {
            Some(right) => {
                let hidden = sizes.iter().filter(|(label, _)| matches!(label, Label::Ellipsis(_))).count();
                let letters = right.chars().filter(|letter| letter.is_alphabetic()).count();
                Self::labels(right, letters + hidden)?
            }
            None => {
                let mut single: Vec<Label> = sizes
                    .iter()
                    .map(|(label, _)| *label)
                    .filter(|label| {
                        let count = terms.iter().flatten().filter(|other| *other == label).count();
                        count == 1 || matches!(label, Label::Ellipsis(_))
                    })
                    .collect();
                // The axes behind the ellipsis stand first, the outermost of them in front.
                single.sort_by_key(|label| match label {
                    Label::Ellipsis(back) => (0, usize::MAX - back, ' '),
                    Label::Letter(letter) => (1, 0, *letter),
                });
                single
            }
        };
        let size =
            |label: Label| sizes.iter().find(|(other, _)| *other == label).map(|(_, size)| (label, *size));
        let output: Option<Term> = labels.into_iter().map(size).collect();
        let output = output.ok_or_else(|| Self::error("the output names an axis that no tensor has"))?;
        let terms = terms.into_iter().map(|labels| labels.into_iter().filter_map(size).collect()).collect();
        Ok((terms, output))
    }

    /// Every product of two tensors in turn, the first with the second, what they make with the third.
    fn pairs(&self, inputs: &[&TensorType]) -> Result<Vec<Pair>, Overflow> {
        // `infer` accepted the inputs.
        let (mut terms, output) = self.terms(inputs).map_err(|_| Overflow)?;
        // A tensor's own sizes: an axis of size 1 is as long as the other's from where they meet.
        for (term, input) in terms.iter_mut().zip(inputs) {
            term.iter_mut().zip(input.shape.axes()).for_each(|((_, size), own)| *size = *own);
        }
        let mut joined = unique(terms.first().cloned().unwrap_or_default());
        let mut pairs = Vec::new();
        for (index, term) in terms.iter().enumerate().skip(1) {
            let needed = |label: &Label| {
                let later = terms[index + 1..].iter().flatten();
                output.iter().chain(later).any(|(other, _)| other == label)
            };
            // What one of the two alone names, and nothing needs, is summed over first.
            let (mut own, mut summed) = ([joined, unique(term.clone())], 0);
            for (at, other) in [(0, 1), (1, 0)] {
                let names = |label: &Label| own[other].iter().any(|(named, _)| named == label);
                let left: Term =
                    own[at].iter().copied().filter(|(label, _)| needed(label) || names(label)).collect();
                summed = sum([summed, elements(&own[at])?.saturating_sub(elements(&left)?)])?;
                own[at] = left;
            }
            let all = unique(own.concat());
            let made: Term = all.iter().copied().filter(|(label, _)| needed(label)).collect();
            pairs.push(Pair { own, made: made.clone(), products: elements(&all)?, summed });
            joined = made;
        }
        Ok(pairs)
    }
}

/// Two tensors that are multiplied.
struct Pair {
    own: [Term; 2],
    made: Term,
    products: u64,
    /// Additions before it, of what one of them alone names.
    summed: u64,
}

impl Pair {
    /// Multiply-accumulates of a product of two tensors that makes a third: none where nothing is summed over.
    fn macs(&self, one: &Term, other: &Term, made: &Term) -> u64 {
        let has = |term: &Term, label: &Label| term.iter().any(|(own, _)| own == label);
        let is_summed = one.iter().any(|(label, _)| has(other, label) && !has(made, label));
        if is_summed { self.products } else { 0 }
    }

    fn forward(&self) -> u64 {
        self.macs(&self.own[0], &self.own[1], &self.made)
    }

    /// Of the gradients of both.
    fn backward(&self) -> Result<u64, Overflow> {
        let [first, second] = &self.own;
        sum([self.macs(&self.made, second, first), self.macs(&self.made, first, second)])
    }
}

/// Each label once, with its greatest size.
fn unique(mut term: Term) -> Term {
    term.sort_unstable_by(|(label, size), (other, other_size)| label.cmp(other).then(other_size.cmp(size)));
    term.dedup_by_key(|(label, _)| *label);
    term
}

fn elements(term: &[(Label, u64)]) -> Result<u64, Overflow> {
    product(&term.iter().map(|(_, size)| *size).collect::<Vec<_>>())
}

impl Operator for Einsum {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Outputs, Box<Mismatch>> {
        let dtype = shape::common_dtype(inputs)?;
        let (_, output) = self.terms(inputs)?;
        shape::check_rank(output.len())?;
        one(TensorType { shape: TensorShape::new(output.into_iter().map(|(_, size)| size)), dtype })
    }

    fn weights(&self, _: &[&TensorType]) -> Weights {
        Weights::new()
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn cost(&self, io: Io<'_>) -> Result<Cost, Overflow> {
        if let [one] = io.inputs {
            let (terms, output) = self.terms(&[one]).map_err(|_| Overflow)?;
            let own = elements(&unique(terms.into_iter().flatten().collect()))?;
            return Cost::NONE.and(Kind::Add, own.saturating_sub(elements(&output)?));
        }
        let (pairs, mut cost) = (self.pairs(io.inputs)?, Cost::NONE);
        for (index, pair) in pairs.iter().enumerate() {
            cost = cost.and(Kind::Add, pair.summed)?;
            let macs = pair.forward();
            if macs == 0 {
                cost = cost.and(Kind::Mul, pair.products)?;
            } else {
                let written =
                    if index + 1 == pairs.len() { io.output_elements() } else { elements(&pair.made)? };
                let activations = sum([cost.activations, written])?;
                cost = Cost { macs: sum([cost.macs, macs])?, activations, ..cost };
            }
        }
        Ok(cost)
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // Two products for each forward, and all but the last of those again: what they made is not kept.
        let pairs = self.pairs(io.inputs)?;
        let both = pairs.iter().map(Pair::backward).collect::<Result<Vec<_>, _>>()?;
        let again = pairs.iter().rev().skip(1).map(Pair::forward);
        let macs = sum(both.into_iter().chain(again))?;
        Ok(Backward { grad_input_macs: macs, ..Backward::keeps(Kept::INPUTS) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
    }
}

#[cfg(feature = "exec")]
mod execute {
    use super::super::execute::kernel::products::multiply;
    use super::super::execute::kernel::rows::{Rows, pick, put};
    use super::super::execute::prelude::*;
    use super::{Einsum, Label, elements, unique};

    /// A tensor whose axes have names; no name stands twice.
    #[derive(Clone)]
    struct Named {
        labels: Vec<Label>,
        x: Tensor,
    }

    /// The places of the diagonal over axes that share a name, and the names that are left with their sizes.
    fn diagonal(labels: &[Label], shape: &[usize]) -> (Vec<Label>, Vec<usize>, Vec<usize>) {
        let (mut left, mut sizes, mut steps): (Vec<Label>, Vec<usize>, Vec<usize>) = Default::default();
        let mut step = 1;
        for (&label, &size) in labels.iter().zip(shape).rev() {
            match left.iter().position(|&other| other == label) {
                Some(place) => steps[place] += step,
                None => {
                    left.push(label);
                    sizes.push(size);
                    steps.push(step);
                }
            }
            step *= size;
        }
        left.reverse();
        sizes.reverse();
        steps.reverse();
        let mut places = vec![0];
        for (&size, &step) in sizes.iter().zip(&steps) {
            places =
                places.iter().flat_map(|&place| (0..size).map(move |index| place + index * step)).collect();
        }
        (left, sizes, places)
    }

    impl Named {
        fn new(labels: &[Label], x: &Tensor) -> Result<Self, Fault> {
            let mut distinct = labels.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            if distinct.len() == labels.len() {
                return Ok(Self { labels: labels.to_vec(), x: x.clone() });
            }
            let (labels, sizes, places) = diagonal(labels, x.dims());
            Ok(Self { labels, x: pick(x, Rows::flat(x.elem_count(), 1), &places, 0.0, &sizes)? })
        }

        fn has(&self, label: Label) -> bool {
            self.labels.contains(&label)
        }

        fn size(&self, label: Label) -> usize {
            let place = self.labels.iter().position(|&other| other == label);
            place.map_or(1, |place| self.x.dims()[place])
        }

        /// With axes in this order; an axis that it does not name has size 1.
        fn ordered(&self, order: &[Label]) -> Result<Tensor, Fault> {
            let places: Vec<usize> = order
                .iter()
                .filter_map(|label| self.labels.iter().position(|other| other == label))
                .collect();
            let sizes: Vec<usize> = order.iter().map(|&label| self.size(label)).collect();
            Ok(self.x.permute(places)?.contiguous()?.reshape(sizes)?)
        }

        /// Summed over all axes but these.
        fn summed(self, keep: impl Fn(Label) -> bool) -> Result<Self, Fault> {
            let axes: Vec<usize> = (0..self.labels.len()).filter(|&axis| !keep(self.labels[axis])).collect();
            if axes.is_empty() {
                return Ok(self);
            }
            let labels: Vec<Label> = self.labels.iter().copied().filter(|&label| keep(label)).collect();
            let sizes: Vec<usize> = labels.iter().map(|&label| self.size(label)).collect();
            Ok(Self { x: reduce(&self.x, &axes, &Sum)?.reshape(sizes)?, labels })
        }

        /// The reverse of a sum or a broadcast: with the axes and sizes of `like`.
        fn shaped_as(self, like: &Self) -> Result<Self, Fault> {
            let narrow = self.summed(|label| like.has(label))?;
            let x = narrow.ordered(&like.labels)?;
            let wide: Vec<usize> =
                x.dims().iter().zip(like.x.dims()).map(|(&own, &size)| own.max(size)).collect();
            let x = sum_to(&x.broadcast_as(wide)?.contiguous()?, like.x.dims())?;
            Ok(Self { labels: like.labels.clone(), x })
        }
    }

    /// The product of two tensors, summed over the axes that both name and nothing keeps.
    fn joined(a: &Named, b: &Named, keep: impl Fn(Label) -> bool) -> Result<Named, Fault> {
        let of = |own: &Named, wanted: &dyn Fn(Label) -> bool| -> Vec<Label> {
            own.labels.iter().copied().filter(|&label| wanted(label)).collect()
        };
        let batch = of(a, &|label| b.has(label) && keep(label));
        let summed = of(a, &|label| b.has(label) && !keep(label));
        let (rows, columns) = (of(a, &|label| !b.has(label)), of(b, &|label| !a.has(label)));
        let size = |label: &Label| a.size(*label).max(b.size(*label));
        let labels = [batch.as_slice(), &rows, &columns].concat();
        let sizes: Vec<usize> = labels.iter().map(size).collect();
        if summed.is_empty() {
            let (a, b) = (a.ordered(&labels)?, b.ordered(&labels)?);
            return Ok(Named { x: map(&[&a, &b], &sizes, &function!(|a, b| a * b))?, labels });
        }
        let total = |labels: &[Label]| labels.iter().map(size).product::<usize>();
        let matrices = |own: &Named, parts: [&[Label]; 3]| -> Result<Tensor, Fault> {
            let order = parts.concat();
            let wide: Vec<usize> = order.iter().map(size).collect();
            let wide = own.ordered(&order)?.broadcast_as(wide)?.contiguous()?;
            Ok(wide.reshape((total(parts[0]), total(parts[1]), total(parts[2])))?)
        };
        let x =
            multiply(&matrices(a, [&batch, &rows, &summed])?, &matrices(b, [&batch, &summed, &columns])?)?;
        Ok(Named { x: x.reshape(sizes)?, labels })
    }

    /// Two tensors of a step, as they came and after what one alone names is summed over.
    struct Step {
        whole: [Named; 2],
        summed: [Named; 2],
    }

    /// What the notation says, as labels.
    struct Notation {
        terms: Vec<Vec<Label>>,
        output: Vec<Label>,
    }

    impl Notation {
        fn needed(&self, label: Label, from: usize) -> bool {
            self.output.contains(&label) || self.terms[from..].iter().any(|term| term.contains(&label))
        }

        /// All steps but the product of the last.
        fn steps(&self, inputs: &[&Tensor]) -> Result<Vec<Step>, Fault> {
            let mut steps: Vec<Step> = Vec::new();
            for (index, (term, input)) in self.terms.iter().zip(inputs).enumerate().skip(1) {
                let all = match steps.last() {
                    None => Named::new(&self.terms[0], inputs[0])?,
                    Some(step) => self.joined(index - 1, step)?,
                };
                let whole = [all, Named::new(term, input)?];
                let left = |own: usize, other: usize| {
                    whole[own]
                        .clone()
                        .summed(|label| whole[other].has(label) || self.needed(label, index + 1))
                };
                let summed = [left(0, 1)?, left(1, 0)?];
                steps.push(Step { whole, summed });
            }
            Ok(steps)
        }

        /// The product of a step.
        fn joined(&self, index: usize, step: &Step) -> Result<Named, Fault> {
            joined(&step.summed[0], &step.summed[1], |label| self.needed(label, index + 1))
        }
    }

    impl Einsum {
        fn notation(&self, io: Io<'_>) -> Result<Notation, Fault> {
            let (terms, output) =
                self.terms(io.inputs).map_err(|_| Fault::internal("a notation that does not fit"))?;
            let names = |term: Vec<(Label, u64)>| term.into_iter().map(|(label, _)| label).collect();
            Ok(Notation { terms: terms.into_iter().map(names).collect(), output: names(output) })
        }
    }

    impl Execute for Einsum {
        fn forward(&self, call: &Call<'_>) -> Result<Made, Fault> {
            let notation = self.notation(call.io)?;
            let inputs: Vec<&Tensor> = call.inputs.iter().collect();
            let all = match notation.steps(&inputs)?.last() {
                None => Named::new(&notation.terms[0], inputs[0])?,
                Some(last) => notation.joined(inputs.len() - 1, last)?,
            };
            let all = all.summed(|label| notation.output.contains(&label))?;
            Ok(all.ordered(&notation.output)?.broadcast_as(call.shape(0))?.force_contiguous()?.into())
        }

        fn gradients(&self, call: &BackwardCall<'_>) -> Result<Gradients, Fault> {
            let notation = self.notation(call.io)?;
            let inputs =
                (0..call.io.inputs.len()).map(|index| call.input(index)).collect::<Result<Vec<_>, _>>()?;
            let steps = notation.steps(&inputs)?;
            let mut gradient = Named { labels: notation.output.clone(), x: call.gradient()?.clone() };
            if steps.is_empty() {
                gradient = gradient.shaped_as(&Named::new(&notation.terms[0], inputs[0])?)?;
            }
            let mut own = vec![None; inputs.len()];
            for (index, step) in steps.iter().enumerate().rev() {
                let [a, b] = &step.summed;
                if call.wants(index + 1) {
                    let of_b = joined(&gradient, a, |label| b.has(label))?;
                    own[index + 1] = Some(of_b.shaped_as(b)?.shaped_as(&step.whole[1])?);
                }
                let of_a = joined(&gradient, b, |label| a.has(label))?;
                gradient = of_a.shaped_as(a)?.shaped_as(&step.whole[0])?;
            }
            own[0] = call.wants(0).then_some(gradient);
            let mut gradients = Gradients::default();
            for (index, own) in own.into_iter().enumerate() {
                let (labels, shape) = (&notation.terms[index], call.shape(index));
                let back = own.map(|own| {
                    let (left, _, places) = diagonal(labels, &shape);
                    let x = own.ordered(&left)?;
                    if left.len() == labels.len() {
                        return Ok(x.force_contiguous()?);
                    }
                    put(&x, Rows::flat(shape.iter().product(), 1), &places, &shape)
                });
                gradients.inputs.push(back.transpose()?);
            }
            Ok(gradients)
        }

        fn workspace(&self, io: Io<'_>, pass: Pass) -> Result<u64, Overflow> {
            let (terms, output) = self.terms(io.inputs).map_err(|_| Overflow)?;
            // Each tensor in order and as wide as it is read, and all that is joined so far; doubles at most.
            let mut numbers = product(&[2, elements(&output)?])?;
            let mut so_far = Vec::new();
            for (index, term) in terms.iter().enumerate() {
                so_far = unique([so_far.as_slice(), term].concat());
                let needed = |label: &Label| {
                    let later = terms[index + 1..].iter().flatten();
                    output.iter().chain(later).any(|(other, _)| other == label)
                };
                so_far.retain(|(label, _)| needed(label));
                numbers =
                    sum([numbers, product(&[6, elements(term)?])?, product(&[6, elements(&so_far)?])?])?;
            }
            product(&[numbers, 8, if pass == Pass::Forward { 1 } else { 3 }])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::check;

    fn einsum(equation: &str) -> Einsum {
        Einsum { equation: equation.into() }
    }

    #[test]
    fn products() {
        // 2 heads of 5·7 scores of 3 features.
        check(einsum("bhid,bhjd->bhij"), &[&[1, 2, 5, 3], &[1, 2, 7, 3]])
            .outputs("1x2x5x7")
            .macs(2 * 5 * 7 * 3)
            .activations(70);
        check(einsum("... i j, j k -> ... i k"), &[&[4, 6, 2, 3], &[3, 5]]).outputs("4x6x2x5").macs(24 * 30);
        check(einsum("ij,jk"), &[&[2, 3], &[3, 5]]).outputs("2x5").macs(30);
        // ij·jk is 2·3·5, then ik·kl 2·5·7.
        check(einsum("ij,jk,kl->il"), &[&[2, 3], &[3, 5], &[5, 7]])
            .outputs("2x7")
            .macs(30 + 70)
            .activations(10 + 14)
            // Both products' two gradients, and the first product again.
            .gradient_macs(2 * (30 + 70) + 30, 0);
        // An outer product has multiplications alone; its gradients sum over rows and columns.
        check(einsum("i,j->ij"), &[&[3], &[5]]).macs(0).flops(15).gradient_macs(30, 0);
        // b is as long as 5 from the third tensor on.
        check(einsum("bij,bjk,bkl->bil"), &[&[1, 2, 3], &[1, 3, 4], &[5, 4, 6]])
            .macs(2 * 3 * 4 + 5 * 2 * 4 * 6);
        // k of the second tensor is summed over first: 2·3·4 products are left.
        check(einsum("bij,jkl->k"), &[&[2, 3, 4], &[4, 5, 6]]).macs(4 * 5);
    }

    #[test]
    fn without_a_product() {
        check(einsum("bchw,bc->bchw"), &[&[1, 2, 3, 4], &[1, 2]]).outputs("1x2x3x4").macs(0).flops(24);
        check(einsum("ij->j"), &[&[3, 4]]).outputs("4").macs(0).flops(8);
        check(einsum("ij->ji"), &[&[3, 4]]).outputs("4x3").flops(0);
    }

    #[test]
    fn what_does_not_fit() {
        check(einsum("ij,jk->ik"), &[&[2, 3]]).refused("it names 2 tensors, but is given 1");
        check(einsum("ij,jk->ik"), &[&[2, 3], &[4, 5]])
            .refused("an axis is 3 in one tensor and 4 in another");
        check(einsum("ij->k"), &[&[2, 3]]).refused("names an axis that no tensor has");
        check(einsum("i1->i"), &[&[2, 3]]).refused("`1` has no meaning");
        check(einsum("i->i"), &[&[2, 3]]).refused("names 1 axes");
    }
}
