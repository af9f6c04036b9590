//! The network's input: what `[net]` says and what the command line says instead.

use super::kinds::Kind;
use super::network::Network;
use super::options::Options;
use crate::diagnostic::{Code, Diagnostic};
use crate::frontend::LoadOptions;
use crate::tensor::DType;

/// Reads `[net]`. Where the input cannot be made, the error is reported and the network has none.
pub(super) fn read(
    name: &str,
    kind: &'static Kind,
    options: &mut Options<'_>,
    load: &LoadOptions,
) -> Network {
    let sizes = ["channels", "height", "width"].map(|key| options.at_least(key, 0, 0));
    let inputs = options.at_least("inputs", 0, 0);
    let is_map = !sizes.contains(&0);
    let default = if is_map { sizes.to_vec() } else { vec![inputs] };
    let asked = load.inputs.last().map(|(_, axes)| axes.as_slice());
    let rank = match asked {
        // Where the file is silent, more than two numbers are a map.
        Some(axes) if !is_map && inputs == 0 => 1 + 2 * usize::from(axes.len() > 2),
        _ => default.len(),
    };
    // One number more is the batch.
    let (batch, axes) = match asked {
        None => (1, default),
        Some(&[batch, ref axes @ ..]) if axes.len() == rank => (batch, axes.to_vec()),
        Some(axes) => (1, axes.to_vec()),
    };
    let mut network = Network::new(name, kind, load.batch.unwrap_or(batch), load.dtype.unwrap_or(DType::F32));
    let name = if rank == 3 { "image" } else { "input" };
    warn_of_inputs(sizes, inputs, options);
    let fault = check_name(name, load).or_else(|| check_axes(name, &axes, rank, asked.is_none(), options));
    match fault {
        Some(fault) => options.fail(fault),
        None if options.failed() => {}
        None => network.add_input(name, axes, options),
    }
    network
}

/// `inputs` is for networks over vectors.
fn warn_of_inputs(sizes: [u64; 3], inputs: u64, options: &mut Options<'_>) {
    let area = sizes.iter().fold(1u64, |product, size| product.saturating_mul(*size));
    if area != 0 && options.has("inputs") && inputs != area {
        let [channels, height, width] = sizes;
        let message = format!("`inputs` is {inputs}, and {channels}·{height}·{width} is {area}");
        let warning = Diagnostic::warning(Code::ShapeMismatch, message);
        options.warn(warning.at(options.span("inputs"), "passed over"));
    }
}

fn check_name(name: &str, load: &LoadOptions) -> Option<Diagnostic> {
    let given = load.inputs.iter().find_map(|(given, _)| given.as_deref().filter(|given| *given != name))?;
    Some(
        Diagnostic::error(Code::UnknownName, format!("the network has no input `{given}`"))
            .did_you_mean(given, [name])
            .help(format!("inputs: {name}")),
    )
}

fn check_axes(
    name: &str,
    axes: &[u64],
    rank: usize,
    of_file: bool,
    options: &mut Options<'_>,
) -> Option<Diagnostic> {
    if axes.len() != rank {
        let (plural, words) =
            if rank == 1 { ("axis", "`inputs`") } else { ("axes", "channels, height, width") };
        let given = axes.len();
        let message = format!("the input `{name}` has {rank} {plural} and a batch, but {given} are given");
        return Some(Diagnostic::error(Code::ShapeMismatch, message).at(options.header, words));
    }
    // A size that could not be read is not missing.
    if !of_file || axes != [0] || options.failed() {
        return None;
    }
    let missing: Vec<&str> = ["width", "height", "channels"]
        .into_iter()
        .filter(|key| !options.has(key) || options.int(key, 0) == 0)
        .collect();
    let plural = if missing.len() == 1 { "" } else { "s" };
    Some(
        Diagnostic::error(Code::Missing, format!("the input has no {}", missing.join(", ")))
            .at(options.header, format!("lacks the key{plural}"))
            .help("write `width=416`, `height=416` and `channels=3`, or give `--input 3x416x416`"),
    )
}
