"""How often is a predicted lineage correct?

    python3 benchmarks/lineage_accuracy.py --truth TABLE PREDICTIONS.tsv ...
    python3 benchmarks/lineage_accuracy.py --hold-out SHARE --fasta FILE --truth TABLE --output-dir DIR

The first form prints, for each table written by `deeptaxa predict --tabular`, the fraction of its
sequences whose label is correct at a rank and at all ranks above. TABLE is in QIIME 2's format, with
or without header. A true lineage that ends early counts as wrong at the missing ranks, so that all
numbers of a row have the same denominator; the last row gives the fraction that reaches each rank.

The second form divides a training set, to choose settings without using the test set: it writes
train.fasta, train.tsv and heldout.fasta, heldout.tsv to DIR. Sequences are drawn with a fixed seed.
train.tsv does not contain the held-out sequences: like a test set, they may have taxa that are not in
the training set.

Needs nothing but Python.
"""
import argparse
import csv
import gzip
import os
import random
import sys

RANKS = ["domain", "phylum", "class", "order", "family", "genus", "species"]


def text(path):
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt") if compressed else open(path)


def read_rows(path):
    """Sequence id -> the lineage as written."""
    with text(path) as lines:
        rows = [line.rstrip("\r\n").split("\t") for line in lines]
    return {row[0]: row[1] for row in rows if len(row) > 1 and row[0] != "Feature ID"}


def name(label):
    """The label without its prefix (g__)."""
    label = label.strip()
    return label[3:] if label[1:3] == "__" else label


def measure(truth, path):
    right = [0] * len(RANKS)
    total = 0
    with open(path, newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            lineage = truth[row["sequence_id"]]
            total += 1
            for rank, label in enumerate(lineage):
                if name(row[RANKS[rank] + "_predicted"]) != label:
                    break
                right[rank] += 1
    if total != len(truth):
        sys.exit(f"{path}: {total} predictions for {len(truth)} true lineages")
    return [count / total for count in right]


def print_row(label, shares):
    print(f"| {label} | " + " | ".join(f"{share:.4f}" for share in shares) + " |")


def measure_all(truth_path, paths):
    truth = {key: [name(part) for part in lineage.split(";") if name(part)]
             for key, lineage in read_rows(truth_path).items()}
    print("| predictions | " + " | ".join(RANKS) + " |")
    print("| --- " * (len(RANKS) + 1) + "|")
    for path in paths:
        print_row(os.path.basename(os.path.dirname(os.path.abspath(path))), measure(truth, path))
    print_row("the true lineage reaches the rank",
              [sum(len(lineage) > rank for lineage in truth.values()) / len(truth)
               for rank in range(len(RANKS))])


def hold_out(share, fasta, truth_path, folder):
    truth = read_rows(truth_path)
    records = []
    with text(fasta) as lines:
        for line in lines:
            if line.startswith(">"):
                records.append([line[1:].split()[0], ""])
            else:
                records[-1][1] += line.strip()
    random.seed(20161120)
    random.shuffle(records)
    cut = round(share * len(records))
    os.makedirs(folder, exist_ok=True)
    for part, chosen in (("heldout", records[:cut]), ("train", records[cut:])):
        with open(os.path.join(folder, part + ".fasta"), "w") as out:
            out.writelines(f">{key}\n{bases}\n" for key, bases in chosen)
        with open(os.path.join(folder, part + ".tsv"), "w") as out:
            out.writelines(f"{key}\t{truth[key]}\n" for key, _ in chosen)


def main():
    parser = argparse.ArgumentParser(description="share of right lineages by rank")
    parser.add_argument("--truth", required=True)
    parser.add_argument("--hold-out", type=float, metavar="SHARE")
    parser.add_argument("--fasta")
    parser.add_argument("--output-dir")
    parser.add_argument("predictions", nargs="*")
    options = parser.parse_args()
    if options.hold_out:
        hold_out(options.hold_out, options.fasta, options.truth, options.output_dir)
    else:
        measure_all(options.truth, options.predictions)


if __name__ == "__main__":
    main()
