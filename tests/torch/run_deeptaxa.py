"""Runs DeepTaxa on checkpoints that `deeptaxa convert` wrote, and compares.

    python3 run_deeptaxa.py FASTA TAXONOMY NAME...

For each NAME, in the working directory: NAME.pt, a checkpoint after epoch 2 of 3, with one update an
epoch and no dropout; NAME/, the output directory of that run, which completed epoch 3; and
predicted_NAME/, what our program predicted with the checkpoint. DeepTaxa loads the file, predicts,
describes, fine-tunes and resumes; of a file without the state of the training, it only loads and
predicts. Every difference is printed, and the exit status is then 1.
"""
import contextlib
import glob
import io
import json
import logging
import random
import sys

import numpy
import torch
from deeptaxa.cli import main

failures = 0


def fail(text):
    global failures
    failures += 1
    print("FAILED:", text)


def deeptaxa(*arguments):
    sys.argv = ["deeptaxa", *map(str, arguments)]
    with contextlib.redirect_stderr(io.StringIO()) as messages:
        try:
            main()
        except BaseException:
            print(messages.getvalue()[-2000:])
            raise


def read(pattern):
    files = glob.glob(pattern)
    assert len(files) == 1, f"{pattern}: {files}"
    with open(files[0]) as file:
        return json.load(file)


def near(what, ours, theirs, bound):
    if not abs(ours - theirs) <= bound * abs(theirs):
        fail(f"{what}: {ours} here, {theirs} in DeepTaxa")


def compare_predictions(name):
    ours = read(f"predicted_{name}/*_predictions.json")
    theirs = read(f"theirs_{name}/*_predictions.json")
    cells, largest = 0, 0.0
    if ours["sequence_ids"] != theirs["sequence_ids"]:
        fail(f"{name}: other sequences")
    for here, there in zip(ours["predictions"], theirs["predictions"]):
        for rank, cell in there.items():
            if rank == "sequence_length":
                continue
            for key in ("label", "confidence_threshold_flag", "agreement"):
                if here[rank][key] != cell[key]:
                    fail(f"{name}: {rank}: {key}: {here[rank]} here, {cell} in DeepTaxa")
            cells += 1
            largest = max(largest, abs(here[rank]["raw_score"] - cell["raw_score"]))
    if largest > 1e-6:
        fail(f"{name}: probabilities differ by {largest}")
    print(f"{name}: {cells} predictions, probabilities within {largest:.2g}")


def check_file(name):
    """Returns whether the file has the state of the training."""
    content = torch.load(f"{name}.pt", weights_only=True)
    if "optimizer_state_dict" not in content:
        return False
    groups = content["optimizer_state_dict"]["param_groups"]
    if groups[0]["params"] != list(range(len(content["state_dict"]))):
        fail(f"{name}: the optimizer's parameters are not those of the model")
    seed = content["seed"] + content["epoch"]
    if not torch.equal(content["rng_state"]["torch"], torch.Generator().manual_seed(seed).get_state()):
        fail(f"{name}: the state of PyTorch's generator")
    numpy.random.set_state(content["rng_state"]["numpy"])
    if numpy.random.get_state()[1].tolist() != numpy.random.RandomState(seed).get_state()[1].tolist():
        fail(f"{name}: the state of NumPy's generator")
    random.setstate(content["rng_state"]["python"])
    return True


def compare_description(name):
    deeptaxa("describe", "--checkpoint", f"{name}.pt", "--export-metrics", f"{name}.json")
    theirs = read(f"{name}.json")
    ours = read(f"{name}/metrics/*_epoch2.json")
    if ours["taxonomic_levels"] != theirs["taxonomic_levels"]:
        fail(f"{name}: taxonomic levels: {theirs['taxonomic_levels']}")
    if "Missing" in json.dumps(theirs):
        fail(f"{name}: DeepTaxa misses something: {theirs}")
    for key in ("training_loss", "validation_loss", "validation_metrics"):
        if ours["performance_metrics"][key] != theirs["performance_metrics"][key]:
            fail(f"{name}: {key}: {theirs['performance_metrics'][key]}")


def compare_next_epoch(name, data):
    deeptaxa("train", "--resume", f"{name}.pt", "--epochs", 3, "--hidden-dropout-prob", 0,
             "--num-workers", 0, "--output-dir", f"resumed_{name}", *data)
    ours = read(f"{name}/metrics/*_epoch3.json")["performance_metrics"]
    theirs = read(f"resumed_{name}/metrics/*_epoch3.json")["performance_metrics"]
    for key in ("training_loss", "validation_loss"):
        near(f"{name}: {key} of the next epoch", ours[key], theirs[key], 1e-5)
        print(f"{name}: {key} of the next epoch: {ours[key]:.9g} here, {theirs[key]:.9g} in DeepTaxa")


def fine_tune(name, data):
    """A mismatch outside the heads is an error of DeepTaxa's."""
    config = torch.load(f"{name}.pt", weights_only=True)
    sizes = config["model_config"]
    sizes = {**sizes, **sizes.get("cnn", {}), **sizes.get("bert", {})}
    flags = ["--model-type", config["model_type"], "--encoding", config["encoding"],
             "--tokenizer-name", config["tokenizer_name"], "--max-length", config["max_length"]]
    for key in ("embed_dim", "num_filters", "num_conv_layers", "hidden_size", "num_hidden_layers",
                "num_attention_heads", "intermediate_size"):
        if key in sizes:
            flags += ["--" + key.replace("_", "-"), sizes[key]]
    if "kernel_sizes" in sizes:
        flags += ["--kernel-sizes", *sizes["kernel_sizes"]]
    deeptaxa("train", "--init-weights", f"{name}.pt", "--epochs", 1, "--num-workers", 0,
             "--output-dir", f"tuned_{name}", *flags, *data)


fasta, taxonomy, *names = sys.argv[1:]
logging.disable(logging.CRITICAL)
data = ["--fasta-file", fasta, "--taxonomy-file", taxonomy]
for name in names:
    complete = check_file(name)
    deeptaxa("predict", "--checkpoint", f"{name}.pt", "--num-workers", 1, "--output-dir",
             f"theirs_{name}", *data)
    compare_predictions(name)
    if complete:
        compare_description(name)
        compare_next_epoch(name, data)
        fine_tune(name, data)
sys.exit(failures > 0)
