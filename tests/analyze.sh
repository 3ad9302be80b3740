#!/usr/bin/env bash
# gcc's -fanalyzer over the C files of src/, io/, cpu/, mpi/ and launch/:
#
#   bash tests/analyze.sh [BUILD]     a folder (build) that was built: its commands are repeated
#
# Prints each file and warning that docs/reliability.md does not explain, and ends with 1 if there is
# one; the paths that lead to all are in BUILD/analyze/. OpenMP is off: the analyzer takes the
# compiler's own variables of a sum for ones of ours. clang's analyzer is a part of clang-tidy, which
# tests/run.sh runs.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build}")
explained='io/hdf5_driver.c: leak of .file|io/torch_file.c: dereference of NULL .entry'
explained+='|src/data/dataset_build.c: leak of .<unknown>|src/options/option.c: dereference of NULL'
explained+='|src/predict/truth.c: dereference of NULL .at'
export LC_ALL=C # plain quotes

# analyze COMMAND: the compiler's command for one file
analyze() {
    local file=${1##* -c } name
    name=${file#"$PWD"/}
    cd "$build"
    eval "${1%% -o *} -O1 -fno-openmp -Wno-unknown-pragmas -fanalyzer -c $file -o /dev/null" \
        >"$build/analyze/${name//\//_}.txt" 2>&1 || echo "$name: not compiled"
    cd - >/dev/null
    sed -n "s|.*warning: \(.*\) \[-Wanalyzer.*|$name: \1|p" "$build/analyze/${name//\//_}.txt"
}
export -f analyze
export build

rm -rf "$build/analyze"
mkdir "$build/analyze"
# Each file once, although cpu/ is compiled several times.
found=$(sed -n 's/^ *"command": "\(.*\)",$/\1/p' "$build/compile_commands.json" | sed 's/\\"/"/g; s/\\\\/\\/g' |
    awk -v root="$PWD/" '{ file = substr($NF, length(root) + 1) }
        file ~ /^(src|io|cpu|mpi|launch)\/.*\.c$/ && !seen[file]++' | tr '\n' '\0' |
    xargs -0 -P "$(nproc)" -I COMMAND bash -c 'analyze "$1"' - COMMAND | grep -vE "^($explained)" || true)
[ -z "$found" ] || { sort -u <<<"$found"; exit 1; }
files=$(find "$build/analyze" -type f | wc -l)
echo "$files files, nothing that is not explained"
[ "$files" -gt 0 ]
