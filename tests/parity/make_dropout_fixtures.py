"""Writes fixtures/*_dropout.h5: what the published definition gives on average over dropout masks.

    python3 make_dropout_fixtures.py            write every fixture
    python3 make_dropout_fixtures.py --check    average over other masks and compare

Two programs never draw the same masks, but the averages over many must agree. Means alone do not
see everything (dropout before a linear layer changes no mean), so squares are averaged too.
README.md describes the datasets.
"""
import dataclasses
import os
import sys

import h5py
import numpy as np
import torch

from make_model_fixtures import (FOLDER, LEVEL_WEIGHTS, Case, Unsuitable, batch_data,
                                 check_margins, draw_batch, draw_parameters, read_case, small,
                                 write)
from reference_model import Model, model_loss, pad

COPIES = 100  # of the batch in one pass, each with masks of its own
PASSES = 400
MEAN_BITS, ERROR_BITS = 20, 8  # of a significand; the error of a mean is far above 2^-20 of it
SIGMAS = 7.0  # as in the C test

# The widest kernel reaches 3 positions past the end: of lengths 4, 3, 2, 1 there remain 1, 2, 3, 4
# positions of padding, which are all dropped together now and then. Of the others none remains.
CASES = {
    "hybrid_dropout": Case(small(dropout=0.4, max_length=8), (4, 8, 3, 2, 1, 7, 5), LEVEL_WEIGHTS),
    "hybrid_masked_dropout": Case(
        small(dropout=0.2, mask_padding=True, num_hidden_layers=1, hidden_size=12,
              num_attention_heads=3, classes=(2, 4, 7)), (24, 1, 11, 2, 22), (1.0, 0.5, 2.0)),
}


def observe(model, batch, level_weights):
    """One pass over COPIES of the batch: {name: mean over the copies}."""
    c = model.config
    ids, lengths = (x.repeat(COPIES, *[1] * (x.ndim - 1)) for x in pad(batch[0], c))
    read = []  # what the heads read: the fused vector after dropout
    hook = model.dropout.register_forward_hook(lambda module, x, y: read.append(y))
    logits, parts = model(ids, lengths)
    hook.remove()
    loss = model_loss(c, logits, batch[1].repeat(COPIES, 1), level_weights)[0]
    model.zero_grad(set_to_none=True)
    loss.backward()
    values = {"loss": loss}
    for name, value in (("logits", torch.cat(logits, dim=1)), ("fused", read[0]),
                        ("maximum", parts["maximum"])):
        value = value.unflatten(0, (COPIES, -1))
        values[name], values[f"{name}_squared"] = value.mean(dim=0), (value ** 2).mean(dim=0)
    values.update({f"gradient/{name}": p.grad for name, p in model.named_parameters()
                   if p.grad is not None})
    return {name: value.detach() for name, value in values.items()}


def average(model, batch, level_weights, passes):
    """{name: (mean, its standard error)} over `passes` passes."""
    total, squares = {}, {}
    for _ in range(passes):
        for name, value in observe(model, batch, level_weights).items():
            total[name] = total.get(name, 0) + value
            squares[name] = squares.get(name, 0) + value ** 2
    result = {}
    for name, value in total.items():
        mean = value / passes
        variance = (squares[name] / passes - mean ** 2).clamp(min=0)
        result[name] = mean, (variance / (passes - 1)).sqrt()
    return result


def rounded(value, bits):
    significand, exponent = np.frexp(value.numpy())
    return np.ldexp(np.round(np.ldexp(significand, bits)), exponent - bits).astype(np.float32)


def draw(case, seed):
    """The model and batch of a seed; raises Unsuitable where padding hardly matters."""
    random = np.random.Generator(np.random.PCG64(seed))
    model = Model(case.config).eval()
    draw_parameters(model, random)
    for name, p in model.named_parameters():
        if name.startswith("conv_stacks") and name.endswith("weight"):
            p.data /= 4  # so that what padding gives, the bias alone, is often the maximum
    batch = draw_batch(case.config, case.lengths, random)
    winners = check_margins(model, batch)
    if not case.config.mask_padding and winners["halo"] + winners["padding"] < 25:
        raise Unsuitable("padding seldom wins a maximum")
    return model.train(), batch, winners


def make(name, case):
    c = case.config
    for seed in range(500):
        try:
            model, batch, winners = draw(case, seed)
            break
        except Unsuitable:
            continue
    else:
        raise SystemExit(f"{name}: no seed is well posed")
    torch.manual_seed(seed)
    level_weights = torch.tensor(case.level_weights)
    data = {f"model/{key}": p.detach().numpy().astype(np.float32)
            for key, p in model.named_parameters()}
    data.update(batch_data("batch", *batch))
    data["batch/level_weights"] = level_weights.numpy()
    for key, (mean, error) in average(model, batch, level_weights, PASSES).items():
        data[f"expected/mean/{key}"] = rounded(mean, MEAN_BITS)
        data[f"expected/error/{key}"] = rounded(error, ERROR_BITS)
    write(name, data, {**dataclasses.asdict(c), "seed": seed, "masks": COPIES * PASSES,
                       **{f"winners_{key}": count for key, count in winners.items()}})


def check(name):
    """Largest deviation from an average over other masks, in standard errors."""
    worst = 0.0
    torch.manual_seed(12345)
    with h5py.File(os.path.join(FOLDER, name + ".h5")) as file:
        model, batch, level_weights, _ = read_case(file)
        for key, (mean, error) in average(model.train(), batch, level_weights, PASSES // 4).items():
            theirs, their_error = (torch.tensor(file[f"expected/{kind}/{key}"][()]).double()
                                   for kind in ("mean", "error"))
            error = torch.maximum(error, 2 * their_error)  # a quarter of the masks
            bound = (error ** 2 + their_error ** 2).sqrt()
            worst = max(worst, ((mean - theirs).abs() / (bound + 1e-7)).max().item())
    print(f"{name:32} within {worst:.1f} standard errors of other masks")
    return worst < SIGMAS


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--check"]:
        return 0 if all([check(name) for name in CASES]) else 1
    for name, case in CASES.items():
        make(name, case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
