//! Which layer of one network is which layer of another.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::sequence::{common, rising};
use crate::graph::{Graph, Node};
use crate::ops::Op;
use crate::tensor::TensorType;

/// What layers are matched by, as numbers that are equal where the things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The full name.
    name: u32,
    /// Whether the name counts, as `relu_2` does: a layer more before it makes it another one's name.
    numbered: bool,
    /// Op, attributes, types of inputs and outputs.
    exact: u32,
    /// Op and types of outputs.
    loose: u32,
    /// Op and sizes of the maps it makes, whatever their channels.
    coarse: u32,
}

/// Makes keys that can be compared between networks.
#[derive(Default)]
pub(super) struct Keys {
    names: FxHashMap<Arc<str>, u32>,
    ops: FxHashMap<String, u32>,
    types: FxHashMap<TensorType, u32>,
    parts: FxHashMap<SmallVec<[u32; 8]>, u32>,
}

/// The number of a thing: a new one where it was not seen before.
fn number<T: std::hash::Hash + Eq>(numbers: &mut FxHashMap<T, u32>, thing: T) -> u32 {
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    *numbers.entry(thing).or_insert(next)
}

impl Keys {
    /// The keys of all layers, in order.
    pub(super) fn of(&mut self, graph: &Graph) -> Vec<Key> {
        // Equal layers share their op: its text is made once.
        let mut known: FxHashMap<*const Op, u32> = FxHashMap::default();
        graph
            .nodes()
            .map(|(_, node)| {
                let op = *known.entry(Arc::as_ptr(&node.op)).or_insert_with(|| self.op(&node.op));
                self.key(graph, node, op)
            })
            .collect()
    }

    fn op(&mut self, op: &Op) -> u32 {
        let settings = serde_json::Value::from(
            op.settings()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<serde_json::Map<_, _>>(),
        );
        number(&mut self.ops, format!("{} {settings}", op.name()))
    }

    fn key(&mut self, graph: &Graph, node: &Node, op: u32) -> Key {
        let mut parts: SmallVec<[u32; 8]> = SmallVec::new();
        for output in &node.outputs {
            parts.push(number(&mut self.types, output.clone()));
        }
        let name_of_op = number(&mut self.ops, node.op.name().to_owned());
        let loose =
            number(&mut self.parts, [u32::MAX, name_of_op].into_iter().chain(parts.clone()).collect());
        let sizes = node.outputs.iter().flat_map(|output| output.shape.axes().iter().skip(2));
        let sizes = sizes.map(|&size| u32::try_from(size).unwrap_or(u32::MAX));
        let coarse = number(&mut self.parts, [u32::MAX - 1, name_of_op].into_iter().chain(sizes).collect());
        for input in graph.input_types(node) {
            parts.push(number(&mut self.types, input.clone()));
        }
        parts.insert(0, op);
        Key {
            name: number(&mut self.names, node.name.clone()),
            numbered: node.name.split('/').any(is_numbered),
            exact: number(&mut self.parts, parts),
            loose,
            coarse,
        }
    }
}

/// `relu_2`: what the reader calls the second `relu` of a scope.
fn is_numbered(segment: &str) -> bool {
    let Some((_, digits)) = segment.rsplit_once('_') else { return false };
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Pairs of layers by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// Those in order: rising on both sides.
    pub(super) in_order: Vec<(usize, usize)>,
    /// Those of the same name that stand elsewhere, rising on the second side.
    pub(super) moved: Vec<(usize, usize)>,
}

/// One way to match layers.
#[derive(Clone, Copy)]
struct Way {
    /// Whether names that count come before the order.
    trusts_numbers: bool,
    /// Whether layers that agree in everything but their name come before those that agree in less.
    exact: bool,
    /// Whether those that agree in op and output shape do.
    loose: bool,
}

/// Matches layers by name, then by op, attributes and shapes in their order, then by op and output shape, then by
/// op and map size. Names that count may know less than the order does, and what agrees by chance far apart leaves no
/// room for what lies between: of all ways the one that leaves fewest differences is taken, the first of equals.
pub(super) fn matches(a: &[Key], b: &[Key]) -> Matches {
    let is_numbered = a.iter().chain(b).any(|key| key.numbered);
    let mut best: Option<((usize, usize), Matches)> = None;
    for trusts_numbers in [true, false] {
        for (exact, loose) in [(true, true), (true, false), (false, false)] {
            if !trusts_numbers && !is_numbered {
                continue;
            }
            let found = one_way(a, b, Way { trusts_numbers, exact, loose });
            let cost = differences(a, b, &found);
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, found));
            }
        }
    }
    best.map(|(_, found)| found).unwrap_or_default()
}

/// How many layers a way of matching leaves alone or changed, and how many names.
fn differences(a: &[Key], b: &[Key], matches: &Matches) -> (usize, usize) {
    let pairs = matches.in_order.iter().chain(&matches.moved);
    let equal = pairs.clone().filter(|&&(i, j)| a[i].exact == b[j].exact).count();
    let named = pairs.clone().filter(|&&(i, j)| a[i].name == b[j].name).count();
    (a.len() + b.len() - pairs.count() - equal, a.len() + b.len() - 2 * named)
}

fn one_way(a: &[Key], b: &[Key], way: Way) -> Matches {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    refine(&mut pairs, a, b, |a, b| by_name(a, b, |key| way.trusts_numbers || !key.numbered));
    if way.exact {
        refine(&mut pairs, a, b, |a, b| by_order(a, b, |key| key.exact));
    }
    refine(&mut pairs, a, b, |a, b| by_name(a, b, |_| true));
    if way.loose {
        refine(&mut pairs, a, b, |a, b| by_order(a, b, |key| key.loose));
    }
    refine(&mut pairs, a, b, |a, b| by_order(a, b, |key| key.coarse));
    let (mut left_a, mut left_b) = (vec![true; a.len()], vec![true; b.len()]);
    for &(i, j) in &pairs {
        left_a[i] = false;
        left_b[j] = false;
    }
    let places: FxHashMap<u32, usize> = (0..a.len()).filter(|&i| left_a[i]).map(|i| (a[i].name, i)).collect();
    let rest = (0..b.len()).filter(|&j| left_b[j]);
    let moved = rest.filter_map(|j| Some((*places.get(&b[j].name)?, j))).collect();
    Matches { in_order: pairs, moved }
}

/// Fills the gaps between pairs with what is found in each.
fn refine(
    pairs: &mut Vec<(usize, usize)>,
    a: &[Key],
    b: &[Key],
    find: impl Fn(&[Key], &[Key]) -> Vec<(usize, usize)>,
) {
    let mut refined = Vec::with_capacity(pairs.len());
    let (mut start_a, mut start_b) = (0, 0);
    for &(i, j) in pairs.iter().chain([&(a.len(), b.len())]) {
        let (gap_a, gap_b) = (&a[start_a..i], &b[start_b..j]);
        if !gap_a.is_empty() && !gap_b.is_empty() {
            refined.extend(find(gap_a, gap_b).into_iter().map(|(x, y)| (x + start_a, y + start_b)));
        }
        if i < a.len() && j < b.len() {
            refined.push((i, j));
        }
        (start_a, start_b) = (i + 1, j + 1);
    }
    *pairs = refined;
}

fn by_name(a: &[Key], b: &[Key], trusts: impl Fn(&Key) -> bool) -> Vec<(usize, usize)> {
    let places: FxHashMap<u32, usize> = b.iter().enumerate().map(|(j, key)| (key.name, j)).collect();
    let pairs = a.iter().enumerate().filter_map(|(i, key)| Some((i, *places.get(&key.name)?)));
    rising(&pairs.filter(|&(i, _)| trusts(&a[i])).collect::<Vec<_>>())
}

fn by_order(a: &[Key], b: &[Key], key: impl Fn(&Key) -> u32) -> Vec<(usize, usize)> {
    let list = |keys: &[Key]| keys.iter().map(&key).collect::<Vec<u32>>();
    common(&list(a), &list(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers written `name:op:width`.
    fn keys(keys: &mut Keys, layers: &[&str]) -> Vec<Key> {
        layers
            .iter()
            .map(|layer| {
                let parts: Vec<&str> = layer.split(':').collect();
                Key {
                    name: number(&mut keys.names, parts[0].into()),
                    numbered: parts[0].split('/').any(is_numbered),
                    exact: number(&mut keys.ops, parts[1..].join(":")),
                    loose: number(&mut keys.ops, format!("loose {}", parts[1..].join(":"))),
                    coarse: number(&mut keys.ops, format!("coarse {}", parts[1])),
                }
            })
            .collect()
    }

    fn matched(a: &[&str], b: &[&str]) -> Matches {
        let mut all = Keys::default();
        let (a, b) = (keys(&mut all, a), keys(&mut all, b));
        matches(&a, &b)
    }

    #[test]
    fn names_stay_together() {
        // The wider network has the same widths elsewhere: names say what is what.
        let a = ["l[0]/bn:bn:64", "l[1]/bn:bn:96", "l[2]/bn:bn:128"];
        let b = ["l[0]/bn:bn:64", "l[1]/bn:bn:128", "l[2]/bn:bn:192"];
        assert_eq!(matched(&a, &b).in_order, [(0, 0), (1, 1), (2, 2)]);
    }

    #[test]
    fn a_layer_more_renames_those_behind_it() {
        let a = ["conv:c:64", "relu:r:64", "conv_2:c:128", "relu_2:r:128", "conv_3:c:256", "relu_3:r:256"];
        let b = [
            "conv:c:64",
            "relu:r:64",
            "relu_2:r:64",
            "conv_2:c:128",
            "relu_3:r:128",
            "conv_3:c:256",
            "relu_4:r:256",
        ];
        assert_eq!(matched(&a, &b).in_order, [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5), (5, 6)]);
    }

    #[test]
    fn order_matches_what_names_do_not() {
        let a = ["x:c:1", "y:r:1", "z:c:2"];
        let b = ["p:c:1", "q:r:1", "new:s:1", "w:c:3"];
        assert_eq!(matched(&a, &b).in_order, [(0, 0), (1, 1), (2, 3)]);
    }

    #[test]
    fn what_stands_elsewhere_has_moved() {
        let found = matched(&["a:c:1", "b:r:1", "c:s:1"], &["c:s:1", "a:c:1", "b:r:1"]);
        assert_eq!(found, Matches { in_order: vec![(0, 1), (1, 2)], moved: vec![(2, 0)] });
    }

    #[test]
    fn counted_names_are_known() {
        assert!(is_numbered("relu_2") && is_numbered("conv_1"));
        assert!(
            !is_numbered("relu") && !is_numbered("layer[2]") && !is_numbered("a_b") && !is_numbered("a_")
        );
    }
}
