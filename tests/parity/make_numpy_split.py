"""Writes numpy_split.txt: what NumPy's legacy generator and Python's arithmetic give.

    python tests/parity/make_numpy_split.py > tests/parity/numpy_split.txt

Lines: "draws SEED words..."          the first 32-bit words after np.random.seed(SEED)
       "order SEED N indices..."      0 ... N-1 after np.random.shuffle
       "hash SEED N FNV1A"            the same for large N, as a 64-bit FNV-1a hash over the indices
                                      (each as 8 bytes, low byte first)
       "count N VAL_SPLIT TRAINING"   int(N * (1 - VAL_SPLIT)); VAL_SPLIT as a C hexadecimal double
"""
import numpy as np


def fnv1a(indices):
    value = 0xCBF29CE484222325
    for byte in np.asarray(indices, dtype="<i8").tobytes():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def shuffled(seed, count):
    np.random.seed(seed)
    indices = np.arange(count)
    np.random.shuffle(indices)
    return indices


for seed in (0, 42, 4294967295):
    np.random.seed(seed)
    words = np.random.randint(0, 2**32, size=8, dtype=np.uint32)
    print("draws", seed, *words)
for seed, count in ((42, 1), (42, 2), (42, 3), (0, 10), (7, 64), (42, 65), (4294967295, 100)):
    print("order", seed, count, *shuffled(seed, count))
for seed, count in ((42, 5181), (42, 65536), (42, 65537), (1, 277336), (42, 277336)):
    print("hash", seed, count, f"{fnv1a(shuffled(seed, count)):016x}")
for share in (0.2, 0.1, 0.3, 0.7, 0.9, 0.15, 1 / 3, 0.0, 0.25):
    for count in (3, 10, 30, 70, 90, 100, 1000, 5181, 277336, 1000000):
        if int(count * (1 - share)) > 0:
            print("count", count, float(share).hex(), int(count * (1 - share)))
