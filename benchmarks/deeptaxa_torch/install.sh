#!/usr/bin/env bash
# Installs the published program, or what our version of it needs, into a folder of its own, for the
# benchmarks alone: nothing of this project needs it.
#
#   bash benchmarks/deeptaxa_torch/install.sh FOLDER [PYTHON]
#
# Takes deeptaxa-rrna, with PyTorch and all, from the Python package index: 6 GB on the disk. Where
# that fails, tokenizers alone beside the PyTorch that PYTHON (python3) has already. Then
# `run.sh --python FOLDER/bin/python` compares with it.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1 python=${2:-python3}

"$python" -m venv "$folder"
if "$folder/bin/pip" install deeptaxa-rrna; then
    "$folder/bin/python" "$(dirname "$0")/program.py" which
    exit
fi
echo "install.sh: deeptaxa-rrna cannot be installed: our version, then" >&2
"$python" -m venv --clear --system-site-packages "$folder"
"$folder/bin/pip" install tokenizers --no-deps
"$folder/bin/python" -c "import h5py, numpy, torch, tokenizers" ||
    { echo "install.sh: $python lacks h5py, numpy or torch" >&2; exit 1; }
"$folder/bin/python" "$(dirname "$0")/program.py" which
