"""Writes fixtures/measures.json: the measures by rank as scikit-learn gives them.

    python3 measures_reference.py             write the fixture
    python3 measures_reference.py --check     compare the committed one with a fresh computation

The definitions are those of docs/model.md, section 4. A true label that is not
below `classes` is one that the training vocabulary lacks.
"""
import json
import os
import sys

import numpy as np
from scipy.special import softmax
from sklearn.metrics import (accuracy_score, precision_recall_fscore_support, roc_auc_score,
                             top_k_accuracy_score)

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "measures.json")
BINS = 10


# ---- definitions ----------------------------------------------------------------------------

def label_measures(truth, predicted):
    """Accuracy, and support-weighted precision, recall and F1 over the labels that occur."""
    precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted,
                                                               average="weighted", zero_division=0)
    return dict(accuracy=accuracy_score(truth, predicted), precision=precision, recall=recall,
                f1_score=f1)


def top_k_accuracy(truth, probabilities, k):
    """Share of all sequences whose true label is among the k most probable ones."""
    classes = probabilities.shape[1]
    known = truth < classes
    if k >= classes or classes == 1:
        return known.mean()
    if classes == 2:  # here k is 1; scikit-learn takes the second column alone
        return (probabilities.argmax(axis=1) == truth).mean()
    own = probabilities[known, truth[known]][:, None]
    above, not_below = ((f(probabilities[known], own)).sum(axis=1)
                        for f in (np.greater, np.greater_equal))
    assert ((above >= k) | (not_below <= k)).all(), "a tie makes top-k ambiguous"
    hits = top_k_accuracy_score(truth[known], probabilities[known], k=k, normalize=False,
                                labels=range(classes)) if known.any() else 0
    return hits / len(truth)


def calibration_error(truth, probabilities):
    """Expected calibration error over BINS equal-width bins lo < c <= hi, known labels only."""
    known = truth < probabilities.shape[1]
    confidence = probabilities[known].max(axis=1)
    correct = probabilities[known].argmax(axis=1) == truth[known]
    total = 0.0
    for i in range(BINS):
        inside = (confidence > i / BINS) & (confidence <= (i + 1) / BINS)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total if known.any() else None


def area_under_curve(truth, probabilities):
    """One-vs-rest, weighted by support, over the labels present in the truth; None below two."""
    known = truth < probabilities.shape[1]
    present = np.unique(truth[known])
    if len(present) < 2:
        return None
    rows = probabilities[known][:, present]
    rows /= rows.sum(axis=1, keepdims=True)
    if len(present) == 2:
        return roc_auc_score(truth[known] == present[1], rows[:, 1])
    return roc_auc_score(truth[known], rows, multi_class="ovr", average="weighted", labels=present)


# ---- cases ----------------------------------------------------------------------------------

def label_cases(random):
    """(name, truth, predicted): random and degenerate label vectors."""
    truth = random.integers(0, 12, 300)
    right = random.random(300) < 0.7
    mixed = np.where(right, truth, random.integers(0, 12, 300))
    skewed = np.minimum(random.geometric(0.35, 400) - 1, 40)
    yield "random", truth, mixed
    yield "skewed_many_classes", skewed, np.where(random.random(400) < 0.8, skewed,
                                                  random.integers(0, 60, 400))
    yield "labels_missing_in_prediction", truth, np.where(mixed > 5, 0, mixed)
    yield "labels_missing_in_truth", np.where(truth > 5, 0, truth), mixed
    yield "nothing_in_common", random.integers(0, 3, 50), random.integers(3, 6, 50)
    yield "perfect", truth, truth
    yield "single_class", np.zeros(20, int), np.zeros(20, int)
    yield "single_class_in_truth", np.full(30, 2), random.integers(0, 4, 30)
    yield "single_class_in_prediction", random.integers(0, 4, 30), np.full(30, 2)
    yield "one_sequence_right", np.array([3]), np.array([3])
    yield "one_sequence_wrong", np.array([3]), np.array([1])
    yield "unknown_true_labels", np.where(right, truth, 12 + truth // 4), mixed


def probabilities_of(random, rows, classes, sharpness):
    """Multiples of 2^-20, the same in single and in double precision."""
    logits = random.standard_normal((rows, classes)) * sharpness
    return np.round(softmax(logits, axis=1) * 2 ** 20) / 2 ** 20


def likely_truth(random, probabilities):
    """Labels drawn from the probabilities, so that the prediction is often right."""
    return (probabilities.cumsum(axis=1) < random.random((len(probabilities), 1)) * 0.99).sum(1)


def quantised(random, rows, classes):
    """Multiples of 1/16 that sum to 1: many ties, and confidences of exactly 0.5 and 1."""
    counts = random.multinomial(16, random.dirichlet([0.6] * classes, rows))
    return counts / 16


def probability_cases(random):
    """(name, truth, probabilities, ks): k only where no tie makes top-k ambiguous."""
    for name, rows, classes, sharpness in (("six_classes", 70, 6, 1.5), ("sharp", 60, 5, 3.5),
                                           ("two_classes", 50, 2, 1.0), ("one_class", 5, 1, 1.0)):
        p = probabilities_of(random, rows, classes, sharpness)
        yield name, likely_truth(random, p), p, (1, 3, 5)
    p = probabilities_of(random, 40, 7, 1.0)
    truth = likely_truth(random, p)
    yield "labels_absent_from_truth", np.where(truth > 4, 1, truth), p, (1, 3)
    yield "two_labels_present_of_seven", np.where(truth % 2 == 0, 2, 5), p, (1, 3)
    yield "one_label_present_of_seven", np.full(40, 4), p, (1, 3)
    yield "unknown_true_labels", np.where(random.random(40) < 0.2, 7 + truth % 3, truth), p, (1, 3)
    yield "only_unknown_true_labels", np.full(40, 9), p, (1, 3)
    p = quantised(random, 80, 4)
    yield "ties", likely_truth(random, p), p, ()
    p = quantised(random, 80, 2)
    yield "ties_of_two_classes", likely_truth(random, p), p, ()


def softmax_cases(random):
    """Logits, temperature -> predicted label, confidence and entropy in nats."""
    for temperature in (1.0, 0.5, 1.7):
        logits = np.round(random.standard_normal((6, 5)) * 8 * 64) / 64
        p = softmax(logits / temperature, axis=1)
        yield dict(temperature=temperature, logits=logits, predicted=p.argmax(axis=1),
                   confidence=p.max(axis=1), entropy=-(p * np.log(np.maximum(p, 1e-300))).sum(1))


# A prediction agrees with the true label, or at the species rank with its last part.
AGREEMENT = [  # true, predicted, at the species rank?, agrees?
    ("Bacillus subtilis", "Bacillus subtilis", True, True),
    ("Bacillus subtilis", "subtilis", True, True),
    ("s__subtilis", "subtilis", True, True),
    ("s__Bacillus subtilis", "Bacillus subtilis", True, True),
    ("Bacillus subtilis", "subtilis", False, False),
    ("g__Bacillus", "Bacillus", False, False),
    ("Bacillus subtilis", "btilis", True, False),
    ("Bacillus_subtilis", "subtilis", True, False),
    ("subtilis", "Bacillus subtilis", True, False),
    ("Bacillus subtilis", "Subtilis", True, False),
]


def compute():
    random = np.random.Generator(np.random.PCG64(16))
    labels = [dict(name=name, truth=truth, predicted=predicted,
                   expected=label_measures(truth, predicted))
              for name, truth, predicted in label_cases(random)]
    probabilities = []
    for name, truth, p, ks in probability_cases(random):
        expected = dict(**label_measures(truth, p.argmax(axis=1)),
                        top_k_accuracy={str(k): top_k_accuracy(truth, p, k) for k in ks},
                        ece=calibration_error(truth, p), auc=area_under_curve(truth, p))
        probabilities.append(dict(name=name, classes=p.shape[1], truth=truth,
                                  predicted=p.argmax(axis=1), probabilities=p, expected=expected))
    return dict(labels=labels, probabilities=probabilities, softmax=list(softmax_cases(random)),
                agreement=[dict(true=t, predicted=p, species=s, agrees=a)
                           for t, p, s, a in AGREEMENT])


# ---- file -----------------------------------------------------------------------------------

def plain(value):
    """The same in types that JSON can hold."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return abs(a - b) <= 1e-12 if isinstance(a, float) else a == b


def main():
    fresh = plain(compute())
    if sys.argv[1:] == ["--check"]:
        with open(PATH, encoding="ascii") as file:
            agrees = same(json.load(file), fresh)
        print("measures.json", "agrees" if agrees else "DIFFERS")
        return 0 if agrees else 1
    with open(PATH, "w", encoding="ascii") as file:
        json.dump(fresh, file, separators=(",", ":"))
        file.write("\n")
    print(f"measures.json {os.path.getsize(PATH):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
