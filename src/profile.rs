//! All results about one network, owned: what `analyze`, `compare` and `check` make of a file.

use crate::analysis::gradient::Gradient;
use crate::analysis::provenance::Refusal;
use crate::analysis::{Analysis, analyze, memory};
use crate::claims::Network;
use crate::frontend::Loaded;
use crate::published::Fact;
use crate::report::Report;
use crate::source::SourceMap;

/// What is analysed beside the costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Peaks, arena, training.
    pub memory: bool,
    /// Gradient paths.
    pub gradient: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self { memory: true, gradient: true };
}

/// One network and all that was found out about it.
pub struct Profile {
    /// What the file says. Its stages are found.
    pub loaded: Loaded,
    /// The costs.
    pub analysis: Analysis,
    /// The memory, where it was wanted.
    pub memory: Option<memory::Analysis>,
    /// The gradient paths, where they were wanted and could be followed.
    pub gradient: Option<Gradient>,
    /// Why gradient paths could not be followed.
    pub refusal: Option<Refusal>,
    /// The published figures that hold for these parameters and inputs.
    pub facts: Vec<Fact>,
}

/// The costs of a network do not fit in 64 bits together; each of its layers' does.
pub struct TooLarge(pub Box<Loaded>);

impl Profile {
    /// Analyses a network.
    ///
    /// # Errors
    /// Where its costs together do not fit in 64 bits.
    pub fn new(mut loaded: Loaded, wanted: Wanted) -> Result<Self, TooLarge> {
        loaded.graph.find_stages();
        let graph = &loaded.graph;
        let costs = analyze(graph).and_then(|analysis| {
            let memory = wanted.memory.then(|| memory::analyze(graph)).transpose()?;
            Ok((analysis, memory))
        });
        let Ok((analysis, memory)) = costs else { return Err(TooLarge(Box::new(loaded))) };
        let (gradient, refusal) = match wanted.gradient.then(|| Gradient::new(graph)) {
            None => (None, None),
            Some(Ok(gradient)) => (Some(gradient), None),
            Some(Err(refusal)) => (None, Some(refusal)),
        };
        let facts = loaded.facts.iter().filter(|fact| fact.applies).cloned().collect();
        Ok(Self { loaded, analysis, memory, gradient, refusal, facts })
    }

    /// The view that is reported. `sources` are the texts that the nodes come from.
    pub fn report<'a>(&'a self, sources: &'a SourceMap) -> Report<'a> {
        Report {
            graph: &self.loaded.graph,
            analysis: &self.analysis,
            parameters: &self.loaded.parameters,
            facts: &self.loaded.facts,
            sources,
            format: self.loaded.format,
            memory: self.memory.as_ref(),
            gradient: self.gradient.as_ref(),
            budget: None,
            measurement: None,
            roofline: None,
            prediction: None,
        }
    }

    /// The network as the papers' claims take it, where it has all analyses.
    pub fn judged(&self) -> Option<Network<'_>> {
        Some(Network {
            graph: &self.loaded.graph,
            analysis: &self.analysis,
            gradient: self.gradient.as_ref()?,
            memory: self.memory.as_ref()?,
        })
    }
}
