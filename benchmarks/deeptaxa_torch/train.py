"""Trains our PyTorch version of DeepTaxa from files, in the same way as the published program: the same
split and order of work; sequences are tokenised one by one in the data loader's processes and padded to
max-length; fp32 on a CPU, fp16 autocast on a GPU. Supports the flags of `deeptaxa train` that the
benchmarks use, and also writes the times to metrics/ and the weights to checkpoints/.
"""
import argparse
import json
import os
import time

import numpy as np
import torch
from torch.utils.data import Subset

from data import Sequences, loader, read_fasta, read_table
from model import Hybrid, Sizes, Trainer, total_loss


def parse(arguments):
    parser = argparse.ArgumentParser(prog="train.py")
    parser.add_argument("--fasta-file", required=True)
    parser.add_argument("--taxonomy-file", required=True)
    parser.add_argument("--tokenizer-name", required=True, help="folder with tokenizer.json")
    parser.add_argument("--output-dir", required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--num-workers", type=int, default=2)
    parser.add_argument("--val-split", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(arguments)


def evaluate(model, batches, device):
    """Mean loss, accuracy of each rank."""
    losses, right, count = [], 0, 0
    model.eval()
    with torch.no_grad():
        for ids, lengths, classes in batches:
            logits = model(ids.to(device), lengths.to(device))
            classes = classes.to(device)
            losses.append(total_loss(logits, classes).item())
            best = torch.stack([x.argmax(1) for x in logits], 1)
            right, count = right + (best == classes).sum(0), count + len(ids)
    model.train()
    return sum(losses) / len(losses), (right / count).tolist()


def main(arguments=None):
    o = parse(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(o.seed)
    np.random.seed(o.seed)
    names, sequences = read_fasta(o.fasta_file)
    ranks, labels, table = read_table(o.taxonomy_file)
    number = [{label: i for i, label in enumerate(row)} for row in labels]
    classes = [[number[r][table[name][r]] for r in range(len(ranks))] for name in names]
    whole = Sequences(sequences, classes, o.tokenizer_name, o.max_length)
    order = list(range(len(whole)))
    np.random.shuffle(order)
    split = int(len(order) * (1 - o.val_split))
    training = loader(Subset(whole, order[:split]), o.batch_size, True, o.num_workers)
    validation = loader(Subset(whole, order[split:]), o.batch_size, False, o.num_workers)

    sizes = Sizes(vocabulary=whole.vocabulary, pad_id=whole.pad_id, max_length=o.max_length,
                  classes=tuple(len(row) for row in labels))
    total = len(training) * o.epochs
    trainer = Trainer(Hybrid(sizes).train(), device, torch.float16 if device == "cuda" else None,
                      warmup=int(0.1 * total), total=total)
    for folder in ("metrics", "checkpoints"):
        os.makedirs(os.path.join(o.output_dir, folder), exist_ok=True)
    for epoch in range(1, o.epochs + 1):
        began = time.perf_counter()
        losses = [trainer.step(*(x.to(device) for x in batch)).item() for batch in training]
        trained = time.perf_counter()
        loss, accuracy = evaluate(trainer.model, validation, device)
        metrics = {"training_loss": sum(losses) / len(losses), "validation_loss": loss,
                   "accuracy": dict(zip(ranks, accuracy)),
                   "training_time_seconds": trained - began,
                   "evaluation_time_seconds": time.perf_counter() - trained}
        with open(f"{o.output_dir}/metrics/deeptaxa_torch_epoch{epoch}.json", "w") as file:
            json.dump(metrics, file, indent=4)
        torch.save({"state_dict": trainer.model.state_dict(),
                    "optimizer_state_dict": trainer.optimizer.state_dict(),
                    "taxonomic_ranks": ranks, "labels": labels, "max_length": o.max_length,
                    "tokenizer_name": o.tokenizer_name},
                   f"{o.output_dir}/checkpoints/deeptaxa_torch_epoch{epoch}.pt")


if __name__ == "__main__":
    main()
