"""Writes fixtures/matrix_*.h5: every model type with every loss, class weight and padding mode.

    python3 make_matrix_fixtures.py [NAME...]  write every fixture, or these
    python3 make_matrix_fixtures.py --check    recompute the written ones

One file a model type and padding mode, of the tiniest model that has all parts. It holds one batch and
the micro-batches of ten optimizer steps, and for each of the nine objectives (VARIANTS) the loss, the
gradient and the parameters after the steps, each as one vector of all parameters in the file's order.
README.md describes the datasets. A seed is taken when make_model_fixtures.py would take it with every
objective; in the steps, which double precision alone follows, maxima may be closer.
"""
import collections
import copy
import dataclasses
import os
import sys

import h5py
import numpy as np
import torch

import make_model_fixtures as models
from make_model_fixtures import Case, STEPS, Unsuitable, small
from reference_model import Model, pad, train

STEP_MARGIN = 1e-7  # of maxima and ReLU inputs in the steps
LENGTHS = (10, 9, 1, 4, 13, 2, 8)  # L, L-1, one token, a short one, truncated, two tokens, L-2
LEVEL_WEIGHTS = (0.5, 1.5)
LOSSES = {"cross_entropy": ("cross_entropy", "mean"), "focal_mean": ("focal", "mean"),
          "focal_sum": ("focal", "sum")}
WEIGHTS = ("none", "inverse", "sqrt_inverse")
VARIANTS = [(loss, weights) for loss in LOSSES for weights in WEIGHTS]


def tiny(**changes):
    sizes = dict(vocabulary=9, max_length=10, embed_dim=5, num_filters=3, kernel_sizes=(3, 5),
                 hidden_size=6, num_hidden_layers=1, num_attention_heads=2, intermediate_size=7,
                 classes=(3, 5))
    return small(**{**sizes, **changes})


ONEHOT = dict(model_type="cnn", encoding="onehot", embed_dim=4, vocabulary=5, pad_id=4)
CONFIGS = {  # bert has no padded positions: one file serves both modes
    "matrix_hybrid": tiny(),
    "matrix_hybrid_masked": tiny(mask_padding=True),
    "matrix_cnn": tiny(model_type="cnn"),
    "matrix_cnn_masked": tiny(model_type="cnn", mask_padding=True),
    "matrix_onehot": tiny(**ONEHOT),
    "matrix_onehot_masked": tiny(**ONEHOT, mask_padding=True),
    "matrix_bert": tiny(model_type="bert"),
    "matrix_kmer": tiny(model_type="kmer", encoding="onehot", vocabulary=5, pad_id=4, kmer_size=2),
}


def with_objective(model, loss):
    """The same parameters under another loss."""
    kind, reduction = LOSSES[loss]
    other = copy.deepcopy(model)
    other.config = dataclasses.replace(model.config, loss_type=kind, focal_reduction=reduction)
    return other


def weights_of(c, labels, kind):
    """Class weights (C_r) a rank from the labels (N, R) of the training part; None: all 1."""
    if kind == "none":
        return None
    weights = []
    for classes, column in zip(c.classes, labels.T):
        count = torch.bincount(column, minlength=classes).to(torch.get_default_dtype())
        inverse = len(column) / (classes * count)
        inverse[count == 0] = 0
        weights.append(inverse.sqrt() if kind == "sqrt_inverse" else inverse)
    return weights


def trained(model):
    """Names of the parameters that a gradient reaches: all but the pooler's."""
    return [name for name, _ in model.named_parameters() if ".pooler." not in name]


def flat(model, value):
    return torch.cat([value(model.get_parameter(name)).detach().reshape(-1)
                      for name in trained(model)])


def take_steps(model, windows, settings, level_weights, weights, checked):
    def margins(batch):
        if checked:
            models.check_margins(model, batch, STEP_MARGIN, STEP_MARGIN)

    _, rates, norms = train(model, windows, models.loss_of(level_weights, weights), settings, margins)
    return rates, norms


def settings_of():
    settings = {**STEPS, "accum_steps": 2, "max_grad_norm": 5.0}  # clips some steps
    settings["warmup_steps"] = int(settings["warmup_ratio"] * settings["optimizer_steps"])
    return settings


def objectives(model, batch, windows, level_weights, checked):
    """{dataset: values} of all VARIANTS."""
    labels = torch.cat([b[1] for window in windows for b in window])
    found = collections.defaultdict(list)
    zero_tensors = []
    for loss_name, weights_name in VARIANTS:
        subject = with_objective(model, loss_name)
        weights = weights_of(model.config, labels, weights_name)
        loss, by_rank, _, _ = models.evaluate(subject, batch, level_weights, weights)
        if checked:
            zero_tensors, _ = models.check_gradients(subject, batch)
            models.check_conditioning(subject, batch, level_weights, weights, zero_tensors)
        found["loss"].append(loss.item())
        found["loss_by_rank"].append(by_rank.detach().numpy())
        found["gradient"].append(flat(subject, lambda p: p.grad).numpy())
        rates, norms = take_steps(subject, windows, settings_of(), level_weights, weights, checked)
        found["learning_rate"] = rates
        found["gradient_norm"].append(norms)
        found["after_steps"].append(flat(subject, lambda p: p).numpy())
    data = {f"expected/{name}": np.array(values) for name, values in found.items()}
    for name in WEIGHTS[1:]:
        data[f"class_weights/{name}"] = torch.cat(weights_of(model.config, labels, name))
    return data, zero_tensors


def compute(c, seed):
    random = np.random.Generator(np.random.PCG64(seed))
    model = Model(c)
    models.draw_parameters(model, random)
    # the last class of the last rank is not seen, and weighs 0
    seen = dataclasses.replace(c, classes=c.classes[:-1] + (c.classes[-1] - 1,))
    batch = models.draw_batch(seen, LENGTHS, random)
    windows = models.draw_windows(Case(seen, ()), settings_of(), random)
    winners = models.check_margins(model, batch)
    if winners and not c.mask_padding and min(winners["halo"], winners["padding"]) < 1:
        raise Unsuitable("padding never wins a maximum")
    level_weights = torch.tensor(LEVEL_WEIGHTS)
    with torch.no_grad():
        ids, lengths = pad(models.truncated(batch[0], c), c)
        logits = torch.cat(model(ids, lengths)[0], dim=1)
    expected, zero_tensors = objectives(model, batch, windows, level_weights, checked=True)
    batches = [b for window in windows for b in window]
    sequences = [s for b in batches for s in b[0]]
    data = {f"model/{name}": p.detach().numpy().astype(np.float32)
            for name, p in model.named_parameters()}
    data.update(models.batch_data("batch", models.truncated(batch[0], c), batch[1]))
    data["batch/level_weights"] = level_weights
    data.update(models.batch_data("steps", sequences, torch.cat([b[1] for b in batches])))
    data["steps/cu_batches"] = models.cumulative(len(b[0]) for b in batches)
    data.update({"steps": settings_of(), "expected/logits": logits, **expected})
    clipped = (expected["expected/gradient_norm"] > settings_of()["max_grad_norm"]).sum(axis=1)
    return data, {**dataclasses.asdict(c), "seed": seed, "zero_gradient": zero_tensors,
                  "order": trained(model), "variants": [" ".join(v) for v in VARIANTS],
                  "clipped": clipped}


def make(name, c):
    reasons = collections.Counter()
    for seed in range(2000):
        try:
            data, attributes = compute(c, seed)
        except Unsuitable as reason:
            reasons[str(reason)] += 1
            continue
        models.write(name, data, attributes)
        print(f"  of 10 steps clipped, by objective: {attributes['clipped'].tolist()}")
        return
    raise SystemExit(f"{name}: no seed is well posed: {dict(reasons)}")


def sequences_of(file, group):
    tokens, ends = file[f"{group}/tokens"][()].tolist(), file[f"{group}/cu_seqlens"][()]
    return [tokens[a:b] for a, b in zip(ends, ends[1:])]


def read(file, c):
    """Model, batch and windows of a written file."""
    model = Model(c)
    for name, p in model.named_parameters():
        p.data = torch.tensor(file["model/" + name][()].astype(np.float64))
    batch = sequences_of(file, "batch"), torch.tensor(file["batch/labels"][()].astype(np.int64))
    sequences = sequences_of(file, "steps")
    labels = torch.tensor(file["steps/labels"][()].astype(np.int64))
    ends = file["steps/cu_batches"][()]
    batches = [(sequences[a:b], labels[a:b]) for a, b in zip(ends, ends[1:])]
    accum = settings_of()["accum_steps"]
    return model, batch, [batches[i:i + accum] for i in range(0, len(batches), accum)]


def check(name, c):
    """Largest deviation of one written file from a fresh computation."""
    with h5py.File(os.path.join(models.FOLDER, name + ".h5")) as file:
        model, batch, windows = read(file, c)
        expected, _ = objectives(model, batch, windows, torch.tensor(LEVEL_WEIGHTS), checked=False)
        worst = max(models.difference(torch.as_tensor(value), file[where][()])
                    for where, value in expected.items())
    print(f"{name:32} recomputed {worst:.1e}")
    return worst < 1e-9


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--check"]:
        return 0 if all([check(name, c) for name, c in CONFIGS.items()]) else 1
    for name in sys.argv[1:] or CONFIGS:
        make(name, CONFIGS[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
