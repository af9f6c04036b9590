"""A second opinion on the gradients: central differences of the op's function, element by element."""

from .case import Context, Op, tensor

STEP = 1e-5

# Rounding has no slope but the one that PyTorch passes on; a sign has none at 0.
SKIPPED = {("cast", "halves: to the nearest, ties to even"), ("cast", "the upper half of a single"), ("unary", "sign")}


def tensors(vector: dict, key: str) -> list:
    return [
        tensor(given["shape"], [float(v) for v in given["values"]], "f64").to(
            tensor((), [0], given.get("dtype", "f32")).dtype
        )
        for given in vector[key]
    ]


def loss(op: Op, vector: dict, inputs: list, weights: list) -> float:
    """The outputs times their upstream gradients."""
    stored = {given["name"]: made for given, made in zip(vector["weights"], weights)}
    dtypes = [given["dtype"] for given in vector["inputs"]]
    outputs = op.run(Context(vector["attributes"], stored, vector["mode"] == "train", dtypes), *inputs)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return sum(
        float((made * tensor(up["shape"], up["values"], "f64")).sum())
        for made, up in zip(outputs, vector["grad_outputs"])
        if up is not None
    )


def compare_case(op: Op, vector: dict) -> str | None:
    """The first gradient that differs."""
    for key, gradients in (("inputs", "grad_inputs"), ("weights", "grad_weights")):
        for index, gradient in enumerate(vector[gradients]):
            for place, said in enumerate(gradient["values"] if gradient else []):
                losses = []
                for step in (STEP, -STEP):
                    made = {"inputs": tensors(vector, "inputs"), "weights": tensors(vector, "weights")}
                    made[key][index].view(-1)[place] += step
                    losses.append(loss(op, vector, made["inputs"], made["weights"]))
                found = (losses[0] - losses[1]) / (2 * STEP)
                if not abs(found - said) <= 1e-5 * max(1.0, abs(said)):
                    return f"{gradients}[{index}] at {place}: a difference gives {found:.9g}, not {said}"
    return None


def compare_all(ops: dict[str, Op], vectors: dict[str, list[dict]]) -> list[str]:
    wrong = []
    for name, cases in vectors.items():
        for case in cases:
            if case.get("ties") or (name, case["what"]) in SKIPPED:
                continue
            found = compare_case(ops[name], case)
            if found:
                wrong.append(f"{name}: {case['what']}: {found}")
    return wrong
