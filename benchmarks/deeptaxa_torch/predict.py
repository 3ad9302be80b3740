"""Predicts from files with our PyTorch version of DeepTaxa, in the same way as the published program:
sequences are tokenised one by one in the data loader's processes and padded; softmax, entropy and best
classes are computed for one sequence and rank at a time; all results stay in memory until they are
written as JSON. Supports the flags of `deeptaxa predict` that the benchmarks use, and checkpoints
written by to_torch.py.
"""
import argparse
import json
import os
import time

import torch

from data import Sequences, loader, read_fasta
from model import Hybrid, Sizes


def parse(arguments):
    parser = argparse.ArgumentParser(prog="predict.py")
    parser.add_argument("--fasta-file", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--output-dir", default=".")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-workers", type=int, default=2)
    return parser.parse_args(arguments)


def describe(logits, ranks, labels):
    """The result for one sequence; logits: its row at each rank."""
    said = {}
    for rank, row, names in zip(ranks, logits, labels):
        p = row.softmax(0)
        best = p.topk(min(3, len(names)))
        score = best.values[0].item()
        said[rank] = {"label": names[best.indices[0].item()], "raw_score": score,
                      "confidence_threshold_flag": score >= 0.95,
                      "entropy": -(p * (p + 1e-10).log()).sum().item()}
    return said


def main(arguments=None):
    o = parse(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    stored = torch.load(o.checkpoint, map_location=device)
    ranks, max_length = stored["taxonomic_ranks"], stored["max_length"]
    labels = [sorted(row, key=row.get) for row in stored["level_label2id"].values()]
    names, sequences = read_fasta(o.fasta_file)
    dataset = Sequences(sequences, None, stored["tokenizer_name"], max_length)
    model = Hybrid(Sizes(vocabulary=dataset.vocabulary, pad_id=dataset.pad_id,
                         max_length=max_length, classes=tuple(len(row) for row in labels)))
    model.load_state_dict(stored["state_dict"])
    model.to(device).eval()
    predictions = []
    began = time.perf_counter()
    with torch.no_grad():
        for ids, lengths in loader(dataset, o.batch_size, False, o.num_workers):
            logits = model(ids.to(device), lengths.to(device))
            for i in range(len(ids)):
                said = describe([x[i] for x in logits], ranks, labels)
                said["sequence_length"] = len(sequences[len(predictions)])
                predictions.append(said)
    seconds = time.perf_counter() - began
    for rank in ranks:
        most = max(p[rank]["raw_score"] for p in predictions)
        for p in predictions:
            p[rank]["score"] = p[rank]["raw_score"] / most
    os.makedirs(o.output_dir, exist_ok=True)
    base = os.path.basename(o.fasta_file).split(".")[0]
    with open(os.path.join(o.output_dir, f"{base}_deeptaxa_predictions.json"), "w") as file:
        json.dump({"sequence_ids": names, "predictions": predictions,
                   "summary": {"total_sequences": len(names),
                               "prediction_time_seconds": seconds}}, file, indent=2)


if __name__ == "__main__":
    main()
