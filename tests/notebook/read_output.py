"""Reads our output the way notebooks written for DeepTaxa read its: file patterns, JSON keys, columns of
the tables; and checks that what stands under a name is what that name means there.

    python3 read_output.py FOLDER

FOLDER holds what tests/cli/test_notebooks.sh made: a run (run/), one without validation (unvalidated/), described
checkpoints of the first (described/epoch<N>.json, calibrated.json), its model without the optimizer (published.h5),
predictions (p/), some without known taxonomy (plain/) and of two models, the second of them calibrated (vote/). The
standard library suffices; h5py, PyTorch, pandas and matplotlib are used where they are, and it is said where they are
not. Exit status 0 when all is right.
"""

import collections
import csv
import datetime
import glob
import json
import os
import re
import subprocess
import sys

RANKS = ["domain", "phylum", "class", "order", "family", "genus", "species"]
MEASURES = ["accuracy", "precision", "recall", "f1_score"]

# what DeepTaxa's notebooks find in the metrics of an epoch
METRICS = {
    "version": str, "run_uuid": str, "checkpoint_path": str, "timestamp": str,
    "model_details": {"model_type": str, "tokenizer_name": str, "current_epoch": int, "total_parameters": int,
                      "max_length": int, "dropout_prob": float},
    "training_hyperparameters": {
        "learning_rate": float, "batch_size": int, "target_epochs": int, "focal_gamma": float,
        "focal_reduction": str, "focal_weight": type(None), "level_weights": list,
        "optimizer_summary": {"lr": float, "betas": list, "eps": float, "weight_decay": float},
        "scheduler_steps": int},
    "dataset_info": {"total_sequences": int, "training_sequences": int, "validation_sequences": int,
                     "fasta_file": str, "taxonomy_file": str},
    "taxonomic_levels": {str(level): {"rank": str, "labels": int} for level in range(7)},
    "timing": {"training_time_seconds": float, "evaluation_time_seconds": float, "session_total_time": float,
               "checkpoint_total_time": float, "session_start_time": str, "checkpoint_start_time": str,
               "checkpoint_end_time": str},
    "performance_metrics": {"training_loss": float, "validation_loss": float,
                            "validation_metrics": {str(level): dict.fromkeys(MEASURES, float)
                                                   for level in range(7)}},
    "system_info": {"cuda_available": bool, "gpu": (str, type(None))},
}
# in describe's export
DESCRIBED = {
    "version": str, "checkpoint_path": str, "timestamp": str,
    "model_details": {"run_uuid": str, "model_type": str, "tokenizer": str, "epoch": int, "total_parameters": int,
                      "max_length": int, "embed_dim": int, "num_filters": int, "kernel_sizes": list,
                      "num_conv_layers": int, "hidden_size": int, "num_hidden_layers": int,
                      "num_attention_heads": int, "intermediate_size": int, "output_attentions": bool,
                      "hidden_dropout_prob": float},
    "training_hyperparameters": {"learning_rate": float, "batch_size": int, "target_epochs": int,
                                 "focal_gamma": float, "level_weights": list,
                                 "optimizer": {"lr": float, "betas": list, "eps": float, "weight_decay": float},
                                 "scheduler_steps": int},
    "dataset_info": METRICS["dataset_info"],
    "taxonomic_levels": METRICS["taxonomic_levels"],
    "timing": {"training_time": float},
    "performance_metrics": {"training_loss": float},
    "system_info": {"cuda": str, "gpu": (str, type(None))},
}
# in metrics.json of a prediction
PREDICTED = {
    "version": str, "run_uuid": str, "timestamp": str,
    "model_details": {"model_type": str, "tokenizer_name": str, "total_parameters": int, "max_length": int,
                      "dropout_prob": float},
    "prediction_parameters": {"batch_size": int, "top_k": int, "confidence_threshold": float,
                              "level_temperatures": list},
    "dataset_info": {"total_sequences": int, "fasta_file": str, "taxonomy_file": str},
    "taxonomic_levels": METRICS["taxonomic_levels"],
    "timing": {"prediction_time_seconds": float, "post_process_time_seconds": float},
    "performance_metrics": {str(level): dict.fromkeys(MEASURES + ["top_k_accuracy", "ece"], float)
                            | {"auc": (float, type(None))} for level in range(7)},
    "system_info": {"cuda_available": bool, "gpu": (str, type(None))},
}

failures = []


def check(what, fine):
    if not fine:
        failures.append(what)
        print("FAILED:", what, file=sys.stderr)


def same(what, found, wanted):
    check(f"{what}: {found!r} is not {wanted!r}", found == wanted)


def near(what, found, wanted):
    check(f"{what}: {found!r} is not near {wanted!r}", abs(found - wanted) <= 1e-9)


def check_keys(what, found, wanted):
    """All keys are there, and what stands under them is of the type that a notebook computes with."""
    for key, kind in wanted.items():
        name = f"{what}: {key}"
        if not isinstance(found, dict) or key not in found:
            check(f"{name} is missing", False)
        elif isinstance(kind, dict):
            check_keys(name, found[key], kind)
        else:
            value = found[key]
            check(f"{name} is {value!r}", isinstance(value, kind) and (kind is bool or not isinstance(value, bool)
                                                                         or kind is list))


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def only(pattern):
    paths = sorted(glob.glob(pattern))
    same(f"files of {pattern}", len(paths), 1)
    return paths[0]


def weighted_f1(truth, predicted):
    """scikit-learn's f1_score(average="weighted", zero_division=0)."""
    support, claimed = collections.Counter(truth), collections.Counter(predicted)
    hits = collections.Counter(t for t, p in zip(truth, predicted) if t == p)
    return sum(support[label] * 2 * hits[label] / (support[label] + claimed[label]) for label in support) / len(truth)


def check_training():
    """The published training tutorial's cells; returns metrics by epoch."""
    with open("run/deeptaxa_uuid.txt", encoding="utf-8") as file:
        uuid = file.read().strip()
    epochs, f1 = [], {level: [] for level in range(7)}
    metrics = {}
    for path in sorted(glob.glob("run/metrics/*epoch*.json")):
        data = load(path)
        check_keys(path, data, METRICS)
        epoch = data["model_details"]["current_epoch"]
        same("name of the metrics", os.path.basename(path), f"deeptaxa_{uuid}_epoch{epoch}.json")
        epochs.append(epoch)
        for level in range(7):
            f1[level].append(data["performance_metrics"]["validation_metrics"][str(level)]["f1_score"])
        metrics[epoch] = data
        check(f"{data['checkpoint_path']} is there", os.path.exists(data["checkpoint_path"]))
        timing = data["timing"]
        near("checkpoint_total_time", timing["checkpoint_total_time"],
             timing["training_time_seconds"] + timing["evaluation_time_seconds"])
        times = [datetime.datetime.fromisoformat(timing[key])
                 for key in ("session_start_time", "checkpoint_start_time", "checkpoint_end_time")]
        check(f"{path}: its times are in order: {times}", times[0] <= times[1] < times[2])
    same("evaluated epochs", sorted(epochs), [2, 4])
    same("F1 of each rank", {len(values) for values in f1.values()}, {2})
    labels = load(f"run/metadata/deeptaxa_{uuid}_label2id.json")
    same("ranks", [metrics[4]["taxonomic_levels"][str(level)]["rank"] for level in range(7)], RANKS)
    for level, rank in enumerate(RANKS):
        same(f"labels of {rank}", sorted(labels[str(level)].values()),
             list(range(metrics[4]["taxonomic_levels"][str(level)]["labels"])))
    with open(f"run/metrics/deeptaxa_{uuid}_steps.jsonl", encoding="utf-8") as file:
        steps = [json.loads(line) for line in file]
    check("steps in order", [line["step"] for line in steps] == sorted({line["step"] for line in steps}))
    near("last learning rate", steps[-1]["learning_rate"], 1e-2 / (32 - 3))  # of 32 steps, 3 to warm up
    return metrics


def check_described(metrics):
    """A checkpoint tells the measures of the last evaluation before it, to the last digit."""
    for name, evaluated in (("described/epoch1", None), ("described/epoch2", 2), ("described/epoch3", 2),
                            ("described/epoch4", 4), ("calibrated", 4)):
        data = load(f"{name}.json")
        check_keys(name, data, DESCRIBED)
        found = data["performance_metrics"]
        same(f"{name}: evaluated_epoch", found["evaluated_epoch"], evaluated)
        wanted = metrics[evaluated]["performance_metrics"] if evaluated else {}
        for key in ("validation_loss", "validation_metrics"):
            same(f"{name}: {key}", found[key], wanted.get(key))


def check_table(path, with_truth):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", strict=True))
    columns = ["sequence_id"]
    for rank in RANKS:
        columns += [f"{rank}_{what}" for what in ("predicted", "raw_score", "entropy", "true", "agreement")]
    same(f"columns of {path}", list(rows[0]), columns + ["sequence_length"])
    for row in rows:
        for rank in RANKS:
            check(f"score of {row['sequence_id']}", 0.0 < float(row[f"{rank}_raw_score"]) <= 1.0)
            same("agreement", row[f"{rank}_agreement"],
                 str(row[f"{rank}_predicted"] == row[f"{rank}_true"]) if with_truth else "")
    return rows


def check_predictions(folder, with_truth):
    """The published prediction and analysis tutorials: table and JSON say the same."""
    rows = check_table(only(f"{folder}/*_predictions.tsv"), with_truth)
    raw = load(only(f"{folder}/*_predictions.json"))
    summary = raw["summary"]
    threshold = summary["prediction_parameters"]["confidence_threshold"]
    same("sequence_ids", raw["sequence_ids"], [row["sequence_id"] for row in rows])
    same("total_sequences", summary["total_sequences"], len(rows))
    check("true_labels only where they are known", ("true_labels" in raw) == with_truth)
    largest = {rank: max(float(row[f"{rank}_raw_score"]) for row in rows) for rank in RANKS}
    flags = set()
    for i, row in enumerate(rows):
        same("sequence_length", raw["predictions"][i]["sequence_length"], int(row["sequence_length"]))
        for rank in RANKS:
            cell = raw["predictions"][i][rank]
            same("label", cell["label"], row[f"{rank}_predicted"])
            near("raw_score", cell["raw_score"], float(row[f"{rank}_raw_score"]))
            near("entropy", cell["entropy"], float(row[f"{rank}_entropy"]))
            check("score is relative to the largest", abs(cell["score"] - cell["raw_score"] / largest[rank]) < 1e-6)
            same("confidence_threshold_flag", cell["confidence_threshold_flag"], cell["raw_score"] >= threshold)
            flags.add(cell["confidence_threshold_flag"])
            check("agreement only with a truth", ("agreement" in cell) == with_truth)
            differ = with_truth and not cell["agreement"]
            check("mismatch_detail only at a mismatch", ("mismatch_detail" in cell) == differ)
            if with_truth:
                same("true label", raw["true_labels"][i][rank], row[f"{rank}_true"])
                same("agreement", cell["agreement"], row[f"{rank}_agreement"] == "True")
            if differ:
                same("mismatch_detail", [cell["mismatch_detail"][key] for key in ("predicted", "true")],
                     [row[f"{rank}_predicted"], row[f"{rank}_true"]])
    same("both values of the flag occur", flags, {False, True})
    same("metrics.json", os.path.exists(f"{folder}/metrics.json"), with_truth)
    for rank in RANKS:
        stats = summary["performance_stats"][rank]
        scores = [float(row[f"{rank}_raw_score"]) for row in rows]
        check("mean_raw_score", abs(stats["mean_raw_score"] - sum(scores) / len(scores)) < 1e-7)  # of single precision
        check("std_raw_score", isinstance(stats["std_raw_score"], float))
    return rows, summary


def check_measures(rows, summary):
    data = load("p/metrics.json")
    check_keys("p/metrics.json", data, PREDICTED)
    same("dataset_info", data["dataset_info"], {"total_sequences": len(rows), "fasta_file": "data/heldout.fasta",
                                                "taxonomy_file": "data/heldout.tsv"})
    for level, rank in enumerate(RANKS):
        truth = [row[f"{rank}_true"] for row in rows]
        predicted = [row[f"{rank}_predicted"] for row in rows]
        right = sum(t == p for t, p in zip(truth, predicted))
        found = data["performance_metrics"][str(level)]
        near(f"accuracy of {rank}", found["accuracy"], right / len(rows))
        near(f"F1 of {rank}", found["f1_score"], weighted_f1(truth, predicted))
        same(f"right at {rank}", summary["correct_count_per_rank"][rank], right)
        near(f"top-k of {rank}", found["top_k_accuracy"], summary["top_k_correct_count_per_rank"][rank] / len(rows))
        stats = summary["performance_stats"][rank]
        same(f"performance_stats of {rank}", {key: stats[key] for key in found}, found)
        same(f"counts of {rank}", (stats["correct"], stats["total"]), (right, len(rows)))


def check_vote():
    """Each model's temperatures are told, in the order of the checkpoints."""
    parameters = load("vote/metrics.json")["prediction_parameters"]
    fitted = load("calibrated.json")["model_details"]["temperatures"]
    check(f"a fitted temperature: {fitted}", any(temperature != 1.0 for temperature in fitted))
    same("temperatures of the vote", parameters["level_temperatures"], [[1.0] * 7, fitted])
    check("checkpoints of the vote", parameters["checkpoints"][1].endswith("_calibrated.h5"))
    same("temperatures of one model", load("p/metrics.json")["prediction_parameters"]["level_temperatures"], [1.0] * 7)


def skipped(module, what):
    print(f"SKIPPED: python3 has no {module}: {what} not tried", file=sys.stderr)


def check_with_h5py(metrics):
    try:
        import h5py
    except ImportError:
        return skipped("h5py", "checkpoints were")
    sizes = []
    with h5py.File(metrics[4]["checkpoint_path"], "r") as file:
        file["model"].visititems(lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None)
        same("evaluated epoch", int(file["evaluation"].attrs["epoch"]), 4)
        for key in MEASURES:
            same(f"{key} in the checkpoint", list(file["evaluation"][key]),
                 [metrics[4]["performance_metrics"]["validation_metrics"][str(level)][key] for level in range(7)])
    same("parameters", sum(sizes), metrics[4]["model_details"]["total_parameters"])


def beside(path):
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), path)


def check_state_dict():
    """The tutorial's lines make a state dict that PyTorch's definition of the model takes, name by name."""
    try:
        import h5py
        import torch
    except ImportError as error:
        return skipped(error.name, "the tutorial's state_dict was")
    with open(beside("../../docs/tutorial.md"), encoding="utf-8") as file:
        blocks = [block for block in re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL) if "h5py" in block]
    same("blocks of the tutorial with h5py", len(blocks), 1)
    found = {}
    exec(blocks[0], found)  # reads published.h5
    state = found["state"]
    sys.path.insert(0, beside("../parity"))
    import reference_model
    with h5py.File("published.h5", "r") as file:
        check("published.h5 has no moments", "optimizer" not in file)
        config = dict(file["config"].attrs)
        kernels = tuple(int(width) for width in file["config/kernel_sizes"])
        classes = tuple(len(file[f"taxonomy/labels/{level}"]) for level in range(7))
    sizes = {key: int(config[key]) for key in ("vocabulary", "max_length", "embed_dim", "num_filters", "hidden_size",
                                               "num_hidden_layers", "num_attention_heads", "intermediate_size")}
    model = reference_model.Model(reference_model.Config(kernel_sizes=kernels, classes=classes, **sizes))
    model.load_state_dict(state)  # an exception where a name or a shape differs
    for name, tensor in model.state_dict().items():
        check(f"{name} is loaded", torch.equal(tensor.float(), state[name]))


def check_with_pandas(rows):
    try:
        import pandas
    except ImportError:
        return skipped("pandas", "the table was")
    table = pandas.read_csv(only("p/*_predictions.tsv"), sep="\t")
    same("rows", len(table), len(rows))
    same("missing values", int(table.isna().sum().sum()), 0)
    for rank in RANKS:
        same(f"type of {rank}_agreement", str(table[f"{rank}_agreement"].dtype), "bool")
        same(f"type of {rank}_raw_score", str(table[f"{rank}_raw_score"].dtype), "float64")
        same(f"agreements of {rank}", int(table[f"{rank}_agreement"].sum()),
             int((table[f"{rank}_true"] == table[f"{rank}_predicted"]).sum()))


def check_pictures():
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return skipped("matplotlib", "docs/plot_metrics.py was")
    script = beside("../../docs/plot_metrics.py")
    subprocess.run([sys.executable, script, "run", "--output-dir", "pictures"], check=True, stdout=subprocess.DEVNULL)
    same("pictures", sorted(os.listdir("pictures")), ["f1_by_rank.png", "learning_rate.png", "loss.png"])
    subprocess.run([sys.executable, script, "unvalidated"], check=True, stdout=subprocess.DEVNULL)
    same("pictures without evaluations", sorted(os.listdir("unvalidated/pictures")), ["learning_rate.png", "loss.png"])
    for path in glob.glob("pictures/*") + glob.glob("unvalidated/pictures/*"):
        with open(path, "rb") as file:
            same(f"{path} is a PNG", file.read(8), b"\x89PNG\r\n\x1a\n")


def main():
    os.chdir(sys.argv[1])
    metrics = check_training()
    check_described(metrics)
    rows, summary = check_predictions("p", True)
    check_predictions("plain", False)
    check_measures(rows, summary)
    check_vote()
    check_with_h5py(metrics)
    check_state_dict()
    check_with_pandas(rows)
    check_pictures()
    sys.exit(1 if failures else 0)


main()
