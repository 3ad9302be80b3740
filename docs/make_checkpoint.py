#!/usr/bin/env python3
"""Writes a checkpoint (.h5) of DeepTaxa-MPI from arrays: files.md, "Checkpoints", in Python.

    python3 make_checkpoint.py probes.h5     an example: a model that finds four published probes
    python3 make_checkpoint.py --seal FILE   makes FILE valid again, after a change with h5py

Needs h5py and NumPy, and nothing of DeepTaxa-MPI. In another program: write_checkpoint(), seal().
"""
import json
import os
import struct
import sys
import zlib

import h5py
import numpy as np

HEADER_BYTES = 16384
MAGIC = b"\x89DeepTaxa\r\n\x1a\n\0\0\0"
FORMAT_VERSION = 3

# Attributes of a model that was not trained by DeepTaxa-MPI. The type of a value is that of the
# attribute: int is int64, float is float64, str is a text.
ROOT = {"has_optimizer": 0, "program_version": "", "timestamp": ""}
CONFIG = {
    "model_type": "hybridcnnbert", "encoding": "dnabert", "vocabulary": 4096, "pad_id": 3,
    "max_length": 512, "embed_dim": 896, "num_filters": 256, "num_conv_layers": 1,
    "hidden_size": 896, "num_hidden_layers": 4, "num_attention_heads": 7,
    "intermediate_size": 3584, "hidden_dropout_prob": 0.2, "mask_padding": 0,
}
SETTINGS = {
    "run_uuid": "", "seed": 0, "epochs": 1, "batch_size": 1, "accum_steps": 1, "micro_batch": 1,
    "learning_rate": 5e-4, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01,
    "max_grad_norm": 0.5, "warmup_ratio": 0.1, "warmup_steps": 0, "total_steps": 1,
    "schedule_start": 0, "dynamic_scale": 0, "loss_type": 0, "focal_gamma": 2.0, "focal_sum": 0,
    "class_weights": 0, "level_weight_count": 0, "val_split": 0.0, "eval_every": 1,
    "early_stopping_patience": 0, "early_stopping_min_delta": 0.001, "normalize": 1,
    "shards_at_a_time": 0, "sequences_per_shard": 0, "total_sequences": 0,
    "training_sequences": 0, "validation_sequences": 0, "fasta_file": "", "taxonomy_file": "",
    "tokenizer_name": "", "device": "", "precision": "fp32", "world_size": 1, "gpu": 0,
}
PROGRESS = {
    "epoch": 1, "micro_steps": 0, "optimizer_steps": 0, "skipped": 0, "skipped_in_row": 0,
    "scale_good_steps": 0, "loss_scale": 1.0, "training_time": 0.0, "evaluation_time": np.nan,
    "training_loss": np.nan, "validation_loss": np.nan, "best_epoch": 0, "best_loss": 0.0,
    "patience_loss": 0.0, "evaluations_without_gain": 0, "loss_updates": 0, "epoch_time": 0.0,
    "evaluation_due": 0, "loss_sums_of": 0,
}


def crc(file, start, end):
    """The CRC-32 of the bytes start … end-1 of an open file."""
    value = 0
    file.seek(start)
    while start < end:
        block = file.read(min(end - start, 1 << 20))
        value = zlib.crc32(block, value)
        start += len(block)
    return value


def seal(path):
    """Writes the integrity header: everything after it is covered by one checksum, no extents."""
    with h5py.File(path) as file:
        if file.userblock_size != HEADER_BYTES:
            sys.exit(f"{path}: has no user block of {HEADER_BYTES} bytes: no file of DeepTaxa-MPI")
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        rest = crc(file, HEADER_BYTES, size)
        header = bytearray(HEADER_BYTES)
        header[:16] = MAGIC
        struct.pack_into("<IIQII", header, 16, 1, 0, size, rest, 0)
        struct.pack_into("<I", header, 20, zlib.crc32(header))
        file.seek(0)
        file.write(header)


def put_attributes(group, values):
    for key, value in values.items():
        if isinstance(value, str):
            data = value.encode()
            kind = h5py.string_dtype("utf-8", max(1, len(data)))
            group.attrs.create(key, np.array(data, kind), dtype=kind)
        else:
            group.attrs[key] = np.int64(value) if isinstance(value, int) else np.float64(value)


def put_texts(file, name, texts):
    data = [text.encode() for text in texts]
    kind = h5py.string_dtype("utf-8", max(1, *map(len, data)))
    file.create_dataset(name, data=np.array(data, kind), dtype=kind)


def write_checkpoint(path, config, labels, tensors, tokenizer=None, settings=(), progress=()):
    """Writes a checkpoint for predict, calibrate, describe, export and train --init-weights.

    config: the attributes of /config that differ from CONFIG, and kernel_sizes, a list
    labels: {rank: [label, …]}, from the highest taxonomic rank to the lowest
    tensors: {name: array}, the names and shapes of files.md, "Tensors"
    tokenizer: the text of tokenizer.json; None with encoding onehot
    settings, progress: what is known of the training, as in SETTINGS and PROGRESS
    """
    config = dict(config)
    kernel_sizes = config.pop("kernel_sizes", [3, 5, 7])
    temporary = path + ".part"
    with h5py.File(temporary, "w", userblock_size=HEADER_BYTES) as file:
        put_attributes(file, {"format": "deeptaxa-checkpoint", "format_version": FORMAT_VERSION,
                              "parameters": sum(int(np.size(t)) for t in tensors.values()), **ROOT})
        put_attributes(file.create_group("config"), {**CONFIG, **config})
        file["config/kernel_sizes"] = np.array(kernel_sizes, "<i4")
        put_attributes(file.create_group("settings"), {**SETTINGS, **dict(settings)})
        put_attributes(file.create_group("progress"), {**PROGRESS, **dict(progress)})
        if tokenizer is not None:
            put_texts(file, "tokenizer/json", [tokenizer])
        put_texts(file, "taxonomy/ranks", list(labels))
        for rank, names in enumerate(labels.values()):
            put_texts(file, f"taxonomy/labels/{rank}", names)
        for name, tensor in tensors.items():
            file["model/" + name] = np.asarray(tensor, "<f4")
    seal(temporary)
    os.replace(temporary, path)


# ---- the example ---------------------------------------------------------------------------------

# Target sites, 5' to 3' on the 16S rRNA gene: ARC915 of Archaea (Stahl and Amann 1991), EUB338 of
# Bacteria (Amann et al. 1990), EUB338 II of Planctomycetota and III of Verrucomicrobiota (Daims et
# al. 1999)
SITES = ["AGGAATTGGCGGGGGAGCA", "ACTCCTACGGGAGGCAGC", "ACACCTACGGGTGGCTGC", "ACACCTACGGGTGGCAGC"]
LABELS = {"domain": ["Archaea", "Bacteria"],
          "phylum": ["Planctomycetota", "Unclassified", "Verrucomicrobiota"]}
LABEL_OF_SITE = [[0, 1, 1, 1], [1, 1, 0, 2]]
WIDTH = 19  # of the filters: that of the longest site, odd
TOKENS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "A", "C", "G", "T"]


def example_tokenizer():
    """One token for each nucleotide."""
    special = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
               {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    return json.dumps({
        "version": "1.0",
        "added_tokens": [{"id": i, "content": TOKENS[i], "special": True} for i in range(4)],
        "normalizer": None, "pre_tokenizer": None, "decoder": None,
        "post_processor": {"type": "TemplateProcessing", "single": special, "pair": special,
                           "special_tokens": {t: {"id": t, "ids": [TOKENS.index(t)], "tokens": [t]}
                                              for t in ("[CLS]", "[SEP]")}},
        "model": {"type": "BPE", "unk_token": "[UNK]", "merges": [],
                  "vocab": {token: i for i, token in enumerate(TOKENS)}},
    })


def example_tensors():
    """A CNN of one layer. Filter f is 1 at a window that contains site f, 0 elsewhere. A site that
    was found adds ln 9 to the logit of its label, which of n labels has then the probability
    9 / (n + 8)."""
    filters = len(SITES)
    embedding = np.eye(len(TOKENS))
    embedding[TOKENS.index("[PAD]")] = 0
    weight, bias = np.zeros((filters, len(TOKENS), WIDTH)), np.zeros(filters)
    for f, site in enumerate(SITES):
        weight[f, [TOKENS.index(base) for base in site], range(len(site))] = 1
        bias[f] = 1 - len(site)
    tensors = {
        "embedding.weight": embedding,
        "conv_stacks.0.0.conv.0.weight": weight, "conv_stacks.0.0.conv.0.bias": bias,
        "conv_stacks.0.0.proj.weight": np.zeros((filters, len(TOKENS), 1)),
        "conv_stacks.0.0.proj.bias": np.zeros(filters),
    }
    for rank, (names, label_of_site) in enumerate(zip(LABELS.values(), LABEL_OF_SITE)):
        head = np.zeros((len(names), filters))
        head[label_of_site, range(filters)] = np.log(9)
        tensors[f"classifiers.{rank}.0.weight"] = np.eye(filters)
        tensors[f"classifiers.{rank}.0.bias"] = np.zeros(filters)
        tensors[f"classifiers.{rank}.3.weight"] = head
        tensors[f"classifiers.{rank}.3.bias"] = np.zeros(len(names))
    return tensors


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--seal":
        seal(arguments[1])
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        config = {"model_type": "cnn", "vocabulary": len(TOKENS), "pad_id": 3, "max_length": 4096,
                  "embed_dim": len(TOKENS), "num_filters": len(SITES), "kernel_sizes": [WIDTH]}
        write_checkpoint(arguments[0], config, LABELS, example_tensors(), example_tokenizer(),
                         {"tokenizer_name": "nucleotides"})
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
