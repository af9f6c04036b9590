//! Names that groups look for further out, and must not give themselves.

use rustc_hash::FxHashSet;

use super::super::tree::{Frame, Item, Kind, Ref, Step, as_u32};
use super::spell::common;
use super::{Container, Emitter};
use crate::graph::Outlet;

/// A name that must not be given in a group, since what it stands for is further out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sought {
    /// An item of the group of that number; of the network's own list without one.
    Item(Option<u32>, u32),
    /// An input of the network.
    Input(u32),
}

impl<'t> Emitter<'_, '_, 't> {
    /// Notes which names each group looks for further out. `around` are the groups around: number and place.
    pub(super) fn seek(
        &mut self,
        top: &'t [Item],
        items: &'t [Item],
        around: &mut Vec<(u32, u32)>,
        mut before: Option<Outlet>,
    ) {
        let frame = Frame { items: top, start: self.forest.inputs, externals: None };
        for (index, item) in items.iter().enumerate() {
            let given = std::mem::replace(&mut before, item.given);
            if let (Kind::Scope(inner), None) = (&item.kind, self.blocks.of(item)) {
                around.push((item.id, as_u32(index)));
                self.seek(top, inner, around, given);
                around.pop();
                continue;
            }
            if around.is_empty() {
                continue;
            }
            // A layer that reads what is before it names nothing.
            let mut references = match given.is_some_and(|given| *item.inputs == [given]) {
                true => Vec::new(),
                false => self.forest.references(&item.inputs, &frame),
            };
            if let Kind::Leaf = item.kind
                && let Some(shared) = self.forest.node(item.start).shares
            {
                references.extend(self.forest.local(Outlet { node: shared, port: 0 }, &frame, true));
            }
            for reference in references {
                let (depth, sought) = match &reference {
                    Ref::Input(input) => (0, Sought::Input(*input)),
                    Ref::Local(path) | Ref::Rounds(path) => {
                        let depth = common(path, around.iter().map(|(_, index)| *index));
                        let Some(Step::Item(index)) = path.steps.get(depth) else { continue };
                        let holder = depth.checked_sub(1).map(|depth| around[depth].0);
                        (depth, Sought::Item(holder, *index))
                    }
                    Ref::All | Ref::External(_) => continue,
                };
                for (group, _) in &around[depth..] {
                    self.sought.entry(*group).or_default().insert(sought.clone());
                }
            }
        }
    }

    pub(super) fn forbidden(
        &mut self,
        group: u32,
        containers: &[Container<'t>],
        around: &[u32],
    ) -> FxHashSet<String> {
        let sought = self.sought.remove(&group).unwrap_or_default();
        let mut names = FxHashSet::default();
        for sought in sought {
            names.insert(match sought {
                Sought::Input(input) => self.inputs[input as usize].clone(),
                Sought::Item(holder, index) => {
                    let depth = match holder {
                        None => 0,
                        Some(holder) => {
                            around.iter().position(|id| *id == holder).map_or(0, |depth| depth + 1)
                        }
                    };
                    containers[depth].names[index as usize].text.to_string()
                }
            });
        }
        names
    }
}
