#!/usr/bin/env python3
"""Times PyTorch and onnxruntime on one thread: what `csp-profile measure` is set beside.

    taskset -c 0 python benches/peers.py torch [NETWORK ...]
    taskset -c 0 python benches/peers.py ort DIR [NETWORK ...]

`torch` needs torch, and torchvision for the networks that it has; the others are built from this project's own
ONNX graphs and only run with `ort`. `ort` needs numpy, onnx and onnxruntime; DIR is what `tests/conformance/make.py
--full-size --out DIR` made. Prints the median of processor time and of wall time in ms, for 1x3x224x224 in f32.
"""

import pathlib
import statistics
import sys
import time

NETWORKS = ("densenet121", "resnet50", "cspresnext50", "cspresnet50", "cspdarknet53", "mobilenet_v2")
SAMPLES, WARM_UP = 15, 3


def timed(run):
    for _ in range(WARM_UP):
        run()
    processor, wall = [], []
    for _ in range(SAMPLES):
        start = time.process_time(), time.perf_counter()
        run()
        processor.append(1e3 * (time.process_time() - start[0]))
        wall.append(1e3 * (time.perf_counter() - start[1]))
    return statistics.median(processor), min(processor), statistics.median(wall)


def torch_runs(names):
    import torch
    import torchvision
    torch.set_num_threads(1)
    x = torch.randn(1, 3, 224, 224)
    for name in names:
        if hasattr(torchvision.models, name):
            model = getattr(torchvision.models, name)(weights=None).eval()
        else:
            try:
                import timm
            except ImportError:
                continue
            if name not in timm.list_models():
                continue
            model = timm.create_model(name, pretrained=False).eval()

        def run(model=model):
            with torch.inference_mode():
                model(x)
        yield name, run


def ort_runs(folder, names):
    import numpy
    import onnx
    import onnxruntime
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "conformance"))
    from seeding import seeded
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for name in names:
        path = pathlib.Path(folder, name + ".onnx")
        if not path.exists():
            continue
        model = onnx.load(str(path), load_external_data=False)
        arrays = seeded(model.graph, 1)
        for initializer in model.graph.initializer:
            if initializer.name in arrays:
                initializer.CopyFrom(onnx.numpy_helper.from_array(arrays[initializer.name], initializer.name))
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        first = session.get_inputs()[0]
        x = numpy.random.default_rng(1).standard_normal(first.shape).astype("float32")
        yield name, lambda session=session, first=first, x=x: session.run(None, {first.name: x})


def main():
    kind, *rest = sys.argv[1:] or ["torch"]
    if kind == "torch":
        runs = torch_runs(rest or NETWORKS)
    else:
        runs = ort_runs(rest[0], rest[1:] or NETWORKS)
    print(f"{kind}: median processor ms, least, median wall ms, of {SAMPLES}")
    for name, run in runs:
        print("{:16} {:8.1f} {:8.1f} {:8.1f}".format(name, *timed(run)), flush=True)


if __name__ == "__main__":
    main()
