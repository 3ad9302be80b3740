"""Trains the model that `gpu_check export FOLDER` wrote with PyTorch, padded, in fp32 and without
dropout, on the same batches in the same order, and writes the loss of each step to
FOLDER/torch_fp32.txt.

    python3 loss_curve.py FOLDER STEPS cuda|cpu
"""
import os
import sys

import torch

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "benchmarks", "deeptaxa_torch"))
from model import Hybrid, Sizes, Trainer, padded  # noqa: E402


def numbers(folder, name, dtype):
    with open(os.path.join(folder, name), "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=dtype)


def read_model(folder):
    """Sizes, the learning rate's schedule, and the initial state dict."""
    values, state = {}, {}
    weights = numbers(folder, "weights.bin", torch.float32)
    with open(os.path.join(folder, "model.txt")) as file:
        for line in file:
            kind, name, *rest = line.split()
            if kind == "size":
                values[name] = tuple(int(x) for x in rest)
            else:
                offset, count, *shape = (int(x) for x in rest)
                state[name] = weights[offset:offset + count].reshape(shape)
    lists = ("kernel_sizes", "classes")
    names = [n for n in Sizes.__dataclass_fields__ if n in values]
    sizes = Sizes(dropout=0.0, **{n: values[n] if n in lists else values[n][0] for n in names})
    return sizes, values, state


def main():
    folder, steps, device = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    sizes, values, state = read_model(folder)
    model = Hybrid(sizes)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing or unexpected:
        sys.exit(f"the models differ: missing {missing}, unexpected {unexpected}")
    trainer = Trainer(model.train(), device, None, rate=5e-4, warmup=values["warmup_steps"][0],
                      total=values["total_steps"][0])
    tokens = numbers(folder, "tokens.bin", torch.int32).tolist()
    ends = numbers(folder, "cu_seqlens.bin", torch.int32).tolist()
    labels = numbers(folder, "labels.bin", torch.int32).reshape(len(ends) - 1, -1).long()
    ids, lengths = padded([tokens[a:b] for a, b in zip(ends, ends[1:])], sizes)
    count = values["batch_size"][0]
    with open(os.path.join(folder, "torch_fp32.txt"), "w") as file:
        for step in range(steps):
            first = step * count % len(lengths)
            batch = (x[first:first + count].to(device) for x in (ids, lengths, labels))
            file.write(f"{trainer.step(*batch).item():.9g}\n")
    print(f"PyTorch {torch.__version__}: {steps} steps on {device}")


if __name__ == "__main__":
    main()
