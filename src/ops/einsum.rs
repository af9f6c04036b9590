use std::ops::RangeInclusive;

use super::attribute::attributes;
use super::{
    Backward, Channels, Cost, Family, Io, Kept, Kind, Mismatch, Operator, Outputs, Storage, Weights, one, shape,
};
use crate::diagnostic::Code;
use crate::tensor::{TensorShape, TensorType};
use crate::units::{Overflow, product};

attributes! {
    /// A product of tensors in Einstein's notation.
    ///
    /// ## Formula
    /// `bhid,bhjd->bhij`: letters name axes; what the output does not name is summed over. `…` stands for further axes,
    /// which broadcast; without `->` the output has the letters that stand once, in alphabetical order.
    ///
    /// ## Counted
    /// Tensors are joined from left to right; an axis that neither the output nor a later tensor names is summed over as
    /// soon as it can be. MACs of a step: the product of the sizes of all axes that the two tensors name, if one is
    /// summed over; else 1 mul for each element. A tensor alone: 1 add for each element that is summed away.
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
            return Err(Self::error(format!("it names {} tensors, but is given {}", parts.len(), inputs.len())));
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
                        return Err(Self::error(format!("an axis is {known} in one tensor and {size} in another"))
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
        let size = |label: Label| sizes.iter().find(|(other, _)| *other == label).map(|(_, size)| (label, *size));
        let output: Option<Term> = labels.into_iter().map(size).collect();
        let output = output.ok_or_else(|| Self::error("the output names an axis that no tensor has"))?;
        let terms = terms.into_iter().map(|labels| labels.into_iter().filter_map(size).collect()).collect();
        Ok((terms, output))
    }

    /// The work of all steps.
    fn steps(&self, inputs: &[&TensorType], outputs: u64) -> Result<Cost, Overflow> {
        // `infer` accepted the inputs.
        let (terms, output) = self.terms(inputs).map_err(|_| Overflow)?;
        let mut cost = Cost::NONE;
        let mut joined = unique(terms.first().cloned().unwrap_or_default());
        if terms.len() == 1 {
            return cost.and(Kind::Add, elements(&joined)?.saturating_sub(elements(&output)?));
        }
        for (index, term) in terms.iter().enumerate().skip(1) {
            let all = unique(joined.iter().chain(term).copied().collect());
            let needed = |label: &Label| {
                let later = terms[index + 1..].iter().flatten();
                output.iter().chain(later).any(|(other, _)| other == label)
            };
            let kept: Term = all.iter().copied().filter(|(label, _)| needed(label)).collect();
            let products = elements(&all)?;
            let made = elements(&kept)?;
            if kept.len() == all.len() {
                cost = cost.and(Kind::Mul, products)?;
            } else {
                let macs = cost.macs.checked_add(products).ok_or(Overflow)?;
                let written = if index + 1 == terms.len() { outputs } else { made };
                let activations = cost.activations.checked_add(written).ok_or(Overflow)?;
                cost = Cost { macs, activations, ..cost };
            }
            joined = kept;
        }
        Ok(cost)
    }
}

fn unique(mut term: Term) -> Term {
    term.sort_unstable();
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
        self.steps(io.inputs, io.output_elements())
    }

    fn storage(&self) -> Storage {
        Storage::New
    }

    fn backward(&self, io: Io<'_>) -> Result<Backward, Overflow> {
        // A product of as many MACs for the gradient of each tensor.
        let macs = product(&[io.inputs.len() as u64, self.cost(io)?.macs])?;
        Ok(Backward { grad_input_macs: macs, ..Backward::keeps(Kept::INPUTS) })
    }

    fn channels(&self, _: Io<'_>, _: usize) -> Channels {
        Channels::Mixed
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
        check(einsum("ij,jk,kl->il"), &[&[2, 3], &[3, 5], &[5, 7]]).outputs("2x7").macs(30 + 70).activations(10 + 14);
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
        check(einsum("ij,jk->ik"), &[&[2, 3], &[4, 5]]).refused("an axis is 3 in one tensor and 4 in another");
        check(einsum("ij->k"), &[&[2, 3]]).refused("names an axis that no tensor has");
        check(einsum("i1->i"), &[&[2, 3]]).refused("`1` has no meaning");
        check(einsum("i->i"), &[&[2, 3]]).refused("names 1 axes");
    }
}
