//! References and values as the language spells them.

use serde_json::Value;

use super::super::define::{Block, Cell};
use super::super::text::{object, quoted};
use super::super::tree::{Frame, Item, Path, Ref, Step};
use super::{Container, Emitter};
use crate::graph::Outlet;

impl Emitter<'_, '_, '_> {
    /// A list of tensors; the one at `previous` is what came before.
    pub(super) fn spell_list(
        &self,
        list: &[Outlet],
        frame: &Frame<'_>,
        containers: &[Container<'_>],
        previous: Option<usize>,
    ) -> String {
        let mut spelled = Vec::new();
        let mut part = |list: &[Outlet]| {
            let references = self.forest.references(list, frame);
            spelled.extend(
                references
                    .iter()
                    .map(|one| quoted(&self.spell(one, containers, frame.externals.map(|_| frame)))),
            );
        };
        match previous {
            None => part(list),
            Some(slot) => {
                part(&list[..slot]);
                part(&list[slot + 1..]);
                spelled.insert(slot.min(spelled.len()), quoted("previous"));
            }
        }
        match spelled.as_slice() {
            [one] => one.clone(),
            _ => format!("[{}]", spelled.join(", ")),
        }
    }

    pub(super) fn spell(
        &self,
        reference: &Ref,
        containers: &[Container<'_>],
        frame: Option<&Frame<'_>>,
    ) -> String {
        match reference {
            Ref::Input(input) => self.inputs[*input as usize].clone(),
            Ref::All => "input".into(),
            Ref::External(index) => {
                let form = frame.map(|frame| self.form_of(frame));
                let names = form.flatten().and_then(|form| self.names.get(&form));
                names.and_then(|(_, given)| given.get(*index as usize)).cloned().unwrap_or_default()
            }
            Ref::Local(path) => {
                let mut text = self.spell_path(path, containers);
                if let Some(port) = path.port {
                    text.push_str(&format!(":{port}"));
                }
                text
            }
            Ref::Rounds(path) => format!("{}[..]", self.spell_path(path, containers)),
        }
    }

    /// The form of the block whose example a frame is.
    fn form_of(&self, frame: &Frame<'_>) -> Option<u32> {
        let first = frame.items.first()?.id;
        let is = |block: &Block<'_>| block.example.children().first().is_some_and(|item| item.id == first);
        self.blocks.by_form.iter().find(|(_, block)| is(block)).map(|(form, _)| *form)
    }

    fn spell_path(&self, path: &Path, containers: &[Container<'_>]) -> String {
        let depth = common(path, containers[1..].iter().map(|container| container.index));
        let (mut items, mut names) = (containers[depth].items, containers[depth].names.clone());
        let mut text = String::new();
        let mut current: Option<&Item> = None;
        for step in &path.steps[depth..] {
            match *step {
                Step::Item(index) => {
                    if let Some(scope) = current {
                        text.push('/');
                        items = scope.children();
                        names = match self.blocks.of(scope) {
                            Some(_) => self.names[&scope.form].0.clone(),
                            None => self.groups[&scope.id].clone(),
                        };
                    }
                    text.push_str(&names[index as usize].text);
                    current = items.get(index as usize);
                }
                Step::Round(round, _) => {
                    text.push_str(&format!("[{round}]"));
                    current = current.and_then(|repeat| repeat.children().get(round as usize));
                }
                Step::Last => {}
            }
        }
        text
    }
}

/// How many steps of a path lead into the groups around a layer, and further.
pub(super) fn common(path: &Path, around: impl Iterator<Item = u32>) -> usize {
    let last = path.steps.len().saturating_sub(1);
    let steps = path.steps.iter().take(last);
    steps.zip(around).take_while(|(step, index)| **step == Step::Item(*index)).count()
}

/// A value, its numbers and flags as cells say where there are cells.
pub(super) fn spell_value<'c>(
    value: &Value,
    numeric: bool,
    cells: &mut impl Iterator<Item = &'c Cell>,
    plain: &mut bool,
) -> String {
    match value {
        Value::Number(_) | Value::Bool(_) if numeric => match cells.next() {
            Some(Cell::Expression(text)) => {
                *plain = false;
                quoted(text)
            }
            // A default may differ from the example's own number nowhere: literals are equal in all uses.
            _ => value.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|item| spell_value(item, numeric, cells, plain)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<(&str, String)> = members
                .iter()
                .map(|(key, member)| (key.as_str(), spell_value(member, numeric, cells, plain)))
                .collect();
            object(members.into_iter())
        }
        other => other.to_string(),
    }
}
