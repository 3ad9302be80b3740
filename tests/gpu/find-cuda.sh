#!/usr/bin/env bash
# Prints what LD_LIBRARY_PATH needs so that NVIDIA's libraries are found: nothing where the system or
# LD_LIBRARY_PATH has them, else the folders of a CUDA toolkit or of the nvidia-* packages of the
# Python environment in use.
#
#   export LD_LIBRARY_PATH=$(bash find-cuda.sh)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
set -euo pipefail

# in_path LIBRARY: a folder of LD_LIBRARY_PATH or of the system has it
in_path() {
    local folder
    local IFS=:
    for folder in ${LD_LIBRARY_PATH:-}; do
        if [ -e "$folder/$1" ]; then return 0; fi
    done
    { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep "^[[:space:]]*$1 " >/dev/null
}

# Folders in which such libraries stand, best first.
candidates() {
    local cuda python
    for cuda in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /usr/local/cuda-1[23] /usr/local/cuda-1[23].*; do
        if [ -n "$cuda" ]; then printf '%s\n' "$cuda/lib64" "$cuda/targets/x86_64-linux/lib"; fi
    done
    printf '%s\n' /usr/local/nvidia/lib64 /usr/local/nvidia/lib # the driver's, in some containers
    python=$(command -v python3 || true)
    if [ -n "$python" ]; then
        "$python" - <<'END' 2>/dev/null || true
import glob, os, site, sys
places = site.getsitepackages() + [site.getusersitepackages()] + [p for p in sys.path if p]
for place in dict.fromkeys(places):
    for folder in sorted(glob.glob(os.path.join(place, "nvidia", "*", "lib"))):
        print(folder)
END
    fi
}

# The toolkit's version that the module was built with. MODULES: its folder, if not the archive's
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=${MODULES:-$here/../../../../lib/deeptaxa}/libdeeptaxa_cuda.so
version=$(grep -aoE -m 1 'libcublasLt\.so\.[0-9]+' "$module" 2>/dev/null | head -n 1) || true
version=${version##*.}
version=${version:-13}

folders=()
mapfile -t places < <(candidates)
for library in libcuda.so.1 "libcublasLt.so.$version" libcudnn.so.9 "libnvrtc.so.$version" libnccl.so.2; do
    if in_path "$library"; then continue; fi
    for place in "${places[@]}"; do
        if [ -e "$place/$library" ]; then
            case " ${folders[*]} " in *" $place "*) ;; *) folders+=("$place") ;; esac
            break
        fi
    done
done
(IFS=:; printf '%s\n' "${folders[*]}")
