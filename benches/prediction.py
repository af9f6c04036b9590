#!/usr/bin/env python3
"""How well predicted times meet measured ones, over networks that no calibration has seen.

    python benches/prediction.py networks PROGRAM DEVICE [--batch N] [NETWORK ...]
    python benches/prediction.py profiles DIR [NET ...]

`networks` runs `PROGRAM measure --predict DEVICE` on one thread for each file of architectures/, and prints a table in
Markdown: predicted, measured, error; then the root of the mean squared relative error (RMSPE) and the share within 5, 10
and 15 %. Networks are measured in three rounds, minutes apart, and the least median counts, as `calibrate` does it: what
else runs on a machine only ever makes one slower; how much that was stands beside it. PROGRAM is built with the feature `exec`, DEVICE is what its `calibrate` wrote on this machine.

`profiles` has onnxruntime profile the eight nets of tests/conformance on one thread, each at three sizes, into DIR
(needs onnxruntime, onnx, numpy), and prints the command that calibrates from them. `--from` then predicts each from all
others.
"""

import argparse
import json
import pathlib
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
    return prediction["forward_ns"] / 1e6, time["median_ns"] / 1e6


def networks(args):
    paths = sorted(path for path in (ROOT / "architectures").glob("*.json")
                   if not path.name.endswith((".budget.json", ".schema.json")) and path.stem not in LEFT_OUT)
    paths = [path for path in paths if not args.names or path.stem in args.names]
    samples = 11 if args.batch == 1 else 5
    rounds = [[measured(args.program, args.device, path, args.batch, samples) for path in paths]
              for _ in range(ROUNDS)]
    print(f"| network, batch {args.batch} | predicted ms | measured ms | rounds apart | error |\n|---|---|---|---|---|")
    errors = []
    for path, times in zip(paths, zip(*rounds)):
        predicted, least, most = times[0][0], min(time for _, time in times), max(time for _, time in times)
        errors.append(predicted / least - 1)
        apart = 100 * (most / least - 1)
        print(f"| {path.stem} | {predicted:.2f} | {least:.2f} | {apart:.0f} % | {100 * errors[-1]:+.1f} % |")
    rmspe = (sum(error * error for error in errors) / len(errors)) ** 0.5
    bands = [sum(abs(error) <= band / 100 for error in errors) for band in (5, 10, 15)]
    print(f"\nRMSPE {100 * rmspe:.1f} %; of {len(errors)}, within ±5 %: {bands[0]}, ±10 %: {bands[1]}, ±15 %: {bands[2]}")


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


def profiles(args):
    sys.path.insert(0, str(ROOT / "tests" / "conformance"))
    import nets
    import onnxruntime
    from builder import Scale
    folder, pairs = pathlib.Path(args.folder), []
    folder.mkdir(parents=True, exist_ok=True)
    builds = (nets.densenet121, nets.resnet50, nets.cspresnext50, nets.cspdarknet53, nets.mobilenet_v2,
              nets.efficientnet_b0, nets.vovnet39a, nets.vit_b_16)
    for build in builds:
        for divisor, side in SIZES:
            if args.names and build.__name__ not in args.names:
                continue
            name = f"{build.__name__}_{side}_{divisor}"
            model = build(Scale(divisor, side))
            # What csp-profile reads needs no weights.
            (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
            text, given = filled(model)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.enable_profiling = True
            options.profile_file_prefix = str(folder / name)
            session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
            for _ in range(RUNS):
                session.run(None, given)
            profile = folder / f"{name}.profile.json"
            pathlib.Path(session.end_profiling()).rename(profile)
            pairs.append(f"{folder / name}.onnx={profile}")
    print("csp-profile calibrate --out ort.json --from \\\n    " + " \\\n    ".join(pairs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(required=True)
    mode = modes.add_parser("networks")
    mode.add_argument("program")
    mode.add_argument("device")
    mode.set_defaults(run=networks)
    other = modes.add_parser("profiles")
    other.add_argument("folder")
    other.set_defaults(run=profiles)
    mode.add_argument("--batch", type=int, default=1)
    for one in (mode, other):
        one.add_argument("names", nargs="*")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
