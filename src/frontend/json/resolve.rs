//! References looked up: from names to single layers.

use smallvec::SmallVec;

use super::document::Template;
use super::expand::{Argument, Binding, Bundle, Expansion, Feed, MAX_NODES, MAX_WORK};
use super::expression::{Environment, Expression, Mention};
use super::reference::{Reference, Rounds};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::ops::attribute::SettingValue;
use crate::source::Span;
use crate::tensor::TensorType;

/// Inputs of all layers together; a dense block of n layers has n²/2.
const MAX_EDGES: usize = 10_000_000;
/// References through blocks that only pass tensors on.
const MAX_DEPTH: usize = 500;

/// One output of one instance; without a port, its only one. Eight bytes: there are as many as edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) instance: u32,
    port: u32,
}

impl Slot {
    const NO_PORT: u32 = u32::MAX;

    /// The only output of an instance.
    pub(super) fn only(instance: u32) -> Self {
        Self { instance, port: Self::NO_PORT }
    }

    /// The port that was named.
    pub(super) fn port(self) -> Option<u32> {
        (self.port != Self::NO_PORT).then_some(self.port)
    }
}

/// Some outputs.
pub(super) type Slots = SmallVec<[Slot; 2]>;

#[derive(Clone, Debug)]
enum State {
    Open,
    Busy,
    Done(Slots),
    Failed,
}

/// Looks references up in an expansion; each bundle once.
pub(super) struct Resolver<'e, 'd> {
    expansion: &'e Expansion<'d>,
    states: Vec<State>,
    edges: usize,
    /// What arguments need that were followed.
    types: rustc_hash::FxHashMap<Key, Result<Box<[u32]>, Failed>>,
    /// Terms that were followed.
    work: usize,
    depth: usize,
    stopped: bool,
}

/// The reason is in the sink already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

impl<'e, 'd> Resolver<'e, 'd> {
    pub(super) fn new(expansion: &'e Expansion<'d>) -> Self {
        Self {
            expansion,
            states: vec![State::Open; expansion.bundles.len()],
            edges: 0,
            types: rustc_hash::FxHashMap::default(),
            work: 0,
            depth: 0,
            stopped: false,
        }
    }

    /// What came before an instance.
    pub(super) fn before(&self, index: usize, feed: Feed) -> Feed {
        u32::try_from(index).ok().and_then(|index| self.expansion.before.get(&index)).copied().unwrap_or(feed)
    }

    /// The outputs that a feed stands for.
    pub(super) fn slots(&mut self, feed: Feed, sink: &mut Sink) -> Result<Slots, Failed> {
        match feed {
            Feed::None => Ok(Slots::new()),
            Feed::One(instance) => Ok(std::iter::once(Slot::only(instance)).collect()),
            Feed::Bundle(bundle) => self.bundle(bundle, sink),
        }
    }

    fn bundle(&mut self, index: u32, sink: &mut Sink) -> Result<Slots, Failed> {
        let slot = index as usize;
        match &self.states[slot] {
            State::Done(slots) => return Ok(slots.clone()),
            State::Failed => return Err(Failed),
            State::Busy => {
                if let Bundle::References { references, .. } = &self.expansion.bundles[slot] {
                    sink.push(
                        Diagnostic::error(Code::Cycle, "these references lead back to themselves")
                            .at(references[0].span, "round in a circle"),
                    );
                }
                return Err(Failed);
            }
            State::Open => {}
        }
        self.states[slot] = State::Busy;
        let result = if self.depth == MAX_DEPTH {
            self.too_deep(slot, sink)
        } else {
            self.depth += 1;
            let result = self.look_up(slot, sink);
            self.depth -= 1;
            result
        };
        self.states[slot] = match &result {
            Ok(slots) => State::Done(slots.clone()),
            Err(Failed) => State::Failed,
        };
        result
    }

    fn too_deep(&self, slot: usize, sink: &mut Sink) -> Result<Slots, Failed> {
        if let Bundle::References { references, .. } = &self.expansion.bundles[slot] {
            sink.push(
                Diagnostic::error(
                    Code::TooLarge,
                    format!("a reference leads through more than {MAX_DEPTH} others"),
                )
                .at(references[0].span, "here"),
            );
        }
        Err(Failed)
    }

    fn look_up(&mut self, slot: usize, sink: &mut Sink) -> Result<Slots, Failed> {
        let expansion = self.expansion;
        let slots = match expansion.bundles[slot] {
            Bundle::Inputs => (0..expansion.document.inputs.len())
                .map(|index| Slot::only(super::expand::as_u32(index)))
                .collect(),
            Bundle::References { references, scope, previous } => {
                let mut slots = Slots::new();
                let mut failed = false;
                for reference in references {
                    match self.reference(reference, scope, previous, sink) {
                        Ok(found) => {
                            self.count(found.len(), reference.span, sink)?;
                            slots.extend(found);
                        }
                        Err(Failed) => failed = true,
                    }
                }
                if failed {
                    return Err(Failed);
                }
                slots
            }
        };
        Ok(slots)
    }

    /// Counts inputs, those of blocks and those of layers.
    pub(super) fn count(&mut self, edges: usize, span: Span, sink: &mut Sink) -> Result<(), Failed> {
        self.edges += edges;
        if self.edges <= MAX_EDGES {
            return Ok(());
        }
        // One error: every later layer is one too many as well.
        if !std::mem::replace(&mut self.stopped, true) {
            sink.push(
                Diagnostic::error(
                    Code::TooLarge,
                    format!(
                        "the layers have more than {} inputs together",
                        crate::units::grouped(MAX_EDGES as u64)
                    ),
                )
                .at(span, "one too many"),
            );
        }
        Err(Failed)
    }

    /// Whether it is pointless to go on.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The outputs that one reference stands for.
    pub(super) fn reference(
        &mut self,
        reference: &Reference,
        scope: u32,
        previous: Feed,
        sink: &mut Sink,
    ) -> Result<Slots, Failed> {
        let feed = match reference.plain() {
            Some("previous") => Some(previous),
            Some("input") if self.expansion.in_block(scope) => {
                Some(self.expansion.scopes[scope as usize].inputs)
            }
            _ => None,
        };
        let mut slots = match feed {
            Some(feed) => self.slots(feed, sink)?,
            None => self.named(reference, scope, sink)?,
        };
        if let Some(port) = reference.port {
            match slots.as_mut_slice() {
                [slot] if slot.port().is_none() => slot.port = port,
                _ => {
                    sink.push(
                        Diagnostic::error(
                            Code::WrongCount,
                            format!("`:{port}` names an output of one layer, and this is no single layer"),
                        )
                        .at(reference.span, format!("{} tensors", slots.len())),
                    );
                    return Err(Failed);
                }
            }
        }
        Ok(slots)
    }

    fn named(&mut self, reference: &Reference, scope: u32, sink: &mut Sink) -> Result<Slots, Failed> {
        let expansion = self.expansion;
        let (last, path) = reference.segments.split_last().expect("a reference has a name");
        let environment = Structure { expansion, scope };
        let mut name = String::new();
        for segment in path {
            name.push_str(&segment.name);
            match segment.rounds.as_deref() {
                None => {}
                Some(Rounds::At(round)) => {
                    let round = evaluate(round, &environment).map_err(|diagnostic| push(sink, diagnostic))?;
                    name.push_str(&format!("[{round}]"));
                }
                Some(Rounds::Range(..)) => {
                    sink.push(
                        Diagnostic::error(
                            Code::Expression,
                            "a range of rounds stands at the end of a reference",
                        )
                        .at(reference.span, "in the middle"),
                    );
                    return Err(Failed);
                }
            }
            name.push('/');
        }
        name.push_str(&last.name);
        let Some(binding) = self.find(&name, scope) else {
            return self.unknown(reference, &name, scope, sink);
        };
        match (binding, last.rounds.as_deref()) {
            (Found::Feed(feed), None) => self.slots(feed, sink),
            (Found::Nth(index), None) => {
                let inputs = self.expansion.scopes[scope as usize].inputs;
                let all = self.slots(inputs, sink)?;
                match all.get(index) {
                    Some(&slot) => Ok(std::iter::once(slot).collect()),
                    None => {
                        sink.push(
                            Diagnostic::error(
                                Code::WrongCount,
                                format!(
                                    "the block is given {} tensors, so `{name}` is not among them",
                                    all.len()
                                ),
                            )
                            .at(reference.span, "not given"),
                        );
                        Err(Failed)
                    }
                }
            }
            (Found::Rounds(rounds), None) => match rounds.last() {
                Some(&feed) => self.slots(feed, sink),
                None => {
                    sink.push(
                        Diagnostic::error(Code::UnknownReference, format!("`{name}` is repeated 0 times"))
                            .at(reference.span, "there is no round of it"),
                    );
                    Err(Failed)
                }
            },
            (Found::Rounds(rounds), Some(wanted)) => {
                let (start, end) =
                    range(wanted, rounds.len(), &environment).map_err(|diagnostic| push(sink, diagnostic))?;
                let Some(chosen) = rounds.get(start..end) else {
                    sink.push(
                        Diagnostic::error(
                            Code::OutOfRange,
                            match wanted {
                                Rounds::At(_) => {
                                    format!("`{name}` has no round {start}: it has {}", rounds.len())
                                }
                                Rounds::Range(..) => format!(
                                    "`{name}` has {} rounds, and {start}..{end} are asked for",
                                    rounds.len()
                                ),
                            },
                        )
                        .at(reference.span, "no such round")
                        .help("rounds are counted from 0"),
                    );
                    return Err(Failed);
                };
                let mut slots = Slots::new();
                for &feed in chosen {
                    slots.extend(self.slots(feed, sink)?);
                    // Before memory is full, not after.
                    if slots.len() > MAX_EDGES {
                        self.count(slots.len(), reference.span, sink)?;
                    }
                }
                Ok(slots)
            }
            (Found::Feed(_) | Found::Nth(_), Some(_)) => {
                sink.push(
                    Diagnostic::error(
                        Code::WrongCount,
                        format!("`{name}` is not repeated, so it has no rounds"),
                    )
                    .at(reference.span, "no `repeat`"),
                );
                Err(Failed)
            }
        }
    }

    /// Looks a path up in a scope and outwards to the border of the block.
    fn find(&self, path: &str, scope: u32) -> Option<Found<'e>> {
        let expansion = self.expansion;
        let mut current = scope;
        loop {
            let here = &expansion.scopes[current as usize];
            let named = if here.prefix.is_empty() {
                expansion.names.get(path)
            } else {
                expansion.names.get(format!("{}{path}", here.prefix).as_str())
            };
            if let Some(named) = named {
                return Some(match &named.binding {
                    Binding::Feed(feed) => Found::Feed(*feed),
                    Binding::Rounds(rounds) => Found::Rounds(rounds),
                });
            }
            if here.border {
                let names = here.input_names?;
                return names.iter().position(|name| &*name.text == path).map(Found::Nth);
            }
            current = here.parent?;
        }
    }

    fn unknown(
        &self,
        reference: &Reference,
        name: &str,
        scope: u32,
        sink: &mut Sink,
    ) -> Result<Slots, Failed> {
        // It may be a name within a layer that could not be read.
        if self.expansion.document.has_broken || sink.has(Code::UnknownReference, reference.span) {
            return Err(Failed);
        }
        let expansion = self.expansion;
        let here = &expansion.scopes[scope as usize];
        // In the order of the file, so that the suggestion is always the same.
        let local = expansion.instances.iter().take(MAX_NODES.min(20_000)).filter_map(|instance| {
            let rest = instance.name.strip_prefix(&*here.prefix)?;
            (!rest.contains('[')).then_some(rest)
        });
        let groups = local.clone().filter_map(|name| name.split_once('/').map(|(group, _)| group));
        let inputs = here.input_names.iter().copied().flatten().map(|word| &*word.text);
        let mut diagnostic =
            Diagnostic::error(Code::UnknownReference, format!("there is no layer `{name}` here"))
                .at(reference.span, "not found")
                .did_you_mean(
                    name,
                    inputs.chain(local).chain(groups).chain(["previous"]).chain(here.block.map(|_| "input")),
                );
        if here.block.is_some() {
            diagnostic = diagnostic
                .help("a block sees its own layers and what it is given (`input`), not what is around it");
        }
        sink.push(diagnostic);
        Err(Failed)
    }

    /// The instances whose output types some expressions need. What an argument needs is found once.
    pub(super) fn types(
        &mut self,
        expressions: &[&'d Expression],
        scope: u32,
        previous: Feed,
        sink: &mut Sink,
    ) -> Result<Vec<u32>, Failed> {
        let arguments = &self.expansion.scopes[scope as usize].arguments;
        let mut mentions = Vec::new();
        expressions.iter().for_each(|expression| expression.visit(&mut |mention| mentions.push(mention)));
        let mut found = Vec::new();
        for mention in mentions {
            match mention {
                Mention::Tensor(reference) => {
                    let slots = self.reference(reference, scope, previous, sink)?;
                    found.extend(slots.iter().map(|slot| slot.instance));
                }
                Mention::Argument(index) => {
                    let Argument::Later { template, scope, previous } = arguments[index] else { continue };
                    let key = key(arguments, index);
                    if !self.types.contains_key(&key) {
                        let mut inner = Vec::new();
                        template.expressions(&mut |expression| inner.push(expression));
                        let types = self.mentioned(&inner, scope, previous, &|_| false, sink);
                        self.types.insert(key, types.map(|(types, _)| types.into_boxed_slice()));
                    }
                    found.extend(self.types[&key].as_ref().map_err(|failed| *failed)?);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The instances whose output types some expressions need, arguments followed to where they were given; and those
    /// arguments, each behind all that it uses itself. One may be used many times on the way, so that it is followed once;
    /// and there may be as many as the file has room for, so that nothing here calls itself. Those that are `known` are
    /// not followed.
    pub(super) fn mentioned(
        &mut self,
        expressions: &[&'d Expression],
        scope: u32,
        previous: Feed,
        known: &dyn Fn(Key) -> bool,
        sink: &mut Sink,
    ) -> Result<(Vec<u32>, Vec<Later<'d>>), Failed> {
        let expansion = self.expansion;
        let mut instances = Vec::new();
        let mut arguments = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        let look = |&expression| Work::Look(expression, scope, previous);
        let mut work: Vec<Work<'d>> = expressions.iter().map(look).collect();
        while let Some(item) = work.pop() {
            let (expression, scope, previous) = match item {
                Work::Look(expression, scope, previous) => (expression, scope, previous),
                Work::Enter(later) => {
                    if !known(later.key) && seen.insert(later.key) {
                        work.push(Work::Leave(later));
                        later.template.expressions(&mut |inner| {
                            work.push(Work::Look(inner, later.scope, later.previous));
                        });
                    }
                    continue;
                }
                Work::Leave(later) => {
                    arguments.push(later);
                    continue;
                }
            };
            self.work += expression.work;
            if self.work > MAX_WORK {
                let most = crate::units::grouped(MAX_WORK as u64);
                let message = format!("the arguments have more than {most} terms in all their uses");
                sink.push(Diagnostic::error(Code::TooLarge, message).at(expression.span, "one too many"));
                return Err(Failed);
            }
            let mut mentions = Vec::new();
            expression.visit(&mut |mention| mentions.push(mention));
            for mention in mentions {
                match mention {
                    Mention::Tensor(reference) => {
                        let slots = self.reference(reference, scope, previous, sink)?;
                        instances.extend(slots.iter().map(|slot| slot.instance));
                    }
                    Mention::Argument(index) => {
                        let all = &expansion.scopes[scope as usize].arguments;
                        if let Argument::Later { template, scope, previous } = all[index] {
                            work.push(Work::Enter(Later { key: key(all, index), template, scope, previous }));
                        }
                    }
                }
            }
        }
        Ok((instances, arguments))
    }
}

/// What tells an argument from all others: the scopes within a block share its arguments.
pub(super) type Key = (usize, usize);

/// See [`Key`].
pub(super) fn key(arguments: &std::rc::Rc<[Argument<'_>]>, index: usize) -> Key {
    (std::rc::Rc::as_ptr(arguments).cast::<u8>() as usize, index)
}

/// An argument that depends on tensors.
#[derive(Clone, Copy)]
pub(super) struct Later<'d> {
    pub(super) key: Key,
    pub(super) template: &'d Template,
    pub(super) scope: u32,
    pub(super) previous: Feed,
}

/// Steps of [`Resolver::mentioned`].
enum Work<'d> {
    Look(&'d Expression, u32, Feed),
    Enter(Later<'d>),
    Leave(Later<'d>),
}

enum Found<'e> {
    Feed(Feed),
    Rounds(&'e [Feed]),
    /// An input that the block declares by name.
    Nth(usize),
}

fn push(sink: &mut Sink, diagnostic: Diagnostic) -> Failed {
    sink.push(diagnostic);
    Failed
}

fn range(
    rounds: &Rounds,
    count: usize,
    environment: &Structure<'_, '_>,
) -> Result<(usize, usize), Diagnostic> {
    match rounds {
        Rounds::At(expression) => {
            let round = evaluate(expression, environment)?;
            Ok((round, round.saturating_add(1)))
        }
        Rounds::Range(start, end) => {
            let bound = |expression: &Option<Expression>, default| {
                expression.as_ref().map_or(Ok(default), |expression| evaluate(expression, environment))
            };
            Ok((bound(start, 0)?, bound(end, count)?))
        }
    }
}

fn evaluate(expression: &Expression, environment: &Structure<'_, '_>) -> Result<usize, Diagnostic> {
    let value = expression.evaluate(environment)?;
    let whole = match value {
        SettingValue::Number(number) if number.is_integer() => usize::try_from(*number.numer()).ok(),
        _ => None,
    };
    whole.ok_or_else(|| {
        Diagnostic::error(Code::OutOfRange, "a round is a whole number, at least 0")
            .at(expression.span, format!("this is {value}"))
    })
}

/// The values behind the names in the brackets of a reference.
struct Structure<'e, 'd> {
    expansion: &'e Expansion<'d>,
    scope: u32,
}

impl Environment for Structure<'_, '_> {
    fn parameter(&self, index: usize) -> SettingValue {
        self.expansion.parameters[index].clone()
    }

    fn argument(&self, index: usize) -> Result<SettingValue, Diagnostic> {
        match &self.expansion.scopes[self.scope as usize].arguments[index] {
            Argument::Value(value) => Ok(value.clone()),
            Argument::Later { template, .. } => Err(later(template.span)),
        }
    }

    fn index(&self, level: usize) -> u64 {
        self.expansion.scopes[self.scope as usize].indices[level]
    }

    fn tensor(&self, reference: &Reference) -> Result<TensorType, Diagnostic> {
        Err(later(reference.span))
    }
}

fn later(span: Span) -> Diagnostic {
    Diagnostic::error(Code::Expression, "rounds cannot depend on the size of a tensor")
        .at(span, "a tensor's size")
}
