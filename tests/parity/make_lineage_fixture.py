"""Writes fixtures/lineage.h5: --loss-type lineage on the models and batches of matrix_*.h5.

    python3 make_lineage_fixture.py            write it
    python3 make_lineage_fixture.py --check    recompute the written one

The lineages are the different rows of the batch's labels: few of all combinations, of which the layer
would make a cross entropy for each rank. Here they are enumerated: the score of each is the sum of its logits, a marginal is the logarithm of the sum of e^score over the lineages with that
label (NO_LINEAGE where there is none), and the loss is the cross entropy of the marginals.
"""
import os
import sys

import h5py
import numpy as np
import torch

import make_matrix_fixtures as matrix
import make_model_fixtures as models
from reference_model import model_loss, pad

NAMES = ("matrix_hybrid", "matrix_cnn", "matrix_onehot", "matrix_bert")
WEIGHTS = ("none", "inverse")
NO_LINEAGE = -1e30


def marginals(logits, lineages):
    """logits: (B, C_r) a rank; lineages: (N, R). Returns the same shapes as logits."""
    scores = sum(x[:, lineages[:, r]] for r, x in enumerate(logits))
    found = []
    for r, x in enumerate(logits):
        columns = []
        for c in range(x.shape[1]):
            have = lineages[:, r] == c
            columns.append(torch.logsumexp(scores[:, have], dim=1) if have.any()
                           else torch.full_like(x[:, c], NO_LINEAGE))
        found.append(torch.stack(columns, dim=1))
    return found


def compute(name):
    """{dataset: values} of one model."""
    c = matrix.CONFIGS[name]
    with h5py.File(os.path.join(models.FOLDER, name + ".h5")) as file:
        model, batch, windows = matrix.read(file, c)
    seen = torch.cat([b[1] for window in windows for b in window])
    lineages = torch.unique(batch[1], dim=0)
    data = {"lineages": lineages.numpy().astype(np.int32), "loss": [], "loss_by_rank": [],
            "gradient": []}
    for kind in WEIGHTS:
        weights = matrix.weights_of(c, seen, kind)
        model.zero_grad()
        ids, lengths = pad(models.truncated(batch[0], c), c)
        sums = marginals(model(ids, lengths)[0], lineages)
        loss, by_rank = model_loss(c, sums, batch[1], torch.tensor(matrix.LEVEL_WEIGHTS), weights)
        loss.backward()
        data["marginals"] = torch.cat(sums, dim=1).detach().numpy()
        data["loss"].append(loss.item())
        data["loss_by_rank"].append(by_rank.detach().numpy())
        data["gradient"].append(matrix.flat(
            model, lambda p: torch.zeros_like(p) if p.grad is None else p.grad).numpy())
    return {f"{name}/{what}": np.array(values) for what, values in data.items()}


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    data = {where: values for name in NAMES for where, values in compute(name).items()}
    if sys.argv[1:] == ["--check"]:
        with h5py.File(os.path.join(models.FOLDER, "lineage.h5")) as file:
            worst = max(models.difference(torch.as_tensor(values).double(), file[where][()] * 1.0)
                        for where, values in data.items())
        print(f"lineage: recomputed {worst:.1e}")
        return 0 if worst < 1e-9 else 1
    models.write("lineage", data, {"seed": 0, "weights": list(WEIGHTS)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
