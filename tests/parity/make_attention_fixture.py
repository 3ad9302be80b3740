"""Writes fixtures/attention.h5: attention of packed sequences by PyTorch in double precision.

    python3 make_attention_fixture.py            write the fixture
    python3 make_attention_fixture.py --check    recompute the written one

Lengths are those of real sequences and those around the edges of tiles. Inputs follow from a
formula that the C test repeats, so that the file holds results only, at some of the rows. Without
dropout the forward pass is PyTorch's scaled_dot_product_attention. With dropout, whose masks
PyTorch would draw itself, it is softmax and the masks that src/core/philox.h documents, drawn here
by another implementation. All gradients are autograd's. README.md describes the datasets.
"""
import dataclasses
import os
import sys

import h5py
import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

import make_model_fixtures as models

LENGTHS = (1, 2, 17, 55, 63, 64, 65, 318, 367, 512)
SHORT = LENGTHS[:7]
KEY = dict(seed=42, step=3, first_sequence=11)  # as start_batch() in tests/cuda_on_cpu/beside_cpu.h
STREAM = 4 << 24 | 1 << 12  # of the masks: dropout on attention probabilities, layer 1, head 0


@dataclasses.dataclass
class Case:
    lengths: tuple
    heads: int
    head_size: int
    dropout: float
    single: int = 0  # 1: position 0 of each sequence is the only query


CASES = {
    "tokens": Case(LENGTHS, 1, 64, 0.0),
    "tokens_dropout": Case(LENGTHS, 1, 64, 0.1),
    "heads_dropout": Case(SHORT, 2, 32, 0.1),
    "wide_head_dropout": Case(SHORT, 1, 128, 0.1),
    "single": Case(LENGTHS, 2, 32, 0.0, single=1),
    "single_dropout": Case(LENGTHS, 2, 32, 0.1, single=1),
}


def philox(key, counter):
    """Philox4x32-10 (Salmon et al., SC 2011) of a key and counters (..., 4): draws (..., 4)."""
    low = np.uint64(0xFFFFFFFF)
    c = [np.asarray(counter[..., i], dtype=np.uint64) for i in range(4)]
    for i in range(10):
        k = [np.uint64((key[0] + i * 0x9E3779B9) % 2 ** 32),
             np.uint64((key[1] + i * 0xBB67AE85) % 2 ** 32)]
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [b >> np.uint64(32) ^ c[1] ^ k[0], b & low, a >> np.uint64(32) ^ c[3] ^ k[1], a & low]
    return np.stack(c, axis=-1)


def mask(queries, keys, sequence, head, p):
    """1 / (1 - p) where a probability (queries, keys) is kept, else 0."""
    counter = np.zeros((queries, (keys + 3) // 4, 4), dtype=np.uint64)
    counter[..., 0] = np.arange(counter.shape[1])
    counter[..., 1] = np.arange(queries)[:, None]
    counter[..., 2] = KEY["first_sequence"] + sequence
    counter[..., 3] = KEY["step"]
    draws = philox((KEY["seed"], STREAM + head), counter).reshape(queries, -1)[:, :keys]
    return torch.tensor((draws >= np.uint64(p * 2 ** 32 + 0.5)) / (1 - p))


def numbers(matrix, rows, columns):
    """Matrix number `matrix`: multiples of 1/64 in [-2, 2), exact in bf16 and fp16."""
    x = np.arange(rows * columns, dtype=np.uint32) + np.uint32(matrix << 24)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x85EBCA6B)  # the last mixing of MurmurHash3
    x = (x ^ x >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return torch.tensor((x >> np.uint32(24)).astype(np.float64) / 64 - 2).reshape(rows, columns)


def kept_rows(lengths):
    """Rows of a token matrix whose results are stored: ends, edges of tiles of 64, some between."""
    rows, start = [], 0
    for n in lengths:
        rows += [start + t for t in range(n)
                 if t in (0, 1, n - 1) or t % 64 in (0, 63) or t % 37 == 5]
        start += n
    return np.array(rows, dtype=np.int32)


def attend(q, k, v, dy, factor):
    """One head of one sequence: {name: result}, and {name: size of the terms that it sums}."""
    q, k, v = (x.clone().requires_grad_() for x in (q, k, v))
    scale = q.shape[1] ** -0.5
    scores = q @ k.T * scale
    weights = scores.softmax(dim=1)
    y = (weights * factor) @ v
    if (factor == 1).all():
        explicit = y
        y = scaled_dot_product_attention(q[None], k[None], v[None])[0]
        assert torch.allclose(explicit, y, rtol=1e-12, atol=1e-12)
    y.backward(dy)
    with torch.no_grad():
        results = {"y": y.detach(), "log_sum": scores.logsumexp(dim=1).detach()[:, None],
                   "dq": q.grad, "dk": k.grad, "dv": v.grad}
        # dscores = weights · (dweights - their mean): the first of the two terms alone
        term = weights * (dy @ v.T * factor) * scale
        terms = {"dq": term @ k, "dk": term.T @ q}
        sizes = {name: max(x.abs().max().item() for x in (value, terms.get(name, value)))
                 for name, value in results.items()}
    return results, sizes


def compute(c):
    """{dataset: values} of a case."""
    tokens, h = sum(c.lengths), c.heads * c.head_size
    starts = np.cumsum((0,) + c.lengths)
    queries = len(c.lengths) if c.single else tokens
    q, dy = numbers(1, queries, h), numbers(4, queries, h)
    k, v = numbers(2, tokens, h), numbers(3, tokens, h)
    shapes = {"y": (queries, h), "log_sum": (queries, c.heads), "dq": (queries, h),
              "dk": (tokens, h), "dv": (tokens, h)}
    out = {name: torch.zeros(shape) for name, shape in shapes.items()}
    sizes = {name: torch.zeros(len(c.lengths)) for name in out}
    for b, n in enumerate(c.lengths):
        keys = slice(starts[b], starts[b + 1])
        rows = slice(b, b + 1) if c.single else keys
        for head in range(c.heads):
            columns = slice(head * c.head_size, (head + 1) * c.head_size)
            m = 1 if c.single else n
            factor = mask(m, n, b, head, c.dropout)
            results, of_head = attend(q[rows, columns], k[keys, columns], v[keys, columns],
                                      dy[rows, columns], factor)
            for name, value in results.items():
                to = slice(head, head + 1) if name == "log_sum" else columns
                out[name][keys if name in ("dk", "dv") else rows, to] = value
                sizes[name][b] = max(sizes[name][b].item(), of_head[name])
    kept = kept_rows(c.lengths)
    data = {"lengths": np.array(c.lengths, dtype=np.int32), "rows": kept}
    for name, value in out.items():
        value = value if c.single and name not in ("dk", "dv") else value[kept]
        data[name] = value.numpy().astype(np.float32)
        data[f"size/{name}"] = sizes[name].numpy().astype(np.float32)
    return data


def make():
    data = {}
    for name, c in CASES.items():
        data[name] = {key: x for key, x in dataclasses.asdict(c).items() if key != "lengths"}
        data.update({f"{name}/{key}": value for key, value in compute(c).items()})
    models.write("attention", data, {**KEY, "cases": list(CASES)})


def check():
    """Largest deviation of the written file from a fresh computation, relative to the size."""
    worst = 0.0
    with h5py.File(os.path.join(models.FOLDER, "attention.h5")) as file:
        for name, c in CASES.items():
            for key, value in compute(c).items():
                off = np.abs(file[f"{name}/{key}"][()].astype(np.float64) - value)
                worst = max(worst, off.max() / max(1e-3, np.abs(value).max()))
    print(f"attention: recomputed {worst:.1e}")
    return worst < 1e-6


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    known = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # Random123's known answer for zeros
    assert philox((0, 0), np.zeros((1, 4), dtype=np.uint64))[0].tolist() == known
    if sys.argv[1:] == ["--check"]:
        return 0 if check() else 1
    make()
    return 0


if __name__ == "__main__":
    sys.exit(main())
