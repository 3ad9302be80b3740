#!/usr/bin/env python3
"""Draws how a training went: learning rate, loss, and F1 by rank, as PNG files.

    python3 docs/plot_metrics.py RUN [--output-dir FOLDER]

RUN is the --output-dir of `deeptaxa train`; a run that is under way is drawn as far as it is, and one
without evaluations (--val-split 0) by its updates alone. The pictures go to FOLDER (default: RUN/pictures). Needs matplotlib (Debian: python3-matplotlib).
"""

import argparse
import glob
import json
import os
import sys

TRAINING, VALIDATION, MARK = "#1f5f8b", "#c2571a", "0.75"


def read_epochs(folder, run):
    """The metrics of the run's evaluated epochs, as they are in the files, by epoch."""
    epochs = {}
    for path in glob.glob(os.path.join(folder, "metrics", f"deeptaxa_{run}_epoch*.json")):
        with open(path, encoding="utf-8") as file:
            metrics = json.load(file)
        epochs[metrics["model_details"]["current_epoch"]] = metrics
    return [epochs[epoch] for epoch in sorted(epochs)]


def read_steps(folder, run):
    """The lines of the steps file; one that is being written is left out."""
    steps = []
    with open(os.path.join(folder, "metrics", f"deeptaxa_{run}_steps.jsonl"), encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                steps.append(json.loads(line))
    return steps


def new_picture(plot, xlabel, ylabel):
    figure, axes = plot.subplots(figsize=(6.4, 3.6), layout="constrained")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def draw_learning_rate(plot, steps, steps_per_epoch):
    figure, axes = new_picture(plot, "update", "learning rate")
    last = max(line["step"] for line in steps)
    for boundary in range(1, int(last / steps_per_epoch) + 1 if steps_per_epoch else 1):
        axes.axvline(boundary * steps_per_epoch, color=MARK, linewidth=0.6, linestyle=":")
    axes.plot([line["step"] for line in steps], [line["learning_rate"] for line in steps], color=TRAINING)
    axes.set_title("Learning rate" + (" (dotted: ends of epochs)" if steps_per_epoch else ""), fontsize=10)
    axes.set_ylim(bottom=0)
    return figure


def draw_loss(plot, epochs, steps, steps_per_epoch):
    figure, axes = new_picture(plot, "epoch" if epochs else "update", "loss")
    number = [metrics["model_details"]["current_epoch"] for metrics in epochs]
    known = [line for line in steps if line["loss"] is not None]
    axes.plot([line["step"] / (steps_per_epoch or 1) for line in known], [line["loss"] for line in known],
              color=MARK if epochs else TRAINING, linewidth=0.8, label="one update")
    for key, color, label in (("training_loss", TRAINING, "training"), ("validation_loss", VALIDATION, "validation")) if epochs else ():
        axes.plot(number, [metrics["performance_metrics"][key] for metrics in epochs], "o-", color=color,
                  markersize=3.5, label=label)
    axes.set_yscale("log")
    axes.set_title("Loss, summed over the ranks", fontsize=10)
    axes.legend(frameon=False)
    return figure


def draw_f1(plot, epochs):
    figure, axes = new_picture(plot, "epoch", "F1 on the validation sequences")
    number = [metrics["model_details"]["current_epoch"] for metrics in epochs]
    levels = sorted(epochs[-1]["taxonomic_levels"], key=int)
    colors = plot.get_cmap("viridis")
    for i, level in enumerate(levels):
        score = [metrics["performance_metrics"]["validation_metrics"][level]["f1_score"] for metrics in epochs]
        axes.plot(number, score, "o-", markersize=3.5, color=colors(0.92 * i / max(1, len(levels) - 1)),
                  label=epochs[-1]["taxonomic_levels"][level]["rank"])
    axes.set_ylim(0, 1.02)
    axes.set_title("F1 by rank (averaged over labels, weighted by support)", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def draw(plot, folder, output):
    with open(os.path.join(folder, "deeptaxa_uuid.txt"), encoding="utf-8") as file:
        run = file.read().strip()
    epochs = read_epochs(folder, run)
    steps = read_steps(folder, run)
    if not steps:
        sys.exit(f"{folder}: run {run} has made no update yet")
    steps_per_epoch = None  # the metrics of an epoch say it
    if epochs:
        settings = epochs[-1]["training_hyperparameters"]
        steps_per_epoch = settings["scheduler_steps"] / settings["target_epochs"]
    pictures = [("learning_rate", draw_learning_rate(plot, steps, steps_per_epoch)),
                ("loss", draw_loss(plot, epochs, steps, steps_per_epoch))]
    if epochs:
        pictures.append(("f1_by_rank", draw_f1(plot, epochs)))
    os.makedirs(output, exist_ok=True)
    for name, figure in pictures:
        path = os.path.join(output, name + ".png")
        figure.savefig(path, dpi=110)
        print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the --output-dir of deeptaxa train")
    parser.add_argument("--output-dir", help="where the pictures go (default: RUN/pictures)")
    arguments = parser.parse_args()
    try:
        import matplotlib
    except ImportError:
        sys.exit("plot_metrics.py: needs matplotlib: apt-get install python3-matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plot
    try:
        draw(plot, arguments.run, arguments.output_dir or os.path.join(arguments.run, "pictures"))
    except OSError as error:
        sys.exit(f"plot_metrics.py: {error}")


if __name__ == "__main__":
    main()
