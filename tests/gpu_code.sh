#!/usr/bin/env bash
# Checks the compiled form of the CUDA kernels, which needs nvcc's output but no GPU:
#
# - every kernel of a module: no spills (local memory), no generic loads or stores (which are slower
#   than shared and global ones), no atomics (sums must have a fixed order), fewer than 256
#   registers. Kernels named in `local` below index a small array on purpose.
# - the kernels of the table "Compiled kernels" in docs/gpu.md, compiled for each architecture of
#   the table: registers, and blocks that fit a multiprocessor, as the table states; ldmatrix and
#   tensor core instructions where the table says so. The table is printed with what was found.
#
#   bash tests/gpu_code.sh [MODULE.so]
#
# Needs cuobjdump, which comes with CUDA toolkits and as the PyPI package nvidia-cuda-cuobjdump:
# found in PATH or where tests/gpu/get-tools.sh puts it. Exit status 77 where it or nvcc is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
module=${1:-}
PATH=$PATH:$(echo "$PWD"/build-tools/nvidia/*/bin)
for tool in cuobjdump nvcc c++filt; do
    command -v "$tool" >/dev/null || { echo "SKIPPED: $tool is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

local='^(classify_kernel|pad_kernel|unpad_kernel)'

# code_of FILE: one line per kernel: name, registers, static shared memory, stack, then CLASS=COUNT
# of each class of instructions, all separated by tabs
code_of() {
    { cuobjdump -res-usage "$1" 2>/dev/null; cuobjdump -sass "$1"; } | awk '
        / Function _?[A-Za-z0-9_]+:$/ { f = $2; sub(/:$/, "", f) }
        /REG:[0-9]/ { gsub(/[A-Z]+:/, ""); use[f] = $1 "\t" $3 "\t" $2 }
        /Function : / { f = $3 }
        match($0, /\/\*[0-9a-f]+\*\/ +(@!?U?P[0-9T]+ +)?[A-Z][A-Z0-9]*/) {
            s = substr($0, RSTART, RLENGTH)
            sub(/.*[ \/]/, "", s)
            count[f "\t" s]++
        }
        END {
            for (k in count) { split(k, a, "\t"); classes[a[1]] = classes[a[1]] "\t" a[2] "=" count[k] }
            for (f in classes) print f "\t" use[f] classes[f]
        }' | c++filt | sed 's/^void //; s/(dt_[^\t]*\|([^\t]*)//' | sort
}

# ---- every kernel of the module -----------------------------------------------------------------

check_module() {
    code_of "$1" >"$work/module"
    awk -F '\t' -v local="$local" '
        function bad(what) { print "FAILED: " $1 ": " what; failed = 1 }
        {
            kernels++
            for (i = 5; i <= NF; i++) {
                split($i, part, "=")
                if (part[1] ~ /^(LDL|STL)$/ && $1 !~ local) bad(part[2] " accesses of local memory: registers are spilled (" $i ")")
                if (part[1] ~ /^(LD|ST)$/) bad(part[2] " generic accesses (" $i ")")
                if (part[1] ~ /^(ATOM|ATOMG|ATOMS|RED|REDUX?G?)$/ && part[1] != "REDUX") bad("atomics (" $i ")")
            }
            if ($2 > 255) bad($2 " registers")
        }
        END {
            if (kernels < 100) { print "FAILED: only " kernels + 0 " kernels were found"; failed = 1 }
            print kernels + 0 " kernels in the module"
            exit failed
        }' "$work/module" || failures=$((failures + 1))
}

# ---- the table of docs/gpu.md -------------------------------------------------------------------

# The rows: | `kernel` | source | threads | dynamic shared memory | registers | blocks per
# multiprocessor, one number per architecture | tensor or - |
table() {
    awk -F ' *\\| *' '
        /^## / { inside = /^## Compiled kernels/ }
        inside && $2 ~ /^`/ { gsub(/`/, "", $2); print $2 "\t" $3 "\t" $4 "\t" $5 "\t" $6 "\t" $7 "\t" $8 }
        inside && /sm_[0-9]/ && !n++ { s = $7; gsub(/[^0-9a-z_ \/]/, "", s); print "architectures\t" s }' docs/gpu.md
}

# What one multiprocessor has, by compute capability: warps, blocks, shared memory, shared memory of
# one block (CUDA C++ Programming Guide, "Technical Specifications per Compute Capability").
# Registers: 65536, given to a warp in units of 256; 1 KB of shared memory is reserved per block.
check_table() {
    local architectures sources source arch
    table >"$work/table"
    architectures=$(awk -F '\t' '$1 == "architectures" { gsub(/[^0-9a ]/, " ", $2); print $2 }' "$work/table")
    sources=$(awk -F '\t' '$1 != "architectures" { print $2 }' "$work/table" | sort -u)
    [ -n "$sources" ] || { echo "FAILED: docs/gpu.md has no table of compiled kernels"; failures=$((failures + 1)); return; }
    # shellcheck disable=SC2016 # of the inner bash
    for arch in $architectures; do
        for source in $sources; do echo "$arch $source"; done
    done | xargs -P "$(nproc)" -L 1 bash -c 'nvcc -std=c++17 -O3 -arch="sm_$1" -cubin -I. -Isrc \
        -Wno-deprecated-gpu-targets "$2" -o "$0/$(basename "$2").$1.cubin"' "$work"
    for source in "$work"/*.cubin; do
        arch=${source%.cubin}
        code_of "$source" | sed "s/^/${arch##*.}\t/" >>"$work/code"
    done
    awk -F '\t' -v architectures="$architectures" '
        function min(a, b) { return a < b ? a : b }
        function limits(arch,    v) { # warps, blocks, shared memory, of one block
            v = arch + 0
            return v == 80 ? "64 32 164 163" : v == 86 ? "48 16 100 99" : v == 89 ? "48 24 100 99" \
                 : v < 120 ? "64 32 228 227" : "48 24 100 99"
        }
        function blocks(arch, threads, registers, shared,    l, warps, n) {
            split(limits(arch), l, " ")
            warps = int((threads + 31) / 32)
            if (shared > l[4] * 1024) return 0
            n = min(l[2], int(l[1] / warps))
            n = min(n, int(int(65536 / (int((registers * 32 + 255) / 256) * 256)) / warps))
            return min(n, int(l[3] * 1024 / (int((shared + 127) / 128) * 128 + 1024)))
        }
        function bad(what) { print "FAILED: " what; failed = 1 }
        FNR == NR { # the code: architecture, kernel, registers, static, stack, classes
            key = $1 "\t" $2
            registers[key] = $3
            static_[key] = $4 - ($1 + 0 >= 90 ? 1024 : 0) # from 9.0 on the reserved 1 KB is included
            if (static_[key] < 0) static_[key] = 0
            for (i = 6; i <= NF; i++) { split($i, part, "="); count[key "\t" part[1]] = part[2] }
            next
        }
        $1 == "architectures" { next }
        {
            n = split(architectures, arch, " ")
            split($6, least, "/")
            for (a = 1; a <= n; a++) {
                key = arch[a] "\t" $1
                where = $1 " for sm_" arch[a] ": "
                if (!(key in registers)) { bad(where "not found in " $2); continue }
                fit = blocks(arch[a], $3, registers[key], $4 + static_[key])
                printf "%-52s sm_%-4s %3d registers, %6d bytes shared, %2d blocks;", $1, arch[a], registers[key], $4 + static_[key], fit
                m = split("LDSM HMMA LDGSTS LDG STG LDS STS MUFU LDL STL LD ST", class, " ")
                for (i = 1; i <= m; i++) if (count[key "\t" class[i]]) printf " %s %d", class[i], count[key "\t" class[i]]
                print ""
                if (registers[key] > $5) bad(where registers[key] " registers, more than the " $5 " of docs/gpu.md")
                if (fit < least[a]) bad(where fit " blocks fit, fewer than the " least[a] " of docs/gpu.md")
                if (count[key "\tLDL"] + count[key "\tSTL"]) bad(where "registers are spilled")
                if (count[key "\tLD"] + count[key "\tST"]) bad(where "generic accesses")
                if ($7 == "tensor" && (!count[key "\tLDSM"] || !count[key "\tHMMA"])) bad(where "no ldmatrix or no tensor core instructions")
            }
        }
        END { exit failed }' "$work/code" "$work/table" || failures=$((failures + 1))
}

[ -z "$module" ] || check_module "$module"
check_table
[ "$failures" -eq 0 ] || exit 1
echo "the compiled kernels are as docs/gpu.md states"
