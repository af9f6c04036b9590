"""Normalizations."""

import torch.nn.functional as F

from .case import Case, Op, Stored, T

MAP = (2, 3, 3, 2)


def affine(c, shape, default=True):
    return [Stored("weight", shape), Stored("bias", shape)] if c.a.get("affine", default) else []


def running(channels):
    return [
        Stored("running_mean", (channels,), buffer=True),
        Stored("running_var", (channels,), buffer=True, positive=True),
    ]


def batch_norm(c, x):
    # In training PyTorch writes to the running statistics: the stored ones stay as they were.
    mean, var = (c.w[name].clone() if name in c.w else None for name in ("running_mean", "running_var"))
    return F.batch_norm(
        x, mean, var, c.w.get("weight"), c.w.get("bias"), c.train or mean is None, eps=c.a.get("epsilon", 1e-5)
    )


BATCH_NORM = Op(
    batch_norm,
    [
        Case("running statistics", {}, [T(MAP)]),
        Case("running statistics of features", {"epsilon": 0.001}, [T((3, 4))]),
        Case("neither γ nor β", {"affine": False}, [T((2, 3, 2, 2))]),
        Case("the batch's statistics", {}, [T(MAP)], mode="train"),
        Case("the batch's statistics of features", {"epsilon": 0.001}, [T((5, 3))], mode="train"),
        Case("the batch's statistics, neither γ nor β", {"affine": False}, [T((2, 3, 5))], mode="train"),
        Case(
            "no running statistics: the batch's in evaluation too",
            {"track_running_stats": False},
            [T((3, 2, 2, 1))],
        ),
    ],
    stored=lambda c, x: affine(c, (x[1],)) + (running(x[1]) if c.a.get("track_running_stats", True) else []),
)


def instance_norm(c, x):
    tracked = c.a.get("track_running_stats", False)
    mean, var = (c.w[name].clone() if tracked else None for name in ("running_mean", "running_var"))
    return F.instance_norm(
        x, mean, var, c.w.get("weight"), c.w.get("bias"), c.train or not tracked, eps=c.a.get("epsilon", 1e-5)
    )


INSTANCE_NORM = Op(
    instance_norm,
    [
        Case("each map's own statistics", {}, [T(MAP)]),
        Case("γ and β", {"affine": True, "epsilon": 0.001}, [T((2, 2, 2, 3))]),
        Case("one spatial axis", {"affine": True}, [T((2, 3, 5))]),
        Case("running statistics", {"affine": True, "track_running_stats": True}, [T((2, 2, 3, 2))]),
        Case(
            "running statistics are not used in training",
            {"affine": True, "track_running_stats": True},
            [T((2, 2, 3, 2))],
            mode="train",
        ),
    ],
    stored=lambda c, x: affine(c, (x[1],), False) + (running(x[1]) if c.a.get("track_running_stats") else []),
)

GROUP_NORM = Op(
    lambda c, x: F.group_norm(x, c.a["groups"], c.w.get("weight"), c.w.get("bias"), c.a.get("epsilon", 1e-5)),
    [
        Case("two groups", {"groups": 2}, [T((2, 4, 3, 2))]),
        Case("one group, without γ and β", {"groups": 1, "affine": False}, [T((2, 3, 2, 2))]),
        Case("a group for each channel", {"groups": 3, "epsilon": 0.01}, [T((2, 3, 5))]),
        Case("features", {"groups": 2}, [T((2, 6))]),
    ],
    stored=lambda c, x: affine(c, (x[1],)),
)


def tail(c, shape):
    return tuple(shape[c.a.get("axes_from", -1) :])


def layer_stored(c, x):
    return affine(c, tail(c, x))[: 2 if c.a.get("bias", True) else 1]


LAYER_NORM = Op(
    lambda c, x: F.layer_norm(x, tail(c, x.shape), c.w.get("weight"), c.w.get("bias"), c.a.get("epsilon", 1e-5)),
    [
        Case("the features of tokens", {}, [T((2, 3, 5))]),
        Case("all axes but the batch", {"axes_from": 1}, [T((2, 2, 3, 2))]),
        Case("two axes from the end, no β", {"axes_from": -2, "bias": False, "epsilon": 0.001}, [T((2, 2, 3, 2))]),
        Case("neither γ nor β", {"affine": False}, [T((3, 4))]),
    ],
    stored=layer_stored,
)

RMS_NORM = Op(
    lambda c, x: F.rms_norm(x, tail(c, x.shape), c.w.get("weight"), c.a.get("epsilon", 1e-5)),
    [
        Case("the features of tokens", {}, [T((2, 3, 5))]),
        Case("two axes from the end", {"axes_from": -2, "epsilon": 0.001}, [T((2, 2, 3, 2))]),
        Case("without γ", {"axes_from": 1, "affine": False}, [T((2, 2, 3))]),
    ],
    stored=lambda c, x: affine(c, tail(c, x))[:1],
)

LRN = Op(
    lambda c, x: F.local_response_norm(
        x, c.a["size"], c.a.get("alpha", 1e-4), c.a.get("beta", 0.75), c.a.get("k", 1.0)
    ),
    [
        Case("three channels, weak by default", {"size": 3}, [T((2, 5, 2, 1))]),
        Case("AlexNet's window, a strong alpha", {"size": 5, "alpha": 2.0, "beta": 0.5, "k": 2.0}, [T((2, 6, 1, 3))]),
        Case("wider than there are channels", {"size": 5, "alpha": 1.0}, [T((2, 2, 2, 3))]),
        Case("one spatial axis", {"size": 3, "alpha": 1.0}, [T((2, 4, 3))]),
        Case(
            "an even size",
            {"size": 4, "alpha": 2.0},
            [T((2, 6, 1, 2))],
        ),
    ],
)

OPS = {
    "batch_norm": BATCH_NORM,
    "instance_norm": INSTANCE_NORM,
    "group_norm": GROUP_NORM,
    "layer_norm": LAYER_NORM,
    "rms_norm": RMS_NORM,
    "lrn": LRN,
}
