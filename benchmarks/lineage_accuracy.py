"""How often is a predicted lineage correct?

    python3 benchmarks/lineage_accuracy.py --truth TABLE PREDICTIONS.tsv ...
    python3 benchmarks/lineage_accuracy.py --hold-out SHARE --fasta FILE --truth TABLE --output-dir DIR

The first form prints, for each table written by `deeptaxa predict --tabular`, the fraction of its
sequences whose label is correct at a rank and at all ranks above; of tables in folders whose names
differ in a number alone, as a seed, also mean and standard deviation. TABLE is in QIIME 2's format, with
or without header. A true lineage that ends early counts as wrong at the missing ranks, so that all
numbers of a row have the same denominator; the last row gives the fraction that reaches each rank.

The second form divides a training set, to choose settings without using the test set: it writes
train.fasta, train.tsv and heldout.fasta, heldout.tsv to DIR. Sequences are drawn with a fixed seed.
train.tsv does not contain the held-out sequences: like a test set, they may have taxa that are not in
the training set.

The third form prints, in place of accuracies, how reliable the scores are: the expected calibration
error (10 bins of equal width) at each rank, and the coverage: the share of sequences that can be
assigned, those of the largest scores, until more than 5 % of them are wrong at the rank.

The fourth form prints the risk-coverage curve of a rank: of the sequences with the largest scores, 50 %
to all of them, the fraction that is wrong. Sequences of equal score come in the order of the table.

The fifth form counts leaks: sequences of a test file that are in the training file, or whose ids are.

    python3 benchmarks/lineage_accuracy.py --reliability --truth TABLE PREDICTIONS.tsv ...
    python3 benchmarks/lineage_accuracy.py --curve genus --truth TABLE PREDICTIONS.tsv ...
    python3 benchmarks/lineage_accuracy.py --leaks TRAIN.fasta --fasta TEST.fasta --truth TABLE

--unclassified: a missing label of a true lineage is one like any other, and predicted as
`Unclassified`.

Needs nothing but Python.
"""
import argparse
import csv
import gzip
import os
import random
import re
import statistics
import sys

COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
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


def read_predictions(truth, path):
    """For each sequence (ranks): whether the lineage is right down to the rank, and the score."""
    found = []
    with open(path, newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            lineage = truth[row["sequence_id"]]
            right = []
            for rank, label in zip(RANKS, lineage):
                right.append(all(right) and name(row[rank + "_predicted"]) == label)
            right += [False] * (len(RANKS) - len(right))
            scores = [float(row.get(rank + "_raw_score", "nan")) for rank in RANKS]
            found.append((right, scores))
    if len(found) != len(truth):
        sys.exit(f"{path}: {len(found)} predictions for {len(truth)} true lineages")
    return found


def measure(truth, path):
    found = read_predictions(truth, path)
    return [sum(right[rank] for right, _ in found) / len(found) for rank in range(len(RANKS))]


def calibration_error(pairs, bins=10):
    """Expected calibration error of (score, right)."""
    parts = [[] for _ in range(bins)]
    for score, right in pairs:
        parts[min(int(score * bins), bins - 1)].append((score, right))
    return sum(abs(sum(score - right for score, right in part)) for part in parts) / len(pairs)


def risks(pairs):
    """For each of COVERAGES: the fraction wrong of that share of the sequences, by falling score."""
    right = [correct for _, correct in sorted(pairs, key=lambda pair: -pair[0])]
    for share in COVERAGES:
        count = max(round(share * len(right)), 1)
        yield 1 - sum(right[:count]) / count


def coverage(pairs, most_wrong=0.05):
    """Largest share of the sequences, by falling score, of which at most `most_wrong` are wrong."""
    wrong = best = 0
    for count, (_, right) in enumerate(sorted(pairs, reverse=True), 1):
        wrong += not right
        if wrong <= most_wrong * count:
            best = count
    return best / len(pairs)


def reliability(truth, path, function):
    found = read_predictions(truth, path)
    return [function([(scores[rank], right[rank]) for right, scores in found])
            for rank in range(ranks_of(truth))]


def ranks_of(truth):
    return max(len(lineage) for lineage in truth.values())


def print_row(label, shares):
    print(f"| {label} | " + " | ".join(f"{share:.4f}" for share in shares) + " |")


def read_truth(path, unclassified):
    truth = {}
    for key, lineage in read_rows(path).items():
        labels = [name(part) for part in lineage.split(";")]
        if unclassified:
            labels = [label or "Unclassified" for label in labels]
        truth[key] = [label for label in labels if label]
    return truth


def print_head(first, columns):
    print(f"| {first} | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")


def label_of(path):
    return os.path.basename(os.path.dirname(os.path.abspath(path)))


def print_rows(rows):
    """Prints rows of (label, shares); of labels that differ in a number alone also mean and spread."""
    seeds = {}
    for label, shares in rows:
        print_row(label, shares)
        seeds.setdefault(re.sub(r" \d+\b", "", label), []).append(shares)
    for label, of_seed in seeds.items():
        if len(of_seed) > 1:
            cells = [f"{statistics.mean(column):.4f} ± {statistics.stdev(column):.4f}"
                     for column in zip(*of_seed)]
            print(f"| {label}, {len(of_seed)} seeds | " + " | ".join(cells) + " |")


def measure_all(truth, paths):
    ranks = ranks_of(truth)
    print_head("predictions", RANKS[:ranks])
    print_rows((label_of(path), measure(truth, path)[:ranks]) for path in paths)
    print_row("the true lineage reaches the rank",
              [sum(len(lineage) > rank for lineage in truth.values()) / len(truth)
               for rank in range(ranks)])


def reliability_all(truth, paths):
    print_head("calibration error, coverage at 5 % wrong", RANKS[:ranks_of(truth)])
    for what in (calibration_error, coverage):
        print_rows((f"{label_of(path)}: {what.__name__.replace('_', ' ')}", reliability(truth, path, what))
                   for path in paths)


def print_curves(truth, paths, rank):
    print_head(f"fraction wrong at the {rank}, of the share with the largest scores",
               [f"{share:.0%}" for share in COVERAGES])
    place = RANKS.index(rank)
    print_rows((label_of(path), list(risks([(scores[place], right[place])
                                            for right, scores in read_predictions(truth, path)])))
               for path in paths)


def read_records(path):
    records = []
    with text(path) as lines:
        for line in lines:
            if line.startswith(">"):
                records.append([line[1:].split()[0], ""])
            else:
                records[-1][1] += line.strip().upper().replace("U", "T")
    return records


def leaks(train, test):
    known = read_records(train)
    ids, bases = {key for key, _ in known}, {letters for _, letters in known}
    tested = read_records(test)
    print(f"{len(known)} sequences to train on, {len(tested)} to test; of these "
          f"{sum(letters in bases for _, letters in tested)} are identical to one to train on, "
          f"{sum(key in ids for key, _ in tested)} have its id")


def hold_out(share, fasta, truth_path, folder):
    truth = read_rows(truth_path)
    records = read_records(fasta)
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
    parser.add_argument("--reliability", action="store_true")
    parser.add_argument("--curve", choices=RANKS)
    parser.add_argument("--leaks", metavar="TRAIN")
    parser.add_argument("--unclassified", action="store_true")
    parser.add_argument("predictions", nargs="*")
    options = parser.parse_args()
    if options.hold_out:
        hold_out(options.hold_out, options.fasta, options.truth, options.output_dir)
        return
    if options.leaks:
        leaks(options.leaks, options.fasta)
        return
    truth = read_truth(options.truth, options.unclassified)
    if options.curve:
        print_curves(truth, options.predictions, options.curve)
        return
    (reliability_all if options.reliability else measure_all)(truth, options.predictions)


if __name__ == "__main__":
    main()
