#!/usr/bin/env python3
"""How well predicted times meet measured ones, over networks that no calibration has seen.

    python benches/prediction.py networks PROGRAM DEVICE [--batch N] [NETWORK ...]
    python benches/prediction.py profiles PROGRAM DIR

`networks` runs `PROGRAM measure --predict DEVICE` on one thread for each file of architectures/, and prints a table in
Markdown: predicted, measured, error; then the root of the mean squared relative error (RMSPE) and the share within 5, 10
and 15 %. Networks are measured in three rounds, one after the other, and the least median counts, as `calibrate` does
it: what else runs on a machine only ever makes one slower; how much that was stands beside it. So does the error of the
sum of the nodes' times, which leaves out what a whole pass takes beside them. PROGRAM is built with the feature `exec`,
DEVICE is what its `calibrate` wrote on this machine.

`profiles` has onnxruntime profile the eight nets of tests/conformance on one thread, each at three sizes, into DIR
(needs onnxruntime, onnx, numpy), and calibrates from them: `--from` predicts each from all others. Then it has it
profile the files of architectures/ that are none of those nets, and prints the same table of what was predicted.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# No network: an example of one layer beside two.
LEFT_OUT = {"depthwise_separable"}
RUNS = 12
ROUNDS = 3
# Parts of the channels, and the side of the image.
SIZES = ((1, 224), (1, 160), (2, 224))


def measured(program, device, path, batch, samples):
    command = [program, "measure", str(path), "--batch", str(batch), "--threads", "1", "--no-training", "--no-checks",
               "--samples", str(samples), "--patience", "60", "--predict", device, "--no-report", "--format", "json"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    prediction, time = report["prediction"], report["measurement"]["time"]["forward"]
    if prediction["at_least"]:
        sys.exit(f"{path.stem}: not calibrated: {prediction['unknown']}")
    both = [(node["forward_ns"], node["forward_ns"] / (1 + node["error"]))
            for node in prediction["nodes"] if node.get("error") is not None]
    nodes = sum(one for one, _ in both) / sum(one for _, one in both) - 1
    return time["median_ns"] / 1e6, prediction["forward_ns"] / 1e6, nodes


def architectures():
    return sorted(path for path in (ROOT / "architectures").glob("*.json")
                  if not path.name.endswith((".budget.json", ".schema.json")) and path.stem not in LEFT_OUT)


def summary(errors):
    rmspe = (sum(error * error for error in errors) / len(errors)) ** 0.5
    bands = [sum(abs(error) <= band / 100 for error in errors) for band in (5, 10, 15)]
    print(f"\nRMSPE {100 * rmspe:.1f} %, in the middle {100 * statistics.median(errors):+.1f} %; of {len(errors)}, "
          f"within ±5 %: {bands[0]}, ±10 %: {bands[1]}, ±15 %: {bands[2]}")


def networks(args):
    paths = [path for path in architectures() if not args.names or path.stem in args.names]
    samples = 11 if args.batch == 1 else 5
    rounds = [[measured(args.program, args.device, path, args.batch, samples) for path in paths]
              for _ in range(ROUNDS)]
    print(f"| network, batch {args.batch} | predicted ms | measured ms | rounds apart | error | of the nodes' sum |")
    print("|---|---|---|---|---|---|")
    errors = []
    for path, times in zip(paths, zip(*rounds)):
        (least, predicted, nodes), (most, _, _) = min(times), max(times)
        errors.append(predicted / least - 1)
        print(f"| {path.stem} | {predicted:.2f} | {least:.2f} | {100 * (most / least - 1):.0f} % "
              f"| {100 * errors[-1]:+.1f} % | {100 * nodes:+.1f} % |")
    summary(errors)


def filled(model):
    """The model with weights, and an input, by the formula of tests/conformance."""
    import onnx
    from seeding import seeded, uniform
    arrays = seeded(model.graph, 1)
    for initializer in model.graph.initializer:
        if initializer.name in arrays:
            initializer.CopyFrom(onnx.numpy_helper.from_array(arrays[initializer.name], initializer.name))
    sizes = {one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in model.graph.input}
    given = {name: uniform(name, 1, dims, -1, 1) for name, dims in sizes.items()}
    return model.SerializeToString(), given


def profile(model, folder, name):
    """Writes the model without its weights, and the profile of some runs of it; the pair of both paths."""
    import onnxruntime
    # What csp-profile reads needs no weights.
    path, trace = folder / f"{name}.onnx", folder / f"{name}.profile.json"
    path.write_bytes(model.SerializeToString(deterministic=True))
    text, given = filled(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / name)
    session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
    for _ in range(RUNS):
        session.run(None, given)
    pathlib.Path(session.end_profiling()).rename(trace)
    return path, trace


def runs(trace):
    """The middle run of a profile, its first left out, in ms."""
    return statistics.median([event["dur"] for event in json.loads(trace.read_text())
                              if event.get("name") == "model_run"][1:]) / 1e3


def profiles(args):
    sys.path.insert(0, str(ROOT / "tests" / "conformance"))
    import nets
    from as_onnx import Scale, model_of
    folder = pathlib.Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    device = folder / "onnxruntime.json"
    if device.exists():
        sys.exit(f"{device} is there already, and calibrate writes over none")
    builds = (nets.densenet121, nets.resnet50, nets.cspresnext50, nets.cspdarknet53, nets.mobilenet_v2,
              nets.efficientnet_b0, nets.vovnet39a, nets.vit_b_16)
    fitted = [profile(build(Scale(divisor, side)), folder, f"{build.__name__}_{side}_{divisor}")
              for build in builds for divisor, side in SIZES]
    command = [args.program, "calibrate", "--out", str(device), "--from", *(f"{model}={trace}" for model, trace in fitted)]
    subprocess.run(command, check=True)
    seen = {"densenet121", "resnet50", "csp_resnext50", "csp_darknet53", "mobilenet_v2", "efficientnet_b0", "vovnet39a"}
    print("| network | predicted ms | measured ms | error |\n|---|---|---|---|")
    errors = []
    for path in [path for path in architectures() if path.stem not in seen]:
        try:
            model, trace = profile(model_of(args.program, path), folder, f"unseen_{path.stem}")
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        command = [args.program, "analyze", str(model), "--device", str(device), "--no-report", "--format", "json"]
        prediction = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["prediction"]
        predicted, took = prediction["forward_ns"] / 1e6, runs(trace)
        lacks = sorted({node["op"] for node in prediction["unknown"]})
        if not lacks:
            errors.append(predicted / took - 1)
        error = f"at least: {', '.join(lacks)}" if lacks else f"{100 * errors[-1]:+.1f} %"
        print(f"| {path.stem} | {predicted:.2f} | {took:.2f} | {error} |")
    summary(errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(required=True)
    mode = modes.add_parser("networks")
    mode.add_argument("program")
    mode.add_argument("device")
    mode.set_defaults(run=networks)
    mode.add_argument("--batch", type=int, default=1)
    mode.add_argument("names", nargs="*")
    other = modes.add_parser("profiles")
    other.add_argument("program")
    other.add_argument("folder")
    other.set_defaults(run=profiles)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
