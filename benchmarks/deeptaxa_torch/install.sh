#!/usr/bin/env bash
# Installs the published program, or the requirements of our version of it, in a separate folder.
# Only the benchmarks use it.
#
#   bash benchmarks/deeptaxa_torch/install.sh FOLDER [PYTHON]
#
# Installs deeptaxa-rrna and its dependencies, including PyTorch, from the Python package index (6
# GB on disk). If that fails, installs only tokenizers, next to the PyTorch of PYTHON (default
# python3). Then `run.sh --python FOLDER/bin/python` compares with it.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
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
