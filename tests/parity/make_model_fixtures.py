"""Writes fixtures/*.h5: small models, batches and what the published definition makes of them.

    python3 make_model_fixtures.py [NAME...]  write every fixture, or these
    python3 make_model_fixtures.py --check    read the written ones back: recompute everything,
                                              and compare gradients with finite differences

README.md describes the datasets. Everything derives from the seed of a case. A seed is taken only
when the numbers are well posed: no maximum over positions that is nearly a tie, no ReLU input close
to zero, and no gradient that vanishes by chance or that single precision cannot resolve.
"""
import collections
import copy
import dataclasses
import itertools
import os
import sys

import h5py
import numpy as np
import torch

from reference_model import (BERT_PADDING_ROW, Config, Model, kmers, model_loss, pad, train,
                             truncate)

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
UNK, CLS, SEP, FIRST_WORD = 0, 1, 2, 5
MAXIMUM_MARGIN = 1e-4  # best position against the best of those that do not tie with it
TIE = 1e-12  # what is closer is equal
RELU_MARGIN = 1e-5  # distance of every ReLU input from zero
SINGLE_ERROR = 1e-6  # relative error of a tensor's gradient when PyTorch computes it in float32
KEPT_BITS = 37  # of an expected value's significand: relative 4e-12, and it compresses
STEPS = dict(optimizer_steps=10, accum_steps=1, learning_rate=2e-3, beta1=0.9, beta2=0.999,
             eps=1e-8, weight_decay=0.01, max_grad_norm=0.5, warmup_ratio=0.2)


@dataclasses.dataclass
class Case:
    config: Config
    lengths: tuple  # of the batch's sequences; one longer than max_length gets truncated
    level_weights: tuple = None
    class_weights: bool = False
    steps: dict = None  # changes to STEPS, and `lengths` to choose from


def small(**changes):
    sizes = dict(vocabulary=24, max_length=24, embed_dim=12, num_filters=5, kernel_sizes=(3, 5, 7),
                 hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
                 classes=(2, 3, 5, 1, 6, 9), dropout=0.0)
    return Config(**{**sizes, **changes})


LEVEL_WEIGHTS = (0.5, 1.0, 1.5, 0.75, 2.0, 1.25)
LENGTHS = (24, 23, 1, 11, 31, 2, 22)  # L, L-1, one token, truncated, two tokens, L-2
CASES = {
    "hybrid_small": Case(small(), LENGTHS, LEVEL_WEIGHTS, steps={}),
    "hybrid_one_layer": Case(
        small(embed_dim=9, hidden_size=14, num_attention_heads=7, num_hidden_layers=1,
              intermediate_size=20, num_filters=8, kernel_sizes=(3,), max_length=17,
              classes=(2, 4, 7)),
        (17, 3, 1, 16, 15, 9), steps=dict(accum_steps=2, max_grad_norm=9.0)),
    "hybrid_wide": Case(
        small(vocabulary=12, embed_dim=20, hidden_size=128, num_hidden_layers=1,
              intermediate_size=8, num_filters=4, kernel_sizes=(1, 5, 9), max_length=16,
              classes=(2, 5, 11)),
        (16, 15, 4, 1, 12, 9), (1.0, 0.25, 3.0)),
    "hybrid_two_convolutions": Case(
        small(num_conv_layers=2, num_hidden_layers=1, hidden_size=8, intermediate_size=12,
              loss_type="focal"), LENGTHS, LEVEL_WEIGHTS, class_weights=True),
    "hybrid_masked": Case(small(mask_padding=True, num_hidden_layers=1), LENGTHS, LEVEL_WEIGHTS),
    "hybrid_masked_two_convolutions": Case(
        small(mask_padding=True, num_conv_layers=2, num_hidden_layers=1, hidden_size=8,
              intermediate_size=12), LENGTHS, class_weights=True),
    "bert_small": Case(small(model_type="bert"), LENGTHS, LEVEL_WEIGHTS),
    "cnn_small": Case(small(model_type="cnn", num_conv_layers=2, kernel_sizes=(3, 5)), LENGTHS,
                      LEVEL_WEIGHTS),
    "cnn_identity": Case(small(model_type="cnn", embed_dim=7, num_filters=7, num_conv_layers=2,
                               kernel_sizes=(3,), classes=(2, 4, 6)), LENGTHS),
    "cnn_onehot": Case(small(model_type="cnn", encoding="onehot", embed_dim=4, vocabulary=5,
                             pad_id=4, num_filters=6, mask_padding=True, classes=(2, 4, 6)),
                       (24, 23, 1, 11, 31, 2, 22)),
    "kmer_small": Case(small(model_type="kmer", encoding="onehot", vocabulary=5, pad_id=4,
                             kmer_size=3), LENGTHS, LEVEL_WEIGHTS, steps={}),
}


class Unsuitable(Exception):
    """This seed gives an ill-posed number; the next one is tried."""


# ---- drawing --------------------------------------------------------------------------------

def draw_parameters(model, random):
    """Larger than real initial values, so that nothing is near zero; multiples of 2^-8."""
    for name, p in model.named_parameters():
        value = random.standard_normal(tuple(p.shape))
        if "LayerNorm.weight" in name:
            value = 1 + 0.25 * value
        elif "pooler" in name:
            value = np.sign(value)  # must not matter
        elif name in ("w_cnn", "w_bert"):
            value = 1 + 0.5 * value
        elif "conv_stacks" in name and name.endswith("bias"):
            value = 0.5 + value
        elif name.startswith("classifiers") and name.endswith(".0.bias"):
            value = 1 + 0.5 * value
        elif name.endswith("bias"):
            value = 0.5 * value
        elif "embedding" not in name:
            gain = 0.5 if "proj.weight" in name or "classifiers" in name else 1.25
            value *= gain / np.sqrt(np.prod(p.shape[1:]))
        p.data = torch.tensor(np.round(value * 256) / 256)
    for name, row in padding_rows(model):
        model.get_parameter(name).data[row] = 0


def padding_rows(model):
    """The rows that stay zero and get no gradient."""
    rows = {"embedding.weight": model.config.pad_id,
            "bert.embeddings.word_embeddings.weight": BERT_PADDING_ROW}
    return [item for item in rows.items() if item[0] in dict(model.named_parameters())]


def draw_sequence(c, length, random):
    if c.encoding == "onehot":
        return random.choice(5, length, p=[0.24, 0.24, 0.24, 0.24, 0.04]).tolist()
    words = random.integers(FIRST_WORD, c.vocabulary, length)
    words[random.random(length) < 0.1] = UNK
    words[0] = CLS
    if length > 1:
        words[-1] = SEP
    return words.tolist()


def draw_batch(c, lengths, random):
    """Sequences before truncation, and labels (B, R) in which every class can turn up."""
    sequences = [draw_sequence(c, n, random) for n in lengths]
    return sequences, torch.tensor(
        np.stack([random.integers(0, n, len(lengths)) for n in c.classes], axis=1))


def truncated(sequences, c):
    cut = (lambda s: s[:c.max_length]) if c.encoding == "onehot" else (
        lambda s: truncate(s, c.max_length))
    return [cut(s) for s in sequences]


def draw_windows(case, settings, random):
    """The micro-batches of every optimizer step; the last window is incomplete where it can be."""
    count = settings["optimizer_steps"] * settings["accum_steps"]
    count -= settings["accum_steps"] > 1
    longest = case.config.max_length
    batches = [draw_batch(case.config, random.integers(2, longest + 1, 2 + i % 3), random)
               for i in range(count)]
    accum = settings["accum_steps"]
    return [batches[i:i + accum] for i in range(0, count, accum)]


# ---- is a seed well posed? ------------------------------------------------------------------

def check_margins(model, batch, maximum_margin=MAXIMUM_MARGIN, relu_margin=RELU_MARGIN):
    """Raises Unsuitable where rounding could choose another winner; returns who won where.

    Padded positions often tie exactly, because they see the same zeros. That is harmless as long as
    the gradient is the same whichever of them is chosen.
    """
    c = model.config
    if c.model_type == "bert":
        return {}
    ids, lengths = pad(truncated(batch[0], c), c)
    if c.model_type == "kmer":
        sums = model.kmer_embedding.sums(ids, lengths)
        if sums[sums != 0].abs().min() < relu_margin:  # without k-mers they are 0
            raise Unsuitable("a ReLU input close to zero")
        return {}
    valid = torch.arange(c.max_length)[None, :] < lengths[:, None]
    seen = []
    hooks = [m.register_forward_hook(lambda module, x, y: seen.append(y))
             for name, m in model.named_modules()
             if isinstance(m, torch.nn.Conv1d) and not name.endswith("proj")]
    maps = model.cnn_maps(ids)
    for hook in hooks:
        hook.remove()
    if min(y.abs().min() for y in seen) < relu_margin:
        raise Unsuitable("a ReLU input close to zero")
    if c.mask_padding:
        maps = maps.masked_fill(~valid[:, None, :], -torch.inf)
    best = maps.max(dim=2)
    gap = best.values[:, :, None] - maps
    if ((gap > TIE) & (gap < maximum_margin)).any():
        raise Unsuitable("two positions nearly tie for a maximum")
    check_ties(model, maps, best.values)
    dead = best.values == 0
    first = (gap <= TIE).int().argmax(dim=2)
    n = lengths[:, None]
    halo_end = n + c.num_conv_layers * (max(c.kernel_sizes) // 2)
    return {"real": int((~dead & (first < n)).sum()),
            "halo": int((~dead & (first >= n) & (first < halo_end)).sum()),
            "padding": int((~dead & (first >= halo_end)).sum()), "dead": int(dead.sum())}


def check_ties(model, maps, maximum):
    """One winner takes the gradient, or those that tie share it: both must give the same."""
    weights = torch.linspace(1, 2, maximum.numel()).reshape(maximum.shape)
    parameters = [p for name, p in model.named_parameters() if name.startswith(("emb", "conv"))]
    one, shared = (torch.autograd.grad((weights * x).sum(), parameters, retain_graph=True)
                   for x in (maximum, maps.amax(dim=2)))
    if any((a - b).abs().max() > 1e-9 for a, b in zip(one, shared)):
        raise Unsuitable("positions that tie for a maximum have different gradients")


def explained_zeros(model, batch):
    """Tensors, and rows of tensors, whose gradient is zero by construction."""
    c = model.config
    tensors = {name for name, _ in model.named_parameters() if name.endswith("self.key.bias")}
    for r, n in enumerate(c.classes):
        if n == 1:  # softmax of one logit is a constant
            tensors |= {name for name, _ in model.named_parameters()
                        if name.startswith(f"classifiers.{r}.")}
    used = {token for sequence in truncated(batch[0], c) for token in sequence}
    unused = set(range(c.vocabulary)) - used
    if c.model_type == "kmer":
        used = {kmer for sequence in truncated(batch[0], c) for kmer in kmers(sequence, c.kmer_size)}
        return tensors, {"kmer_embedding.weight": set(range(4 ** c.kmer_size)) - used}
    rows = {"embedding.weight": unused | {c.pad_id},
            "bert.embeddings.word_embeddings.weight": unused | {BERT_PADDING_ROW},
            "bert.embeddings.token_type_embeddings.weight": {1}}
    return tensors, rows


def check_gradients(model, batch):
    """Tensors and rows ("name:row") without gradient; raises Unsuitable if one is so by chance.

    A row may vanish where the maximum or a ReLU lets nothing through to it; a tensor may not.
    """
    tensors, rows = explained_zeros(model, batch)
    zero_rows = []
    for name, p in model.named_parameters():
        if p.grad is None or name in tensors:
            continue
        size = p.grad.reshape(len(p), -1).norm(dim=1)
        zero = {row for row in range(len(p)) if size[row] == 0}
        assert rows.get(name, set()) <= zero, f"{name}: these rows should have no gradient"
        selective = name.startswith(("embedding", "kmer_embedding", "conv_stacks")) or (
            model.config.model_type == "cnn" and name.endswith((".0.weight", ".0.bias")))
        if zero - rows.get(name, set()) and not selective:
            raise Unsuitable(f"a row of {name} has no gradient")
        if 2 * len(zero - rows.get(name, set())) > len(p) or p.grad.norm() < 1e-4:
            raise Unsuitable(f"{name} has little or no gradient")
        zero_rows += [f"{name}:{row}" for row in sorted(zero)]
    for name in tensors:
        assert model.get_parameter(name).grad.norm() < 1e-12, f"{name} should have no gradient"
    return sorted(tensors), zero_rows


# ---- computing ------------------------------------------------------------------------------

def draw_class_weights(c, random):
    """One tensor (C_r) a taxonomic rank."""
    return [torch.tensor(np.round(random.uniform(0.25, 3, n) * 64) / 64) for n in c.classes]


def evaluate(model, batch, level_weights, class_weights):
    """(loss, losses by rank, logits, parts); leaves the gradients in the parameters."""
    ids, lengths = pad(truncated(batch[0], model.config), model.config)
    logits, parts = model(ids, lengths)
    loss, by_rank = model_loss(model.config, logits, batch[1], level_weights, class_weights)
    model.zero_grad(set_to_none=True)
    loss.backward()
    return loss, by_rank, torch.cat(logits, dim=1), parts


def difference(ours, theirs):
    theirs = torch.as_tensor(theirs)
    return ((ours - theirs).norm() / theirs.norm().clamp(min=1e-10)).item()


def check_conditioning(model, batch, level_weights, class_weights, zero_tensors):
    """Raises Unsuitable where single precision loses more than SINGLE_ERROR of a gradient."""
    single = copy.deepcopy(model).float()
    torch.set_default_dtype(torch.float32)
    evaluate(single, batch, level_weights.float(),
             [w.float() for w in class_weights] if class_weights else None)
    torch.set_default_dtype(torch.float64)
    for name, p in model.named_parameters():
        if p.grad is not None and name not in zero_tensors and difference(
                single.get_parameter(name).grad, p.grad) > SINGLE_ERROR:
            raise Unsuitable(f"the gradient of {name} is ill-conditioned")


def loss_of(level_weights, class_weights):
    def loss(model, batch):
        ids, lengths = pad(truncated(batch[0], model.config), model.config)
        return model_loss(model.config, model(ids, lengths)[0], batch[1], level_weights,
                          class_weights)[0]
    return loss


def compute(case, seed):
    """Everything one file holds: {path: array} and the attributes."""
    c = case.config
    random = np.random.Generator(np.random.PCG64(seed))
    model = Model(c)
    draw_parameters(model, random)
    batch = draw_batch(c, case.lengths, random)
    level_weights = torch.tensor(case.level_weights or [1.0] * len(c.classes))
    class_weights = draw_class_weights(c, random) if case.class_weights else None
    winners = check_margins(model, batch)
    if winners and not c.mask_padding and min(winners["halo"], winners["padding"]) < 2:
        raise Unsuitable("padding never wins a maximum")

    loss, by_rank, logits, parts = evaluate(model, batch, level_weights, class_weights)
    zero_tensors, zero_rows = check_gradients(model, batch)
    check_conditioning(model, batch, level_weights, class_weights, zero_tensors)
    data = {f"model/{name}": p.detach().numpy().astype(np.float32)
            for name, p in model.named_parameters()}
    data.update(batch_data("batch", truncated(batch[0], c), batch[1]))
    data["batch/raw_tokens"], data["batch/raw_cu_seqlens"] = pack(batch[0])
    data["batch/level_weights"] = level_weights.numpy()
    if class_weights:
        data["batch/class_weights"] = torch.cat(class_weights).numpy()
    data.update({"expected/loss": loss.item(), "expected/loss_by_rank": by_rank,
                 "expected/logits": logits})
    data.update({f"expected/{name}": value for name, value in parts.items()})
    data.update({f"expected/gradient/{name}": p.grad for name, p in model.named_parameters()
                 if p.grad is not None})
    attributes = {**dataclasses.asdict(c), "seed": seed, "zero_gradient": zero_tensors,
                  "zero_gradient_rows": zero_rows,
                  "no_gradient": [n for n, p in model.named_parameters() if p.grad is None],
                  **{f"winners_{name}": count for name, count in winners.items()}}
    if case.steps is not None:
        data.update(compute_steps(case, model, loss_of(level_weights, class_weights), random))
    return data, attributes


def compute_steps(case, model, loss, random):
    """Ten optimizer steps from the file's parameters; changes the model."""
    c = case.config
    settings = {**STEPS, **case.steps}
    settings["warmup_steps"] = int(settings["warmup_ratio"] * settings["optimizer_steps"])
    windows = draw_windows(case, settings, random)
    losses, rates, norms = train(model, windows, loss, settings,
                                 before_batch=lambda batch: check_margins(model, batch))
    clipped = sum(norm > settings["max_grad_norm"] for norm in norms)
    print(f"  the steps clip {clipped} of {len(norms)} gradients, norms {np.round(norms, 2)}")
    batches = [batch for window in windows for batch in window]
    sequences = [s for batch in batches for s in batch[0]]
    data = batch_data("steps", sequences, torch.cat([batch[1] for batch in batches]))
    data["steps/cu_batches"] = cumulative(len(batch[0]) for batch in batches)
    data.update({"expected/steps/loss": losses, "expected/steps/learning_rate": rates,
                 "expected/steps/gradient_norm": norms, "steps": settings})
    data.update({f"expected/after_steps/{name}": p.detach()
                 for name, p in model.named_parameters() if p.grad is not None})
    return data


# ---- a file for the loss alone --------------------------------------------------------------

LOSSES = {  # name: (loss_type, gamma, reduction, class weights?)
    "cross_entropy": ("cross_entropy", 2.0, "mean", False),
    "cross_entropy_weighted": ("cross_entropy", 2.0, "mean", True),
    "focal_mean": ("focal", 2.0, "mean", False),
    "focal_sum": ("focal", 2.0, "sum", False),
    "focal_mean_weighted": ("focal", 2.0, "mean", True),
    "focal_sum_weighted": ("focal", 3.0, "sum", True),
    "focal_gamma_0": ("focal", 0.0, "mean", True),
    "focal_gamma_1.5": ("focal", 1.5, "mean", False),
}


def compute_losses(seed=7):
    """Every kind of loss on the same logits, a few of them large, and its gradient."""
    random = np.random.Generator(np.random.PCG64(seed))
    c = small(classes=(2, 5, 1, 33))
    batch = 9
    logits = np.round(random.standard_normal((batch, sum(c.classes))) * 3 * 64) / 64
    logits[0] *= 32  # softmax underflows in places
    labels = torch.tensor(np.stack([random.integers(0, n, batch) for n in c.classes], axis=1))
    class_weights = draw_class_weights(c, random)
    for weights, seen in zip(class_weights, labels.T):
        weights[[i for i in range(len(weights)) if i not in seen]] = 0  # as the page says
    level_weights = torch.tensor([0.5, 1.0, 2.0, 1.5])
    data = {"logits": logits, "labels": labels.numpy().astype(np.int32),
            "level_weights": level_weights, "class_weights": torch.cat(class_weights)}
    settings = {}
    for name, (kind, gamma, reduction, weighted) in LOSSES.items():
        c = dataclasses.replace(c, loss_type=kind, focal_gamma=gamma, focal_reduction=reduction)
        x = torch.tensor(logits, requires_grad=True)
        loss, by_rank = model_loss(c, x.split(list(c.classes), dim=1), labels, level_weights,
                                   class_weights if weighted else None)
        loss.backward()
        assert torch.isfinite(x.grad).all(), name
        data.update({f"{name}/loss": loss.item(), f"{name}/loss_by_rank": by_rank,
                     f"{name}/gradient": x.grad})
        settings[name] = dict(loss_type=kind, focal_gamma=gamma, focal_reduction=reduction,
                              class_weights=weighted)
    return {**data, **settings}, {"classes": c.classes, "seed": seed}


# ---- files ----------------------------------------------------------------------------------

def cumulative(counts):
    return np.concatenate([[0], np.cumsum(list(counts))]).astype(np.int32)


def pack(sequences):
    """Token ids back to back, and where each sequence starts (B + 1)."""
    tokens = np.array(list(itertools.chain(*sequences)), dtype=np.int32)
    return tokens, cumulative(map(len, sequences))


def batch_data(group, sequences, labels):
    tokens, starts = pack(sequences)
    return {f"{group}/tokens": tokens, f"{group}/cu_seqlens": starts,
            f"{group}/labels": labels.numpy().astype(np.int32)}


def to_array(value):
    """Integers and parameters as they are, expected values with KEPT_BITS significant bits."""
    array = value.detach().numpy() if torch.is_tensor(value) else np.asarray(value)
    if array.dtype != np.float64:
        return array
    significand, exponent = np.frexp(array)
    return np.ldexp(np.round(significand * 2.0 ** KEPT_BITS) / 2.0 ** KEPT_BITS, exponent)


def set_attributes(target, attributes):
    """Strings as fixed-length ASCII, integers and flags as int32, the rest as float64.

    A list of names is one string, a name a line, with a line feed before the first one too.
    """
    for name, value in attributes.items():
        if isinstance(value, list):
            value = "".join(["\n", *(f"{line}\n" for line in value)])
        if isinstance(value, str):
            target.attrs[name] = np.bytes_(value)
        else:
            array = np.asarray(value)
            target.attrs[name] = array.astype(np.int32 if array.dtype.kind in "bi" else np.float64)


def groups(where, value):
    """The groups that a path needs; a dictionary is a group itself, with attributes."""
    parts = where.split("/")
    last = len(parts) if isinstance(value, dict) else len(parts) - 1
    return ["/".join(parts[:i]) for i in range(1, last + 1)]


def create_file(path):
    """An HDF5 file without time stamps, so that the same values give the same bytes."""
    access, creation = h5py.h5p.create(h5py.h5p.FILE_ACCESS), h5py.h5p.create(h5py.h5p.FILE_CREATE)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    creation.set_obj_track_times(False)
    return h5py.File(h5py.h5f.create(path.encode(), h5py.h5f.ACC_TRUNC, fcpl=creation,
                                     fapl=access))


def create_group(file, name):
    creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    creation.set_obj_track_times(False)
    h5py.h5g.create(file.id, name.encode(), gcpl=creation)


def write(name, data, attributes):
    path = os.path.join(FOLDER, name + ".h5")
    with create_file(path) as file:
        for group in sorted({g for where, value in data.items() for g in groups(where, value)}):
            create_group(file, group)
        for where, value in data.items():
            if isinstance(value, dict):
                set_attributes(file[where], value)
                continue
            array = to_array(value)
            packed = dict(compression=9, shuffle=True) if array.nbytes > 2000 else {}
            file.create_dataset(where, data=array, track_times=False, **packed)
        set_attributes(file, attributes)
    print(f"{name:32} seed {attributes['seed']:3} {os.path.getsize(path):8,} bytes",
          " ".join(f"{k[8:]}={v}" for k, v in attributes.items() if k.startswith("winners")))


def make(name, case):
    reasons = collections.Counter()
    for seed in range(500):
        try:
            return write(name, *compute(case, seed))
        except Unsuitable as reason:
            reasons[str(reason)] += 1
    raise SystemExit(f"{name}: no seed is well posed: {dict(reasons)}")


# ---- checking -------------------------------------------------------------------------------

def read_sequences(group):
    starts = group["cu_seqlens"][()]
    return [group["tokens"][a:b].tolist() for a, b in zip(starts, starts[1:])]


def read_case(file):
    """The model, batch and weights that a file describes, from the file alone."""
    fields = {f.name: file.attrs[f.name] for f in dataclasses.fields(Config)
              if f.name in file.attrs}  # older files have no kmer_size
    c = Config(**{k: v.decode() if isinstance(v, bytes) else tuple(map(int, v))
                  if isinstance(v, np.ndarray) else v.item() for k, v in fields.items()})
    model = Model(c)
    model.load_state_dict({k: torch.tensor(v[()]).double() for k, v in file["model"].items()})
    batch = read_sequences(file["batch"]), torch.tensor(file["batch/labels"][()]).long()
    class_weights = None
    if "class_weights" in file["batch"]:
        class_weights = torch.tensor(file["batch/class_weights"][()]).split(list(c.classes))
    return model, batch, torch.tensor(file["batch/level_weights"][()]), class_weights


def repeat_steps(file, model, loss):
    """Largest deviation after the file's optimizer steps, run from the file alone."""
    settings = dict(file["steps"].attrs)
    sequences, labels = read_sequences(file["steps"]), torch.tensor(file["steps/labels"][()]).long()
    starts, accum = file["steps/cu_batches"][()], settings["accum_steps"]
    batches = [(sequences[a:b], labels[a:b]) for a, b in zip(starts, starts[1:])]
    windows = [batches[i:i + accum] for i in range(0, len(batches), accum)]
    losses, rates, norms = train(model, windows, loss, settings)
    results = dict(loss=losses, learning_rate=rates, gradient_norm=norms)
    return max([difference(torch.tensor(value), file[f"expected/steps/{name}"][()])
                for name, value in results.items()]
               + [difference(model.get_parameter(name).detach(), value[()])
                  for name, value in file["expected/after_steps"].items()])


def finite_difference(model, name, loss, random, step=1e-6):
    """|analytic - numeric| / (|analytic| + 0.01) along one random direction of one parameter."""
    p = model.get_parameter(name)
    direction = torch.tensor(random.standard_normal(tuple(p.shape)))
    for padded, row in padding_rows(model):
        if padded == name:
            direction[row] = 0
    direction /= direction.norm()
    start, values = p.data, []
    for sign in (1, -1):
        p.data = start + sign * step * direction
        values.append(loss())
    p.data = start
    analytic = (p.grad * direction).sum().item()
    return abs(analytic - (values[0] - values[1]) / (2 * step)) / (abs(analytic) + 0.01)


def check(name):
    """Largest deviation of one written file from a fresh computation and from differences."""
    random = np.random.Generator(np.random.PCG64(1))
    with h5py.File(os.path.join(FOLDER, name + ".h5")) as file:
        model, batch, level_weights, class_weights = read_case(file)
        loss, by_rank, logits, parts = evaluate(model, batch, level_weights, class_weights)
        worst = max(difference(loss, file["expected/loss"][()]),
                    difference(logits, file["expected/logits"][()]),
                    difference(parts["fused"], file["expected/fused"][()]),
                    *(difference(model.get_parameter(k).grad, v[()])
                      for k, v in file["expected/gradient"].items()
                      if f"\n{k}\n".encode() not in file.attrs["zero_gradient"]))
        step_loss = loss_of(level_weights, class_weights)
        with torch.no_grad():
            numeric = max(
                finite_difference(model, k, lambda: step_loss(model, batch).item(), random)
                for k in file["expected/gradient"])
        if "steps" in file:
            worst = max(worst, repeat_steps(file, model, step_loss))
    print(f"{name:32} recomputed {worst:.1e}   finite differences {numeric:.1e}")
    return worst < 1e-11 and numeric < 1e-6


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--check"]:
        return 0 if all([check(name) for name in CASES]) else 1
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])
    if not sys.argv[1:]:
        write("losses", *compute_losses())
    return 0


if __name__ == "__main__":
    sys.exit(main())
