#!/usr/bin/env python3
"""Times Hugging Face's `tokenizers` on request, for bench_tokenize (beside.h).

    tokenize_hf.py TOKENIZER.json FASTA

Reads the sequences, prints "ready ..." with the number of tokens and their CRC-32 (16-bit little-endian
ids), then answers each line N with the mean seconds of N runs over all sequences, on one thread.
"""
import os
import sys
import time
import zlib

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402  (reads the environment when it is loaded)


def read(path):
    sequences, parts = [], []
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if line.startswith(">"):
                if parts:
                    sequences.append("".join(parts))
                parts = []
            else:
                parts.append(line.strip())
    sequences.append("".join(parts))
    # normalised as DeepTaxa-MPI does; outside the timed part
    return [s.upper().replace("U", "T").replace("-", "").replace(".", "") for s in sequences]


def main():
    tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
    sequences = read(sys.argv[2])
    tokens, check = 0, 0
    for encoding in tokenizer.encode_batch(sequences):
        tokens += len(encoding.ids)
        check = zlib.crc32(b"".join(i.to_bytes(2, "little") for i in encoding.ids), check)
    print(f"ready tokenizers {tokenizers.__version__} of Hugging Face, {tokens} tokens, "
          f"crc32 {check:08x}", flush=True)
    for line in sys.stdin:
        runs = int(line)
        began = time.perf_counter()
        for _ in range(runs):
            tokenizer.encode_batch(sequences)
        print((time.perf_counter() - began) / runs, flush=True)


main()
