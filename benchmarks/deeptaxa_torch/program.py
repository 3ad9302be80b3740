"""The program that the benchmarks compare with: the published one if this Python has the package
deeptaxa-rrna (install.sh), else our version of it.

    python3 program.py which               prints which one it is, with the version of PyTorch
    python3 program.py train|predict …     runs it with these flags

DEEPTAXA_BESIDE=own selects our version in any case.
"""
import importlib.util
import os
import sys


def published():
    return os.environ.get("DEEPTAXA_BESIDE") != "own" and importlib.util.find_spec("deeptaxa")


def which():
    import torch
    if published():
        from importlib.metadata import version
        name = f"DeepTaxa {version('deeptaxa-rrna')} as published"
    else:
        name = "our PyTorch version of DeepTaxa"
    print(f"{name}, PyTorch {torch.__version__}")


def main():
    if sys.argv[1:] == ["which"]:
        which()
    elif published():
        from deeptaxa.cli import main as run
        sys.argv[0] = "deeptaxa"
        run()
    else:
        name, arguments = sys.argv[1], sys.argv[2:]
        importlib.import_module({"train": "train", "predict": "predict"}[name]).main(arguments)


if __name__ == "__main__":
    main()
