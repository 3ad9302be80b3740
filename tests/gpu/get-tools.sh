#!/usr/bin/env bash
# Brings cuobjdump (with nvdisasm), which tests/gpu_code.sh needs, from PyPI into FOLDER where no
# CUDA toolkit has it, and prints the path of the program; nothing is printed where it cannot be had.
#
#   CUOBJDUMP=$(bash tests/gpu/get-tools.sh FOLDER) bash tests/gpu_code.sh
set -euo pipefail
folder=${1:?FOLDER}

found() { command -v cuobjdump || find "$folder" -path '*/bin/cuobjdump' 2>/dev/null | grep -m 1 .; }

found && exit
if command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1; then
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --target "$folder" nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm >&2 || true
fi
found || true
