//! Does CSP reduce duplicated gradient information?
//!
//! Four networks of three stages, with six layers in each dense block: dense (no split), CSP, fusion first, fusion last. What is
//! compared is the gradient that arrives at the outputs of the convolutions of a stage, over the images, by debiased
//! linear CKA: within part 2 (x₀'', x₁ … x₆) and across the sides (x₀' with those), before training and behind it.
//! Without a split the halves of x₀ are compared all the same. `csp-profile explain study` has the results.
//!
//! ```console
//! $ cargo run --release --features exec --example study -- figures.csv
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a program of its own"
)]

mod digits;
mod figures;
mod similarity;
mod training;

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use csp_profile::executor::{Network, RunFault};

use digits::{Chance, Digit, TRAINED};
use figures::Figure;
use similarity::{Kernel, Layout, Scale};

const VARIANTS: [&str; 4] = ["dense", "csp", "first", "last"];
const SEEDS: u64 = 5;
const STEPS: usize = 500;
const STAGES: usize = 3;
const LAYERS: usize = 6;

/// What a network that does not run says.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn told(fault: RunFault) -> Box<dyn Error + Send + Sync> {
    fault.fault.to_string().into()
}

/// The gradient of one convolution.
fn of<'a>(arrivals: &'a [(String, Tensor)], name: &str) -> Result<&'a Tensor, String> {
    let found = arrivals.iter().find(|(other, _)| other == name);
    Ok(&found.ok_or_else(|| format!("no gradient arrives at {name}"))?.1)
}

/// The similarities in one stage.
fn stage(
    arrivals: &[(String, Tensor)],
    stage: usize,
    (layout, scale): (Layout, Scale),
    order: &[usize],
) -> Result<[f64; 5], Box<dyn Error + Send + Sync>> {
    let base = of(arrivals, &format!("stage{stage}/x0/conv2d"))?;
    let half = base.dims()[1] / 2;
    let kernel = |tensor: &Tensor| Kernel::new(tensor, layout, scale);
    // A split by slice: x₀' are the first half of x₀'s channels.
    let (part1, part2) = (kernel(&base.narrow(1, 0, half)?)?, kernel(&base.narrow(1, half, half)?)?);
    let block = (0..LAYERS)
        .map(|layer| Ok(kernel(of(arrivals, &format!("stage{stage}/dense/x[{layer}]/layer/conv2d"))?)?))
        .collect::<Result<Vec<_>, Box<dyn Error + Send + Sync>>>()?;
    let shuffled = part1.permuted(order);
    #[expect(clippy::cast_precision_loss, reason = "21 at most")]
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
        sum / count as f64
    };
    let of_block = mean(
        &mut (0..LAYERS)
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .map(|(a, b)| block[a].similarity(&block[b])),
    );
    Ok([
        part1.similarity(&part2),
        mean(&mut block.iter().map(|layer| part1.similarity(layer))),
        mean(&mut block.iter().map(|layer| part2.similarity(layer))),
        of_block,
        mean(&mut block.iter().chain([&part2]).map(|layer| shuffled.similarity(layer))),
    ])
}

/// All figures of one network and one seed.
fn study(
    variant: &'static str,
    seed: u64,
    digits: &[Digit],
) -> Result<Vec<Figure>, Box<dyn Error + Send + Sync>> {
    let graph = training::graph(variant, training::BATCH)?;
    let mut network =
        Network::new(&graph, &Device::Cpu, &mut |id, one| training::first_value(&graph, id, one, seed))
            .map_err(told)?;
    let order = Chance(seed ^ 0x5eed).order(digits.len() - TRAINED);
    let larger = training::graph(variant, digits.len() - TRAINED)?;
    let mut figures = Vec::new();
    for steps in [0, STEPS] {
        let losses = training::train(&mut network, digits, seed, steps).map_err(told)?;
        // The nodes of both are the same: only the batch differs.
        let mut values =
            |id, one: &csp_profile::graph::StoredTensor| network.stored(id).get(one.weight.name).cloned();
        let all = Network::new(&larger, &Device::Cpu, &mut values).map_err(told)?;
        let (arrivals, accuracy) = training::arrivals(&all, digits).map_err(told)?;
        for layout in [Layout::Flat, Layout::Pooled] {
            for scale in [Scale::Unit, Scale::Raw] {
                for number in 1..=STAGES {
                    let similarities = stage(&arrivals, number, (layout, scale), &order)?;
                    figures.push(Figure {
                        variant,
                        seed,
                        steps,
                        layout,
                        scale,
                        stage: number,
                        similarities,
                        accuracy,
                    });
                }
            }
        }
        let loss = losses.last().copied().unwrap_or(f64::NAN);
        eprintln!("{variant} seed {seed}: {steps} steps, loss {loss:.4}, accuracy {:.2} %", accuracy * 100.0);
    }
    Ok(figures)
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1);
    let digits = digits::read();
    let jobs: Vec<(&str, u64)> =
        (1..=SEEDS).flat_map(|seed| VARIANTS.map(|variant| (variant, seed))).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(&(variant, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let figures =
                study(variant, seed, &digits).map_err(|error| format!("{variant}, seed {seed}: {error}"));
            if let Ok(mut done) = done.lock() {
                done.push(figures);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| {
            scope.spawn(work);
        });
    });
    let mut figures: Vec<Figure> = Vec::new();
    for some in done.into_inner()? {
        figures.extend(some?);
    }
    figures.sort_by_key(Figure::order);
    if let Some(file) = file {
        std::fs::write(file, figures::csv(&figures))?;
    }
    println!("{}", figures::tables(&figures));
    Ok(())
}
