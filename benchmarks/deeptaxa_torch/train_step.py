"""Times training steps of the PyTorch model on request, alternately with gpu_step.

    python3 train_step.py --batch N --tokens LOW HIGH --device cuda|cpu --precision fp16|bf16|fp32
                          [--size default|small]

Prints "ready ..." after warming up. Then, for every line "N" on standard input, runs N steps and answers
with the mean seconds per step; exits at an empty line or the end of the input.
"""
import argparse
import random
import sys
import time

import torch

from model import Hybrid, Sizes, Trainer, padded

SMALL = Sizes(vocabulary=60, max_length=40, embed_dim=24, num_filters=8, hidden_size=128,
              num_hidden_layers=2, num_attention_heads=1, intermediate_size=96,
              classes=(2, 5, 8, 11, 14, 17, 20))
TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": None}


def make_batch(sizes, count, low, high, device):
    draw = random.Random(1)
    ids, lengths = padded([[1] + [draw.randrange(5, sizes.vocabulary)
                                  for _ in range(draw.randint(low, high) - 2)] + [2]
                           for _ in range(count)], sizes)
    labels = torch.tensor([[draw.randrange(n) for n in sizes.classes] for _ in range(count)])
    return ids.to(device), lengths.to(device), labels.to(device)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, nargs=2, default=(263, 367))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--precision", choices=TYPES, default="fp16")
    parser.add_argument("--size", choices=("default", "small"), default="default")
    o = parser.parse_args()
    if o.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this PyTorch finds no GPU")
    torch.manual_seed(42)
    sizes = Sizes() if o.size == "default" else SMALL
    trainer = Trainer(Hybrid(sizes).train(), o.device, TYPES[o.precision], total=1_000_000)
    batch = make_batch(sizes, o.batch, *o.tokens, o.device)

    def steps(count):
        """Seconds of one of `count` steps."""
        if o.device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(count):
            loss = trainer.step(*batch)
        loss.item()  # waits
        return (time.perf_counter() - began) / count

    steps(3)
    where = torch.cuda.get_device_name() if o.device == "cuda" else "CPU"
    print(f"ready PyTorch {torch.__version__}, {where}, {o.precision}, padded to "
          f"{sizes.max_length}", flush=True)
    for line in sys.stdin:
        if not line.strip():
            break
        print(f"{steps(int(line)):.9f}", flush=True)


if __name__ == "__main__":
    main()
