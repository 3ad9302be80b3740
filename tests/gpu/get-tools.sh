#!/usr/bin/env bash
# Brings from PyPI into build-tools/ what a CUDA toolkit may lack: cuobjdump with nvdisasm, for
# tests/gpu_code.sh, and the headers of cuDNN's frontend, for cuda/cudnn_plan.cpp. Nothing is done
# without nvcc; what cannot be had is reported by whoever needs it.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=build-tools

# bring FILE PACKAGE...: installs the packages unless FILE is there
bring() {
    if compgen -G "$tools/$1" >/dev/null; then return; fi
    PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
        python3 -m pip install --quiet --no-deps --upgrade --target "$tools" "${@:2}" || true
}

command -v nvcc >/dev/null || exit 0
python3 -m pip --version >/dev/null 2>&1 || { echo "no pip: build-tools/ stays as it is"; exit 0; }
command -v cuobjdump >/dev/null || bring 'nvidia/*/bin/cuobjdump' nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm
bring include/cudnn_frontend.h nvidia-cudnn-frontend
