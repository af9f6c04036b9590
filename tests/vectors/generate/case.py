"""What a case is, how its tensors are drawn, and how PyTorch makes it a reference vector.

An op is declared once (`Op`): a function that computes it, the tensors that it stores, and its cases. A case (`Case`)
only lists attributes, as an architecture file spells them, and inputs.
"""

import math
import random
from dataclasses import dataclass, field
from typing import Any
from collections.abc import Callable

import torch

TORCH = f"torch {torch.__version__.split('+')[0]}"
FORMULA = f"formula of the op's page, in {TORCH}"

FLOATS = ("f64", "f32", "f16", "bf16", "f8e4m3", "f8e5m2")


@dataclass
class T:
    """A tensor of floats: odd multiples of scale/64 between ±2·scale, exact in f32 and bf16.

    They differ from each other and from the other inputs of the case as long as there are enough of them (128), and
    none is 0, ±1 or ±2: no case sits on a kink or a tie unless it names its values.
    """

    shape: tuple
    scale: float = 1.0
    positive: bool = False
    shift: float = 0.0
    dtype: str = "f32"


@dataclass
class Whole:
    """A tensor of whole numbers from `low` to below `high`."""

    shape: tuple
    high: int
    low: int = 0
    dtype: str = "i64"


@dataclass
class Given:
    """A tensor whose values the case names."""

    shape: tuple
    values: list
    dtype: str = "f32"


@dataclass
class Stored:
    """A tensor that an op stores; a buffer is not learned, so it has no gradient."""

    name: str
    shape: tuple
    buffer: bool = False
    positive: bool = False
    values: list | None = None
    dtype: str | None = None


@dataclass
class Case:
    what: str
    attributes: dict
    inputs: list
    mode: str = "evaluate"
    ties: bool = False
    note: str | None = None
    source: str | None = None


@dataclass
class Context:
    """What an op's function sees beside its inputs: attributes `a`, stored tensors `w`."""

    a: dict
    w: dict = field(default_factory=dict)
    train: bool = False
    dtypes: list = field(default_factory=list)


@dataclass
class Op:
    """`run(context, *inputs)` gives the output or a list of them; `stored(context, *shapes)` the stored tensors;
    `dtypes(context)` the outputs' element types, by default the first input's. Gradients of the named inputs in
    `undefined` and of the stored tensors there are left out: the op's page does not say what they are."""

    run: Callable
    cases: list
    stored: Callable = lambda c, *shapes: []
    dtypes: Callable = lambda c: [c.dtypes[0]]
    source: str = TORCH
    undefined: tuple = ()


class Draw:
    """Draws values: the same for a case's name, whatever other cases there are."""

    def __init__(self, seed: str):
        self.random = random.Random(seed)
        self.pool: list[int] = []

    def numerators(self, count: int) -> list[int]:
        drawn: list[int] = []
        if len(self.pool) < count:
            self.pool = []
        while len(drawn) < count:
            if not self.pool:
                self.pool = list(range(-127, 128, 2))
                self.random.shuffle(self.pool)
            drawn.append(self.pool.pop())
        return drawn

    def values(self, spec) -> list:
        count = math.prod(spec.shape)
        match spec:
            case Given():
                assert len(spec.values) == count, spec
                return list(spec.values)
            case Whole():
                return [self.random.randrange(spec.low, spec.high) for _ in range(count)]
            case T():
                values = [n * spec.scale / 64 for n in self.numerators(count)]
                values = [abs(v) for v in values] if spec.positive else values
                return [v + spec.shift for v in values]
        raise TypeError(spec)

    def upstream(self, count: int) -> list[float]:
        """An upstream gradient: multiples of 1/8 between ±2, none of them 0."""
        return [self.random.choice((-1, 1)) * self.random.randrange(1, 17) / 8 for _ in range(count)]


def tensor(shape, values, dtype) -> torch.Tensor:
    kind = torch.float64 if dtype in FLOATS else torch.bool if dtype == "bool" else torch.int64
    made = torch.tensor([float(v) if dtype in FLOATS else v for v in values], dtype=kind)
    return made.reshape(tuple(shape))


def number(value) -> Any:
    """A value as JSON has it: 9 significant digits, whole numbers without a point, the infinite ones as texts."""
    if isinstance(value, (bool, int)):
        return int(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    rounded = float(f"{value:.9g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def numbers(made: torch.Tensor) -> list:
    return [number(value) for value in made.detach().reshape(-1).tolist()]


def vector(name: str, op: Op, case: Case) -> dict:
    """The reference vector of one case."""
    assert [other.what for other in op.cases].count(case.what) == 1, f"{name} has two cases {case.what!r}"
    draw = Draw(f"{name}: {case.what}")
    dtypes = [spec.dtype for spec in case.inputs]
    inputs = [tensor(spec.shape, draw.values(spec), spec.dtype) for spec in case.inputs]
    context = Context(case.attributes, train=case.mode == "train", dtypes=dtypes)

    specs = op.stored(context, *[tuple(spec.shape) for spec in case.inputs])
    for spec in specs:
        drawn = T(spec.shape, positive=spec.positive) if spec.values is None else Given(spec.shape, spec.values)
        context.w[spec.name] = tensor(spec.shape, draw.values(drawn), spec.dtype or "f32")

    differentiable = [i for i, made in enumerate(inputs) if made.is_floating_point()]
    learned = [spec.name for spec in specs if not spec.buffer]
    leaves = [inputs[i].requires_grad_() for i in differentiable]
    leaves += [context.w[name].requires_grad_() for name in learned if context.w[name].is_floating_point()]
    learned = [name for name in learned if context.w[name].is_floating_point()]

    outputs = op.run(context, *inputs)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    out_dtypes = op.dtypes(context)
    out_dtypes = out_dtypes * len(outputs) if len(out_dtypes) == 1 else out_dtypes
    upstream = [
        tensor(out.shape, draw.upstream(out.numel()), "f32") if dtype in FLOATS else None
        for out, dtype in zip(outputs, out_dtypes, strict=True)
    ]
    reached = [(out, up) for out, up in zip(outputs, upstream) if up is not None and out.requires_grad]
    gradients: dict = {}
    if any(up is not None for up in upstream):
        found = [torch.zeros_like(leaf) for leaf in leaves]
        if reached and leaves:
            outs, ups = zip(*reached)
            found = torch.autograd.grad(outs, leaves, ups, allow_unused=True, materialize_grads=True)
        keys = differentiable + learned
        gradients = {key: made for key, made in zip(keys, found) if key not in op.undefined}

    def shown(made, **more):
        return None if made is None else {"shape": list(made.shape), **more, "values": numbers(made)}

    written = {"what": case.what, "source": case.source or op.source, "mode": case.mode}
    if case.ties:
        written["ties"] = True
    if case.note:
        written["note"] = case.note
    written |= {
        "attributes": case.attributes,
        "inputs": [shown(made, dtype=dtype) for made, dtype in zip(inputs, dtypes)],
        "weights": [
            {"name": spec.name} | shown(context.w[spec.name], **({"dtype": spec.dtype} if spec.dtype else {}))
            for spec in specs
        ],
        "outputs": [shown(out, dtype=dtype) for out, dtype in zip(outputs, out_dtypes)],
        "grad_outputs": [shown(up) for up in upstream],
        "grad_inputs": [shown(gradients.get(i)) for i in range(len(inputs))],
        "grad_weights": [shown(gradients.get(spec.name)) for spec in specs],
    }
    return written
