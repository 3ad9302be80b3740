"""Converts one of our checkpoints to the `.pt` format of the published program and predict.py, so that
all predict with the same weights.

    python3 to_torch.py CHECKPOINT.h5 OUT.pt TOKENIZER_FOLDER

Requires PyTorch and h5py. Supports the hybrid with default settings, of any size.
"""
import sys

import h5py
import torch


def texts(array):
    return [x.decode() if isinstance(x, bytes) else str(x) for x in array[()]]


def main():
    source, target, tokenizer = sys.argv[1:4]
    with h5py.File(source, "r") as file:
        state = {}

        def take(name, item):
            if isinstance(item, h5py.Dataset):
                state[name] = torch.from_numpy(item[()])
        file["model"].visititems(take)
        ranks = texts(file["taxonomy/ranks"])
        labels = [texts(file[f"taxonomy/labels/{r}"]) for r in range(len(ranks))]
        config = {k: v.item() if hasattr(v, "item") else v for k, v in file["config"].attrs.items()}
        kernels = file["config/kernel_sizes"][()].tolist()
    torch.save({
        "model_type": "hybridcnnbert", "encoding": "dnabert", "state_dict": state,
        "model_config": {
            "cnn": {"embed_dim": config["embed_dim"], "num_filters": config["num_filters"],
                    "kernel_sizes": kernels, "num_conv_layers": 1, "mask_padding": False},
            "bert": {"hidden_size": config["hidden_size"],
                     "num_hidden_layers": config["num_hidden_layers"],
                     "num_attention_heads": config["num_attention_heads"],
                     "intermediate_size": config["intermediate_size"],
                     "max_position_embeddings": config["max_length"]}},
        "hidden_dropout_prob": 0.2, "max_length": config["max_length"],
        "tokenizer_name": tokenizer, "tokenizer_revision": None, "taxonomic_ranks": ranks,
        "num_labels_per_level": {str(r): len(row) for r, row in enumerate(labels)},
        "level_label2id": {r: {x: i for i, x in enumerate(row)} for r, row in enumerate(labels)},
        "run_uuid": "benchmark", "epoch": 1}, target)


if __name__ == "__main__":
    main()
