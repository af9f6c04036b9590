#!/usr/bin/env python3
"""Makes the reference vectors of the ops: what each computes, forward and backward, on small tensors.

    make.py                        writes OP.json for every op beside this file
    make.py OP...                  writes only those
    make.py --check                compares what it would write with what is there
    make.py --check-shapes BINARY  feeds each case to csp-profile and compares shapes, types and stored elements
    make.py --check-onnx           compares outputs with onnxruntime where it has the op
    make.py --check-gradients      compares gradients with central differences; a minute

README.md tells the format and the versions that made them.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from generate import (
    convolutions,
    elementwise,
    indexing,
    joining,
    layout,
    norms,
    pools,
    products,
    reductions,
    sampling,
)
from generate.case import vector

FOLDER = Path(__file__).parent
MODULES = (convolutions, elementwise, indexing, joining, layout, norms, pools, products, reductions, sampling)
OPS = {name: op for module in MODULES for name, op in module.OPS.items()}
TENSORS = ("inputs", "weights", "outputs", "grad_outputs", "grad_inputs", "grad_weights")


def text(cases: list[dict]) -> str:
    """JSON with a line for each tensor, so that a difference shows in its place."""

    def short(value):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def line(key, value):
        if key not in TENSORS or not value:
            return f"  {short(key)}: {short(value)}"
        rows = ",\n".join(f"    {short(row)}" for row in value)
        return f"  {short(key)}: [\n{rows}\n  ]"

    written = (",\n".join(line(*item) for item in case.items()) for case in cases)
    return "[" + ", ".join(f"{{\n{case}\n}}" for case in written) + "]\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ops", nargs="*", metavar="OP")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--check-shapes", metavar="BINARY")
    parser.add_argument("--check-onnx", action="store_true")
    parser.add_argument("--check-gradients", action="store_true")
    given = parser.parse_args()
    unknown = [name for name in given.ops if name not in OPS]
    if unknown:
        parser.error(f"no vectors are declared for {', '.join(unknown)}")

    torch.set_num_threads(1)
    names = given.ops or sorted(OPS)
    vectors = {name: [vector(name, OPS[name], case) for case in OPS[name].cases] for name in names}
    wrong: list[str] = []
    if given.check_shapes:
        from generate.check import check

        wrong += check(given.check_shapes, vectors)
    if given.check_onnx:
        from generate.onnxruntime_check import compare_all

        wrong += compare_all(vectors)
    if given.check_gradients:
        from generate.differences import compare_all as compare_gradients

        wrong += compare_gradients(OPS, vectors)
    if given.check:
        wrong += [
            f"{name}.json is not what make.py makes"
            for name in names
            if not (FOLDER / f"{name}.json").is_file() or (FOLDER / f"{name}.json").read_text() != text(vectors[name])
        ]
    if not (given.check or given.check_shapes or given.check_onnx or given.check_gradients):
        for name in names:
            (FOLDER / f"{name}.json").write_text(text(vectors[name]))
    print("\n".join(wrong) or f"{sum(map(len, vectors.values()))} cases of {len(vectors)} ops")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
