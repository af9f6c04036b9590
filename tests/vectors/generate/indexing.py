"""Elements picked and written by whole numbers, and numbers of few bits."""

import torch
import torch.nn.functional as F

from .case import FORMULA, Case, Given, Op, Stored, T, Whole

ONNX = "ONNX's definition, in " + FORMULA.split(", in ")[1]


def gather(c, x, indices=None):
    axis = c.a.get("axis", 0) % x.dim()
    if indices is None:
        indices = torch.tensor(c.a["indices"]) % x.shape[axis]
    picked = x.index_select(axis, indices.reshape(-1))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


GATHER = Op(
    gather,
    [
        Case("a list, one from the end and one twice", {"axis": 1, "indices": [2, -1, 0, 0]}, [T((2, 4, 2))]),
        Case(
            "a matrix of indices takes the axis's place",
            {"axis": -1},
            [T((2, 3, 4)), Given((2, 2), [3, 0, 1, 1], "i64")],
        ),
        Case("an embedding lookup", {}, [T((4, 3)), Given((2, 3), [0, 3, 1, 1, 2, 0], "i64")]),
        Case("i32 indices", {"axis": 1}, [T((2, 3)), Given((2,), [2, 0], "i32")]),
    ],
)

GATHER_ELEMENTS = Op(
    lambda c, x, indices: torch.gather(x, c.a.get("axis", 0), indices),
    [
        Case("along the batch", {}, [T((3, 2)), Given((2, 2), [2, 0, 2, 1], "i64")]),
        Case("along the channels", {"axis": 1}, [T((2, 4, 2)), Whole((2, 3, 2), 4)]),
        Case("fewer rows than the tensor, from the end", {"axis": -1}, [T((2, 3, 4)), Whole((2, 2, 5), 4)]),
    ],
)


def gather_nd(c, x, indices):
    shared, depth = c.a.get("batch_dims", 0), indices.shape[-1]
    if shared:
        rows = [gather_nd(type(c)({"batch_dims": shared - 1}), a, b) for a, b in zip(x, indices)]
        return torch.stack(rows)
    places = indices.reshape(-1, depth)
    picked = torch.stack([x[tuple(place.tolist())] for place in places])
    return picked.reshape(*indices.shape[:-1], *x.shape[depth:])


GATHER_ND = Op(
    gather_nd,
    [
        Case("single elements", {}, [T((2, 3)), Given((2, 2), [0, 2, 1, 1], "i64")]),
        Case("whole rows, one twice", {}, [T((2, 3, 2)), Given((2, 2, 2), [0, 2, 1, 1, 0, 2, 1, 0], "i64")]),
        Case("a shared axis", {"batch_dims": 1}, [T((2, 3, 2)), Given((2, 1), [2, 0], "i64")]),
        Case(
            "a shared axis and several places",
            {"batch_dims": 1},
            [T((2, 3, 2)), Given((2, 2, 2), [2, 1, 0, 0, 1, 1, 2, 0], "i64")],
        ),
    ],
    source=ONNX,
)

REDUCE = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def scatter(c, x, indices, updates):
    """ScatterElements where indices and updates are alike and have the tensor's rank, else ScatterND."""
    reduction = c.a.get("reduction", "none")
    alike = indices.shape == updates.shape and indices.dim() == x.dim()
    if c.a.get("form", "elements" if alike else "parts") == "parts":
        # A place over the first axes is one number over them joined.
        depth = indices.shape[-1]
        steps = torch.tensor([int(torch.tensor(x.shape[i + 1 : depth]).prod()) for i in range(depth)])
        rows = (indices * steps).sum(-1).reshape(-1)
        rest = x.shape[depth:]
        joined, updates = x.reshape(-1, *rest), updates.reshape(-1, *rest)
        indices = rows.reshape(-1, *[1] * len(rest)).expand_as(updates)
        return scatter_elements(joined, indices, updates, reduction).reshape(x.shape)
    return scatter_elements(x, indices, updates, reduction, c.a.get("axis", 0))


def scatter_elements(x, indices, updates, reduction, axis=0):
    if reduction == "none":
        return x.scatter(axis, indices, updates)
    return x.scatter_reduce(axis, indices, updates, REDUCE[reduction], include_self=True)


SCATTER = Op(
    scatter,
    [
        Case("elements", {}, [T((3, 3)), Given((2, 3), [1, 0, 2, 0, 2, 1], "i64"), T((2, 3))]),
        Case(
            "elements, added, one place twice",
            {"reduction": "add"},
            [T((3, 2)), Given((2, 2), [1, 2, 1, 0], "i64"), T((2, 2))],
        ),
        Case(
            "elements, multiplied",
            {"reduction": "mul"},
            [T((3, 2)), Given((2, 2), [1, 2, 1, 0], "i64"), T((2, 2))],
        ),
        Case(
            "elements, the larger",
            {"reduction": "max"},
            [T((3, 2)), Given((2, 2), [1, 2, 0, 0], "i64"), T((2, 2))],
        ),
        Case(
            "elements, the smaller",
            {"reduction": "min"},
            [T((3, 2)), Given((2, 2), [1, 2, 0, 0], "i64"), T((2, 2))],
        ),
        Case("rows", {}, [T((4, 3)), Given((2, 1), [2, 0], "i64"), T((2, 3))]),
        Case(
            "elements along the last axis",
            {"form": "elements", "axis": -1},
            [T((2, 4)), Given((2, 2), [3, 1, 0, 2], "i64"), T((2, 2))],
        ),
        Case(
            "parts whose shapes would do for elements",
            {"form": "parts"},
            [T((3, 3, 2)), Given((2, 1, 2), [2, 0, 1, 1], "i64"), T((2, 1, 2))],
        ),
        Case(
            "places of two axes, added, one twice",
            {"reduction": "add"},
            [T((2, 3, 2)), Given((3, 2), [0, 2, 1, 1, 0, 2], "i64"), T((3, 2))],
        ),
    ],
)


def one_hot(c, x):
    hot = F.one_hot(x.to(torch.int64), c.a["classes"]).movedim(-1, c.a.get("axis", -1))
    hot = hot.to(torch.float64) if c.a.get("dtype", "f32").startswith("f") else hot
    on, off = c.a.get("on", 1), c.a.get("off", 0)
    return hot * (on - off) + off


ONE_HOT = Op(
    one_hot,
    [
        Case("behind the others", {"classes": 4}, [Whole((2, 3), 4)]),
        Case("as channels", {"classes": 3, "axis": 1}, [Whole((2, 2, 2), 3)]),
        Case("smoothed", {"classes": 4, "on": 0.75, "off": 0.0625}, [Whole((2, 2), 4)]),
        Case("as whole numbers", {"classes": 3, "dtype": "i64"}, [Whole((4,), 3, dtype="i32")]),
    ],
    dtypes=lambda c: [c.a.get("dtype", "f32")],
)

RANGE = {"u8": (0, 255), "i8": (-128, 127), "i32": (-(2**31), 2**31 - 1)}


def quantize(c, x):
    low, high = RANGE[c.a["dtype"]]
    return (torch.round(x / c.w["scale"]) + c.w["zero_point"]).clamp(low, high).to(torch.int64)


def quantities(scale, zero_point, dtype):
    return [
        Stored("scale", (), buffer=True, values=[scale]),
        Stored("zero_point", (), buffer=True, values=[zero_point], dtype=dtype),
    ]


QUANTIZED = "the op stores neither number itself: a file's `stored`, here first the scale, then the zero point, does"
QUANTIZE = Op(
    quantize,
    [
        Case(
            "u8: halves go to the even number, both ends are cut off",
            {"dtype": "u8"},
            [Given((2, 5), [0, 0.125, 0.375, -0.625, 1, 31.5, 31.75, 40, -32, -33])],
            note=QUANTIZED,
        ),
        Case(
            "i8", {"dtype": "i8"}, [Given((2, 4), [0, 0.375, -0.375, 1.3125, -20, 20, 31.75, -32.25])], note=QUANTIZED
        ),
    ],
    stored=lambda c, x: quantities(0.25, 128 if c.a["dtype"] == "u8" else 0, c.a["dtype"]),
    dtypes=lambda c: [c.a["dtype"]],
    source=FORMULA,
)

DEQUANTIZE = Op(
    lambda c, x: (x - c.w["zero_point"]) * c.w["scale"],
    [
        Case("u8", {"dtype": "f32"}, [Given((2, 3), [0, 127, 128, 129, 200, 255], "u8")], note=QUANTIZED),
        Case("i8", {"dtype": "f32"}, [Given((2, 3), [-128, -1, 0, 1, 100, 127], "i8")], note=QUANTIZED),
    ],
    stored=lambda c, x: quantities(0.25, 128 if c.dtypes[0] == "u8" else -3, c.dtypes[0]),
    dtypes=lambda c: [c.a["dtype"]],
    source=FORMULA,
)

OPS = {
    "gather": GATHER,
    "gather_elements": GATHER_ELEMENTS,
    "gather_nd": GATHER_ND,
    "scatter": SCATTER,
    "one_hot": ONE_HOT,
    "quantize": QUANTIZE,
    "dequantize": DEQUANTIZE,
}
