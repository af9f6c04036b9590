"""Feeds each case to the program as an architecture of one layer and compares shapes, types and stored elements."""

import json
import math
import subprocess
import tempfile
from pathlib import Path


def architecture(op: str, case: dict) -> tuple[dict, int]:
    """The architecture of a case, and how many elements of buffers it has beside the op's own.

    Inputs of a network share the batch. An input whose first axis is another size comes from a constant.
    """
    batch = case["inputs"][0]["shape"][0]
    inputs, layers, read, extra = {}, [], [], 0
    for index, given in enumerate(case["inputs"]):
        name = f"x{index}"
        if index == 0 or given["shape"][:1] == [batch]:
            inputs[name] = {"shape": given["shape"][1:], "dtype": given["dtype"]}
        else:
            layers.append({"op": "constant", "name": name, "shape": given["shape"], "dtype": given["dtype"]})
            extra += math.prod(given["shape"])
        read.append(name)
    layer = {"op": op, "name": "op", "inputs": read, **case["attributes"]}
    if op in ("quantize", "dequantize"):
        layer["stored"] = [
            {"role": "buffer", "shape": w["shape"], "dtype": w.get("dtype", "f32")} for w in case["weights"]
        ]
    outputs = [f"op:{i}" for i in range(len(case["outputs"]))] if len(case["outputs"]) > 1 else ["op"]
    made = {"batch": batch, "inputs": inputs, "layers": [*layers, layer], "outputs": outputs}
    return made, extra


def difference(binary: str, folder: Path, op: str, case: dict) -> str | None:
    """What the program makes of a case that the vector does not say; `None` if they agree."""
    made, extra = architecture(op, case)
    file = folder / f"{op}.json"
    file.write_text(json.dumps(made))
    run = subprocess.run(
        [binary, "analyze", str(file), "--no-report", "--format", "json"], capture_output=True, text=True
    )
    if run.returncode != 0:
        return run.stderr.strip()
    report = json.loads(run.stdout)
    found = [(out["shape"], out["dtype"]) for out in report["architecture"]["outputs"]]
    said = [(out["shape"], out["dtype"]) for out in case["outputs"]]
    if found != said:
        return f"outputs are {found}, not {said}"
    count = {True: 0, False: 0}
    for weight, gradient in zip(case["weights"], case["grad_weights"], strict=True):
        buffer = weight["name"] in ("running_mean", "running_var", "filter", "scale", "zero_point")
        assert not (buffer and gradient), (op, case["what"])
        count[buffer] += math.prod(weight["shape"])
    totals = report["totals"]
    found_counts = (totals["parameters"]["total"], totals["buffers"] - extra)
    if found_counts != (count[False], count[True]):
        return f"parameters and buffers are {found_counts}, not {(count[False], count[True])}"
    return None


def ops(binary: str) -> set[str]:
    """The names of all ops of the program."""
    listed = subprocess.run([binary, "ops"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if line and not line.startswith(" ")}


def check(binary: str, vectors: dict[str, list[dict]]) -> list[str]:
    """Everything that is wrong: ops without vectors, vectors without ops, and cases that differ."""
    wrong = []
    known = ops(binary) - {"input", "constant", "unknown"}
    wrong += [f"{op}: no vectors" for op in sorted(known - vectors.keys())]
    wrong += [f"{op}: there is no such op" for op in sorted(vectors.keys() - known)]
    with tempfile.TemporaryDirectory() as folder:
        for op, cases in vectors.items():
            for case in cases:
                found = difference(binary, Path(folder), op, case)
                if found:
                    wrong.append(f"{op}: {case['what']}: {found}")
    return wrong
