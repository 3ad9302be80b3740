"""Writes checkpoints from nothing but docs/files.md: the attributes, tensors and header that its tables
list, random weights, and the tokenizer and labels of a model of ours. If the tables lack something that
the programs require, they refuse the files. Needs h5py and NumPy.

    write_from_docs.py FILES.MD MODEL.h5 FOLDER      FOLDER/<model type>.h5, and
                                                     FOLDER/resumable.h5: of MODEL.h5, what is required
"""
import itertools
import os
import re
import struct
import sys
import zlib

import h5py
import numpy as np

TYPES = {"int": np.int64, "float": np.float64, "text": bytes}
SIZES = {"vocabulary": 0, "pad_id": 3, "max_length": 64, "embed_dim": 8, "num_filters": 4, "num_conv_layers": 2,
         "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
         "hidden_dropout_prob": 0.1, "mask_padding": 0, "encoding": "dnabert"}
WIDTHS = [3, 5]


def tables(page):
    """(first line of cells, [[cells of a row], …]) of every table."""
    lines = open(page, encoding="utf-8").read().replace("\\|", "\0").split("\n")
    for cells, group in itertools.groupby(lines, lambda line: line.startswith("|")):
        if cells:
            rows = [[cell.strip().replace("\0", "|") for cell in row.strip("|").split("|")] for row in group]
            yield rows[0], rows[2:]


def quoted(cell):
    return re.findall(r"`([^`]*)`", cell.replace("``", "` `"))


def spread(values, count):
    return values * count if len(values) == 1 else values


def attributes(page):
    """{"config/embed_dim": (type, value or None), …}"""
    found = {}
    for head, rows in tables(page):
        if not head[0].startswith("attribute"):
            continue
        group = re.search(r"`/(\w+)`", head[0])
        for row in rows:
            names = quoted(row[0])
            kinds = spread(row[1].split(", "), len(names))
            values = spread(quoted(row[3]) if len(row) > 3 and row[3] else [None], len(names))
            for name, kind, value in zip(names, kinds, values, strict=True):
                found[(group[1] + "/" if group else "") + name] = (TYPES[kind], value)
    return found


def shape(cell, place, at):
    """The shape of a cell such as (F, X_l, w_k): of letters in `place`, with an index in `at`."""
    sizes = []
    for product in re.match(r"\(([^)]*)\)", cell)[1].split(","):
        size = 1
        for factor in product.strip().split("·"):
            letter, _, index = factor.partition("_")
            value = place[letter] if letter in place else int(letter)
            size *= value[at[index]] if index else value
        sizes.append(size)
    return tuple(sizes)


def tensors(page, model, config, classes):
    """{name: shape} of a model type"""
    rows = next(rows for head, rows in tables(page) if head[0] == "tensor")
    c = config
    place = {"V": c["vocabulary"], "E": c["embed_dim"], "F": c["num_filters"], "H": c["hidden_size"],
             "I": c["intermediate_size"], "L": c["max_length"], "|K|": len(WIDTHS), "w": WIDTHS, "C": classes,
             "X": [c["embed_dim"]] + [c["num_filters"] * len(WIDTHS)] * c["num_conv_layers"],
             "S": c["num_filters"] * len(WIDTHS) if model == "cnn" else c["hidden_size"]}
    counts = {"l": c["num_conv_layers"], "k": len(WIDTHS), "i": c["num_hidden_layers"], "r": len(classes)}
    found = {}
    for row in rows:
        if model not in quoted(row[3]):
            continue
        names = quoted(row[0])
        names = [name.replace("…", names[0].rsplit(".", 1)[0] + ".") for name in names]
        for name, column in itertools.product(names, (1, 2)):
            if not row[column]:
                continue
            letters = [part for part in name.split(".") if part in counts]
            for numbers in itertools.product(*(range(counts[letter]) for letter in letters)):
                at = dict(zip(letters, numbers))
                whole = ".".join(str(at.get(part, part)) for part in name.split("."))
                if "single tensor" not in row[1]:
                    whole += (".weight", ".bias")[column - 1]
                found[whole] = shape(row[column], place, at)
    return found


def text(value):
    data = [item if isinstance(item, bytes) else item.encode() for item in value]
    return np.array(data, h5py.string_dtype("utf-8", max(1, *map(len, data))))


def put_attribute(file, path, value):
    group, _, name = path.rpartition("/")
    target = file.require_group(group) if group else file
    if isinstance(value, (str, bytes)):
        array = text([value])
        target.attrs.create(name, array[0], dtype=array.dtype)
    else:
        target.attrs[name] = value


def write_header(page, path):
    rows = next(rows for head, rows in tables(page) if head[0] == "byte")
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(16384)
        rest = zlib.crc32(file.read())
        block = bytes.fromhex(quoted(rows[0][2])[0]) + struct.pack("<IIQII", 1, 0, size, rest, 0)
        block = block.ljust(16384, b"\0")
        block = block[:20] + struct.pack("<I", zlib.crc32(block)) + block[24:]
        file.seek(0)
        file.write(block)


def make(page, ours, folder, model):
    path, random = os.path.join(folder, model + ".h5"), np.random.default_rng(1)
    classes = [len(ours[f"taxonomy/labels/{r}"]) for r in range(len(ours["taxonomy/ranks"]))]
    config = {**SIZES, "vocabulary": int(ours["config"].attrs["vocabulary"]), "model_type": model}
    shapes = tensors(page, model, config, classes)
    known = {"format": "deeptaxa-checkpoint", "format_version": 3,
             "parameters": sum(int(np.prod(s)) for s in shapes.values()),
             **{"config/" + key: value for key, value in config.items()}}
    with h5py.File(path, "w", userblock_size=16384) as file:
        for name, (kind, value) in attributes(page).items():
            value = known.get(name, value)
            put_attribute(file, name, str(value).strip() if kind is bytes else kind(value))
        file["config/kernel_sizes"] = np.array(WIDTHS, np.int32)
        for name in ["tokenizer/json", "taxonomy/ranks"] + [f"taxonomy/labels/{r}" for r in range(len(classes))]:
            file[name] = text(list(ours[name]))
        for name, size in shapes.items():
            file["model/" + name] = random.normal(0, 0.1, size).astype(np.float32)
    write_header(page, path)


def make_resumable(page, ours, folder):
    """What the page requires to resume, of a checkpoint of ours."""
    path = os.path.join(folder, "resumable.h5")
    rows = next(rows for head, rows in tables(page) if head[0] == "array")
    wanted = [quoted(row[0]) for row in rows if row[2] in ("yes", "to resume") or "except" in row[2]]
    prefixes = tuple(re.sub(r"(<tensor>|0)$", "", name) for names in wanted for name in names if "/" in name)
    with h5py.File(path, "w", userblock_size=16384) as file:
        for name in attributes(page):
            group, _, key = name.rpartition("/")
            stored = (ours[group] if group else ours).attrs
            if key in stored:  # others are of later versions
                put_attribute(file, name, stored[key])

        def copy(name, item):
            if isinstance(item, h5py.Dataset) and name.startswith(prefixes):
                file.create_dataset(name, data=item[()], dtype=item.dtype)

        ours.visititems(copy)
    write_header(page, path)


if __name__ == "__main__":
    documents, checkpoint, target = sys.argv[1:]
    with h5py.File(checkpoint) as source:
        for kind in ("hybridcnnbert", "bert", "cnn"):
            make(documents, source, target, kind)
        make_resumable(documents, source, target)
