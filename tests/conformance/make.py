#!/usr/bin/env python3
"""Makes the reference data of the executor: ONNX graphs without weights and what onnxruntime computes on them.

    make.py                              renew NAME.onnx and NAME.expected beside this script
    make.py --check                      make them anew elsewhere and compare with those beside this script
    make.py --full-size --out DIR        the same nets at their real width and 224x224
    make.py --everything --out DIR       every element of every node's output, raw
    make.py ... resnet50 ops             only these

Needs numpy, onnx and onnxruntime. README.md tells the formats.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import nets
from builder import EXTERNAL, Scale
from ops import ops
from seeding import SAMPLES, samples, seeded, uniform

HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = 1e-5  # of --check, relative to a tensor's largest magnitude
MODELS = (nets.densenet121, nets.resnet50, nets.cspresnext50, nets.cspdarknet53, nets.mobilenet_v2,
          nets.efficientnet_b0, nets.vovnet39a, nets.vit_b_16, ops)


def check(model, arrays):
    """onnx.checker on the file as it stands, beside the weights it points to."""
    with tempfile.TemporaryDirectory() as folder:
        external = [i.name for i in model.graph.initializer if i.data_location == TensorProto.EXTERNAL]
        with open(pathlib.Path(folder, EXTERNAL), "wb") as file:
            for name in external:
                file.write(arrays[name].astype("<f4").tobytes())
        path = pathlib.Path(folder, "model.onnx")
        path.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(str(path), full_check=True)


def run(model, seed):
    """Name to array of every value that a node other than Constant computes, in the order of the nodes."""
    arrays = seeded(model.graph, seed)
    check(model, arrays)
    filled = onnx.ModelProto.FromString(model.SerializeToString())
    for initializer in filled.graph.initializer:
        if initializer.name in arrays:
            initializer.CopyFrom(numpy_helper.from_array(arrays[initializer.name], initializer.name))
    names = [name for node in model.graph.node if node.op_type != "Constant" for name in node.output]
    final = {value.name for value in model.graph.output}
    filled.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in final)

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(filled.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {value.name: uniform(value.name, seed, [d.dim_value for d in value.type.tensor_type.shape.dim], -1.0, 1.0)
             for value in model.graph.input}
    return feeds, dict(zip(names, session.run(names, feeds)))


def refuse_degenerate(results):
    """A reference of huge, tiny or constant numbers would test nothing."""
    for name, array in results.items():
        if array.dtype == numpy.float32 and array.size > 1:
            largest = numpy.abs(array).max()
            assert numpy.isfinite(array).all() and 1e-3 < largest < 1e6, f"{name}: largest {largest}"
            assert array.std() > 1e-3 * largest, f"{name}: spread {array.std()} of {largest}"


def number(value):
    """Shortest decimal that reads back as the same f32; integers and booleans as integers."""
    return str(value) if isinstance(value, numpy.float32) else str(int(value))


def entry(name, array, seed, final):
    flat = array.reshape(-1)
    chosen = numpy.arange(flat.size) if final else samples(name, seed, flat.size)
    largest = number(numpy.abs(flat).max()) if flat.size else "0"
    values = ",".join(number(flat[i]) for i in chosen)
    return (f'{{"name":{json.dumps(name)},"dtype":"{array.dtype}","shape":{json.dumps(list(array.shape))},'
            f'"output":{json.dumps(final)},"max":{largest},"values":[{values}]}}')


def write(build, scale, folder, seed, everything):
    """NAME.onnx and NAME.expected, or NAME/index.json with a raw file for each tensor."""
    model = build(scale)
    name = model.graph.name
    feeds, results = run(model, seed)
    refuse_degenerate(results)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    if everything:
        raw = folder / name
        raw.mkdir(parents=True, exist_ok=True)
        index = []
        for position, (tensor, array) in enumerate({**feeds, **results}.items()):
            file = f"{position:04}.{'f32' if array.dtype == numpy.float32 else array.dtype}"
            (raw / file).write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
            index.append({"name": tensor, "dtype": str(array.dtype), "shape": array.shape, "file": file})
        (raw / "index.json").write_text(json.dumps(index, indent=1) + "\n")
        return name
    final = {value.name for value in model.graph.output}
    lines = ",\n".join(entry(tensor, array, seed, tensor in final) for tensor, array in results.items())
    head = f'{{"format":1,"model":"{name}.onnx","seed":{seed},"samples":{SAMPLES},"tensors":[\n'
    (folder / f"{name}.expected").write_text(head + lines + "\n]}\n")
    return name


def differences(name, made, committed):
    """What of NAME differs between two folders, in words."""
    first, second = (onnx.load(folder / f"{name}.onnx", load_external_data=False) for folder in (made, committed))
    if first != second:
        yield f"{name}.onnx: another graph"
    first, second = (json.loads((folder / f"{name}.expected").read_text()) for folder in (made, committed))
    heads = [{key: value for key, value in part.items() if key != "tensors"} for part in (first, second)]
    layouts = [[(t["name"], t["dtype"], t["shape"], t["output"], len(t["values"])) for t in part["tensors"]]
               for part in (first, second)]
    if heads[0] != heads[1] or layouts[0] != layouts[1]:
        yield f"{name}.expected: other tensors"
        return
    for a, b in zip(first["tensors"], second["tensors"]):
        allowed = TOLERANCE * b["max"] if b["dtype"] == "float32" else 0
        pairs = zip([a["max"], *a["values"]], [b["max"], *b["values"]])
        worst = max(abs(x - y) for x, y in pairs)
        if worst > allowed:
            yield f"{name}.expected: {a['name']} differs by {worst:g} where the largest is {b['max']:g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to make; all when none is named")
    parser.add_argument("--out", type=pathlib.Path, help="folder to write to; beside this script when left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write none")
    parser.add_argument("--full-size", action="store_true", help="real widths at 224x224; needs --out")
    parser.add_argument("--everything", action="store_true", help="every element of every tensor; needs --out")
    arguments = parser.parse_args()
    if (arguments.full_size or arguments.everything or arguments.seed != 1) and not arguments.out:
        parser.error("--full-size, --everything and --seed need --out: the committed files are small and of seed 1")
    if arguments.check and arguments.out:
        parser.error("--check compares with the committed files; leave --out away")
    unknown = set(arguments.names) - {build.__name__ for build in MODELS}
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    scale = Scale(1, 224) if arguments.full_size else Scale(8, 64)
    builds = [build for build in MODELS if not arguments.names or build.__name__ in arguments.names]

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) if arguments.check else arguments.out or HERE
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for build in builds:
            name = write(build, scale, folder, arguments.seed, arguments.everything)
            if arguments.check:
                found.extend(differences(name, folder, HERE))
            print(name, flush=True)
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
