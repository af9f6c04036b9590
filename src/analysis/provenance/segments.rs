//! What a tensor's channels are made of: runs of channels with one origin each.

use std::rc::Rc;

/// Some channels of one producer that reach some channels of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// The graph input or weight layer, numbered as in [`super::Producers`].
    pub producer: u32,
    /// The first of its output channels.
    pub first: u64,
    /// How many of them. As many as the segment has channels, or in proportion to them.
    pub span: u64,
    /// Whether every channel of the segment carries all of them (a broadcast channel, a lost channel axis).
    pub whole: bool,
    /// On how many ways without weights they arrive: 2 after `x + x`.
    pub multiplicity: u64,
}

impl Term {
    /// The part that reaches channels `from..to` of a segment of so many channels.
    fn cut(self, channels: u64, from: u64, to: u64) -> Self {
        if self.whole {
            return self;
        }
        if self.span == channels {
            return Self { first: self.first + from, span: to - from, ..self };
        }
        // Channels repeated or folded: in proportion, rounded outwards.
        let scale = |at: u64| u128::from(at) * u128::from(self.span);
        let (low, high) = (scale(from) / u128::from(channels), scale(to).div_ceil(u128::from(channels)));
        let [low, high] = [low, high].map(|at| u64::try_from(at).unwrap_or(self.span));
        Self { first: self.first + low, span: high - low, ..self }
    }

    fn key(&self) -> (u32, u64, u64, bool) {
        (self.producer, self.first, self.span, self.whole)
    }
}

/// The terms of one segment. One is the rule; sums have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    One(Term),
    /// In order, each key once.
    Many(Rc<[Term]>),
}

/// Neighbouring channels of a tensor with one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// How many.
    pub channels: u64,
    /// The value they carry: what a weight layer, a sum or a product made, by number. What acts on each channel
    /// alone (activations, normalizations, pools) keeps it.
    pub value: u64,
    /// The first of the value's channels.
    pub at: u64,
    pub(super) terms: Terms,
}

impl Segment {
    /// A segment with these terms.
    pub(super) fn new(channels: u64, value: u64, at: u64, mut terms: Vec<Term>) -> Self {
        let terms = match (terms.len(), terms.pop()) {
            (1, Some(term)) => Terms::One(term),
            (_, last) => {
                terms.extend(last);
                Terms::Many(terms.into())
            }
        };
        Self { channels, value, at, terms }
    }

    /// Where its channels come from, by producer and channel.
    pub fn terms(&self) -> &[Term] {
        match &self.terms {
            Terms::One(term) => std::slice::from_ref(term),
            Terms::Many(terms) => terms,
        }
    }

    /// Its channels `from..to`.
    pub(super) fn cut(&self, from: u64, to: u64) -> Self {
        if from == 0 && to == self.channels {
            return self.clone();
        }
        let cut = |term: &Term| term.cut(self.channels, from, to);
        let terms = match &self.terms {
            Terms::One(term) => Terms::One(cut(term)),
            Terms::Many(terms) => {
                let mut parts: Vec<Term> = terms.iter().map(cut).collect();
                merge(&mut parts, u64::max);
                Terms::Many(parts.into())
            }
        };
        Self { channels: to - from, value: self.value, at: self.at + from, terms }
    }

    /// Whether `next` continues this one channel by channel.
    fn continues(&self, next: &Self) -> bool {
        let follows = |(a, b): (&Term, &Term)| {
            (a.producer, a.multiplicity, a.whole) == (b.producer, b.multiplicity, b.whole)
                && if a.whole {
                    (a.first, a.span) == (b.first, b.span)
                } else {
                    a.span == self.channels && b.span == next.channels && a.first + a.span == b.first
                }
        };
        self.value == next.value
            && self.at + self.channels == next.at
            && self.terms().len() == next.terms().len()
            && self.terms().iter().zip(next.terms()).all(follows)
    }

    /// Joins `next`, which continues this one.
    fn join(&mut self, next: &Self) {
        let grow = |term: &mut Term| {
            if !term.whole {
                term.span += next.channels;
            }
        };
        match &mut self.terms {
            Terms::One(term) => grow(term),
            Terms::Many(terms) => {
                let mut longer = terms.to_vec();
                longer.iter_mut().for_each(grow);
                *terms = longer.into();
            }
        }
        self.channels += next.channels;
    }
}

/// The segments of one tensor, in the order of its channels. Tensors that carry the same channels share them.
pub type Segments = Rc<[Segment]>;

/// Appends a segment; one that continues the last joins it.
pub(super) fn push(segments: &mut Vec<Segment>, next: Segment) {
    match segments.last_mut() {
        Some(last) if last.continues(&next) => last.join(&next),
        _ => segments.push(next),
    }
}

/// Appends channels `from..to` of a tensor; returns how many terms that took.
pub(super) fn append(segments: &mut Vec<Segment>, tensor: &[Segment], from: u64, to: u64) -> u64 {
    let (mut at, mut work) = (0, 0);
    for segment in tensor {
        work += 1;
        let end = at + segment.channels;
        if end > from && at < to {
            push(segments, segment.cut(from.saturating_sub(at), to.min(end) - at));
            work += segment.terms().len() as u64;
        }
        at = end;
        if at >= to {
            break;
        }
    }
    work + 1
}

/// Sorts terms and joins those of one key.
pub(super) fn merge(terms: &mut Vec<Term>, join: impl Fn(u64, u64) -> u64) {
    terms.sort_unstable();
    terms.dedup_by(|next, kept| {
        let same = next.key() == kept.key();
        if same {
            kept.multiplicity = join(kept.multiplicity, next.multiplicity);
        }
        same
    });
}

/// Channel by channel, what several tensors of equal channels carry together. A new value where at least two of them
/// come from anywhere. Returns the segments and how many terms they took.
pub(super) fn unite(tensors: &[&[Segment]], value: u64) -> (Vec<Segment>, u64) {
    let mut cursors: Vec<(usize, u64)> = vec![(0, 0); tensors.len()];
    let (mut united, mut at, mut work) = (Vec::new(), 0, 0);
    loop {
        let left = |(tensor, &(index, used)): (&&[Segment], &(usize, u64))| {
            tensor.get(index).map(|segment: &Segment| segment.channels - used)
        };
        let Some(length) = tensors.iter().zip(&cursors).filter_map(left).min() else { break };
        let mut parts: Vec<Segment> = Vec::new();
        for (tensor, (index, used)) in tensors.iter().zip(&mut cursors) {
            let Some(segment) = tensor.get(*index) else { continue };
            let part = segment.cut(*used, *used + length);
            *used += length;
            if *used == segment.channels {
                (*index, *used) = (*index + 1, 0);
            }
            if !part.terms().is_empty() {
                parts.push(part);
            }
        }
        work += 1 + parts.iter().map(|part| part.terms().len() as u64).sum::<u64>();
        match <[Segment; 1]>::try_from(parts) {
            Ok([part]) => push(&mut united, part),
            Err(parts) => {
                let mut terms: Vec<Term> =
                    parts.iter().flat_map(|part| part.terms().iter().copied()).collect();
                merge(&mut terms, u64::saturating_add);
                push(&mut united, Segment::new(length, value, at, terms));
            }
        }
        at += length;
    }
    (united, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(producer: u32, channels: u64) -> Segment {
        let term = Term { producer, first: 0, span: channels, whole: false, multiplicity: 1 };
        Segment::new(channels, u64::from(producer), 0, vec![term])
    }

    #[test]
    fn cut_and_joined_again_is_the_same() {
        let (mut parts, tensor) = (Vec::new(), [one(1, 8), one(2, 4)]);
        append(&mut parts, &tensor, 0, 3);
        append(&mut parts, &tensor, 3, 10);
        append(&mut parts, &tensor, 10, 12);
        assert_eq!(parts, tensor);
    }

    #[test]
    fn sums_break_where_an_operand_does() {
        let (left, right) = ([one(1, 8), one(2, 4)], [one(3, 6), one(1, 6)]);
        let (sum, _) = unite(&[&left, &right], 9);
        let channels: Vec<u64> = sum.iter().map(|segment| segment.channels).collect();
        assert_eq!(channels, [6, 2, 4]);
        let seen = |index: usize| -> Vec<(u32, u64, u64)> {
            sum[index].terms().iter().map(|term| (term.producer, term.first, term.span)).collect()
        };
        assert_eq!(seen(0), [(1, 0, 6), (3, 0, 6)]);
        assert_eq!(seen(1), [(1, 0, 2), (1, 6, 2)]);
        assert_eq!(seen(2), [(1, 2, 4), (2, 0, 4)]);
        let (twice, _) = unite(&[&left, &left], 9);
        assert_eq!(twice[0].terms()[0].multiplicity, 2);
    }
}
