"""Input for train.py and predict.py: FASTA, DeepTaxa's table, and a dataset that tokenises and pads
each sequence on access, like the published program.

Requires PyTorch and Hugging Face's tokenizers.
"""
import csv
import gzip
import os

import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset


def open_text(path):
    return gzip.open(path, "rt") if path.endswith(".gz") else open(path)


def read_fasta(path):
    """Ids and sequences."""
    names, parts = [], []
    with open_text(path) as file:
        for line in file:
            if line.startswith(">"):
                names.append(line[1:].split()[0])
                parts.append([])
            else:
                parts[-1].append(line.strip())
    return names, ["".join(p) for p in parts]


def read_table(path):
    """The ranks, their labels in order, and {id: [label of each rank]}."""
    with open_text(path) as file:
        rows = list(csv.reader(file, delimiter="\t"))
    ranks = rows[0][1:]
    table = {row[0]: row[1:] for row in rows[1:]}
    labels = [sorted({row[r] for row in table.values()}) for r in range(len(ranks))]
    return ranks, labels, table


class Sequences(Dataset):
    def __init__(self, sequences, classes, folder, max_length):
        """classes: one list of class numbers per sequence, or None."""
        self.sequences, self.classes, self.max_length = sequences, classes, max_length
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        pad = self.tokenizer.token_to_id("[PAD]")
        self.tokenizer.enable_truncation(max_length)
        self.tokenizer.enable_padding(length=max_length, pad_id=pad)
        self.pad_id, self.vocabulary = pad, self.tokenizer.get_vocab_size()

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, i):
        encoded = self.tokenizer.encode(self.sequences[i])
        item = [torch.tensor(encoded.ids), torch.tensor(sum(encoded.attention_mask))]
        return item + [torch.tensor(self.classes[i])] if self.classes else item


def loader(dataset, batch_size, shuffle, workers):
    return DataLoader(dataset, batch_size, shuffle=shuffle, num_workers=workers)
