"""Products of matrices."""

import math

import torch
import torch.nn.functional as F

from .case import Case, Op, Stored, T, Whole


def linear_stored(c, x):
    # Whole numbers are multiplied with whole numbers.
    dtype = c.dtypes[0] if c.dtypes[0] != "f32" else None
    shape = (c.a["out_features"], x[-1])
    values = [(7 * i) % 11 - 5 for i in range(math.prod(shape))] if dtype else None
    weight = Stored("weight", shape, values=values, dtype=dtype)
    return [weight] + ([Stored("bias", shape[:1])] if c.a.get("bias", True) else [])


def output_type(c):
    return [c.a.get("dtype") or c.dtypes[0]]


LINEAR = Op(
    lambda c, x: F.linear(x, c.w["weight"], c.w.get("bias")),
    [
        Case("features", {"out_features": 4}, [T((2, 5))]),
        Case("tokens, no bias", {"out_features": 3, "bias": False}, [T((2, 3, 4))]),
        Case("over the last axis of a map", {"out_features": 2}, [T((2, 2, 3, 3))]),
        Case(
            "whole numbers with a wider sum",
            {"out_features": 2, "bias": False, "dtype": "i32"},
            [Whole((2, 3), 128, -128, "i8")],
        ),
    ],
    stored=linear_stored,
    dtypes=output_type,
)


def matmul(c, a, b):
    a = a.transpose(-1, -2) if c.a.get("transpose_a") else a
    b = b.transpose(-1, -2) if c.a.get("transpose_b") else b
    return torch.matmul(a, b)


MATMUL = Op(
    matmul,
    [
        Case("batches of matrices", {}, [T((2, 3, 4)), T((2, 4, 2))]),
        Case("batches that broadcast", {}, [T((2, 1, 2, 3)), T((3, 3, 2))]),
        Case("one matrix for all", {}, [T((2, 2, 3)), T((3, 4))]),
        Case("the first transposed", {"transpose_a": True}, [T((2, 4, 3)), T((2, 4, 2))]),
        Case("the second transposed, as Q·Kᵀ", {"transpose_b": True}, [T((2, 2, 3, 4)), T((2, 2, 5, 4))]),
        Case("both transposed", {"transpose_a": True, "transpose_b": True}, [T((2, 3, 2)), T((2, 4, 3))]),
        Case("a vector on the right", {}, [T((2, 3, 4)), T((4,))]),
        Case("a vector on the left", {}, [T((3,)), T((2, 3, 4))]),
        Case(
            "whole numbers with a wider sum",
            {"dtype": "i32"},
            [Whole((2, 3), 128, -128, "i8"), Whole((3, 2), 128, -128, "i8")],
        ),
    ],
    dtypes=output_type,
)

EINSUM = Op(
    lambda c, *xs: torch.einsum(c.a["equation"], *xs),
    [
        Case("scores of attention", {"equation": "bhid,bhjd->bhij"}, [T((2, 2, 3, 4)), T((2, 2, 2, 4))]),
        Case("a transposed output, one axis summed", {"equation": "bij,jk->kib"}, [T((2, 3, 4)), T((4, 2))]),
        Case("without an arrow: alphabetical", {"equation": "ba,bc"}, [T((2, 3)), T((2, 2))]),
        Case("further axes broadcast", {"equation": "...ij,...jk->...ik"}, [T((2, 1, 2, 3)), T((3, 3, 2))]),
        Case("the diagonal of each matrix", {"equation": "bii->bi"}, [T((2, 3, 3))]),
        Case("a trace", {"equation": "bii->b"}, [T((2, 3, 3))]),
        Case("three tensors", {"equation": "bi,ij,bj->b"}, [T((2, 3)), T((3, 2)), T((2, 2))]),
        Case("axes that one alone names", {"equation": "bij,jkl->k"}, [T((2, 3, 2)), T((2, 4, 3))]),
        Case("an outer product, with blanks", {"equation": "b i, b j -> b i j"}, [T((2, 3)), T((2, 2))]),
    ],
)


def attention(c, q, k, v):
    heads, tokens = c.a.get("heads"), q.dim() == 3
    if tokens:
        heads = heads or 1
        kv_heads = c.a.get("kv_heads") or heads
        # Head i has the i-th run of neighbouring features.
        q = q.unflatten(2, (heads, -1)).transpose(1, 2)
        k, v = (x.unflatten(2, (kv_heads, -1)).transpose(1, 2) for x in (k, v))
    # Head i of the query reads key and value head i // (heads / kv_heads).
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    causal = c.a.get("mask") == "causal"
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=c.a.get("scale"))
    return y.transpose(1, 2).flatten(2) if tokens else y


ATTENTION = Op(
    attention,
    [
        Case("one head, tokens", {}, [T((2, 3, 4)), T((2, 3, 4)), T((2, 3, 4))]),
        Case("two heads of a token's features", {"heads": 2}, [T((2, 3, 4)), T((2, 3, 4)), T((2, 3, 4))]),
        Case("cross attention, values of another width", {}, [T((2, 2, 3, 2)), T((2, 2, 4, 2)), T((2, 2, 4, 3))]),
        Case(
            "heads that share a key, by their axes",
            {},
            [T((2, 4, 2, 2)), T((2, 2, 3, 2)), T((2, 2, 3, 2))],
        ),
        Case(
            "heads that share a key, of features",
            {"heads": 4, "kv_heads": 2},
            [T((1, 3, 8)), T((1, 3, 4)), T((1, 3, 6))],
        ),
        Case("causal", {"mask": "causal", "heads": 2}, [T((2, 3, 4)), T((2, 3, 4)), T((2, 3, 4))]),
        Case(
            "causal, scaled otherwise, more keys than queries, heads that share a key",
            {"mask": "causal", "scale": 0.75},
            [T((1, 4, 2, 2)), T((1, 2, 3, 2)), T((1, 2, 3, 2))],
        ),
    ],
)

EMBEDDING = Op(
    lambda c, x: F.embedding(x, c.w["weight"]),
    [
        Case("tokens, some of them twice", {"num_embeddings": 5, "embedding_dim": 3}, [Whole((2, 4), 5)]),
        Case("a number for each image", {"num_embeddings": 4, "embedding_dim": 2}, [Whole((3,), 4)]),
        Case("i32 and more axes", {"num_embeddings": 3, "embedding_dim": 2}, [Whole((2, 2, 2), 3, dtype="i32")]),
    ],
    stored=lambda c, x: [Stored("weight", (c.a["num_embeddings"], c.a["embedding_dim"]))],
    dtypes=lambda c: [c.a.get("dtype", "f32")],
)

OPS = {
    "linear": LINEAR,
    "matmul": MATMUL,
    "einsum": EINSUM,
    "attention": ATTENTION,
    "embedding": EMBEDDING,
}
