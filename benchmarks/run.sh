#!/usr/bin/env bash
# Runs the benchmarks that this machine supports and writes their results to
# benchmarks/results/<machine>-<date>.{json,md}.
#
#   bash benchmarks/run.sh [--short|--full] [--python PYTHON] [--build DIR] [--out DIR]
#                          [--device cpu|cuda] [--list] [ITEM…]
#
# From a fresh clone: bash launch/install-deps.sh build data && cmake --preset cpu && cmake --build build.
#
# --short (the default) is a quick look of a few minutes, --full is for results to be reported; both
# require an idle machine. With ITEMs only these run, and the results of the day are assembled from
# all that ran on it (--out/.parts). PYTHON has a program to compare with:
# `bash benchmarks/deeptaxa_torch/install.sh FOLDER` installs one, FOLDER/bin/python; without it the
# comparisons are skipped. A benchmark that cannot run here prints the reason and is skipped.
#
# To add a benchmark, add a line below. The command is called with `--json FILE` and prints its
# table.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/.." && pwd)
mode=short build=$project/build python='' out=$here/results device='' list='' wanted=' '
while [ $# -gt 0 ]; do
    case $1 in
        --short | --full) mode=${1#--} ;;
        --list) list=yes ;;
        --python | --build | --out | --device)
            [ $# -ge 2 ] || { echo "run.sh: $1 what?" >&2; exit 2; }
            printf -v "${1#--}" '%s' "$2"
            shift
            ;;
        -*) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
        *) wanted+="$1 " ;;
    esac
    shift
done
[ -z "$python" ] || python=$(command -v "$python") || { echo "run.sh: no such Python" >&2; exit 2; }
if [ -z "$device" ]; then
    device=cpu
    nvidia-smi -L >/dev/null 2>&1 && [ -f "$build/bin/deeptaxa" ] &&
        ls "$build"/lib/*cuda*.so >/dev/null 2>&1 && device=cuda
fi
programs=$build/benchmarks
fast=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || fast=/dev/shm # where the disk does not count

# ---- what there is ------------------------------------------------------------------------------

# for_mode SHORT FULL
for_mode() { [ "$mode" = short ] && echo "$1" || echo "$2"; }
compare=(--build "$build" ${python:+--python "$python"})

items() {
    # item NAME cpu|cuda|any COMMAND…
    item train_step cpu "$programs/bench_train_step" --repeats "$(for_mode 1 5)"
    item train_step_v4 cpu "$programs/bench_train_step" --tokens 50 60 --batch 64 --repeats "$(for_mode 1 5)"
    item gpu_step cuda bash "$here/gpu_step.sh" --build "$build"
    item evaluation any "$programs/bench_evaluation" --device "$device" --sequences "$(for_mode 16 128)"
    item epoch_full cpu bash "$here/epoch.sh" "${compare[@]}" --region full --steps "$(for_mode 2 4)"
    item epoch_v4 cpu bash "$here/epoch.sh" "${compare[@]}" --region v4 --steps "$(for_mode 2 4)"
    item predict_full any bash "$here/predict.sh" "${compare[@]}" --region full --sequences "$(for_mode 16 64)"
    item predict_v4 any bash "$here/predict.sh" "${compare[@]}" --region v4 --sequences "$(for_mode 16 64)"
    item startup any bash "$here/startup.sh" "${compare[@]}" --repeats "$(for_mode 1 5)"
    item memory any bash "$here/memory.sh" --build "$build" --batch "$(for_mode 8 64)"
    item checkpoint any "$programs/bench_checkpoint" --device "$device" --folder "$fast" --repeats "$(for_mode 1 3)"
    item checkpoint_disk any "$programs/bench_checkpoint" --device "$device" --folder "${TMPDIR:-/tmp}" --repeats "$(for_mode 1 3)"
    item results any "$programs/bench_results" --folder "$fast" --repeats "$(for_mode 1 5)"
    item tokenize any bash "$here/tokenize.sh" --build "$build"
    item prepare any bash "$here/prepare.sh" --build "$build" --scale "$(for_mode 0.05 1)"
}

# ---- running ------------------------------------------------------------------------------------

machine() {
    if [ "$device" = cuda ]; then
        nvidia-smi --query-gpu=name --format=csv,noheader | head -1
    else
        echo "$(sed -n 's/^model name[ \t]*: *//p' /proc/cpuinfo | head -1), $(nproc) cores"
    fi
}
name=$(machine | tr 'A-Z' 'a-z' | sed 's/[^a-z0-9][^a-z0-9]*/-/g; s/-$//')-$(date +%F)
parts=$out/.parts/$name
failed=0

item() {
    local item=$1 fits=$2 status=0
    shift 2
    [ "$fits" = any ] || [ "$fits" = "$device" ] || return 0
    [ "$wanted" = ' ' ] || [[ $wanted == *" $item "* ]] || return 0
    if [ -n "$list" ]; then
        printf '%-16s %s\n' "$item" "$*"
        return 0
    fi
    printf '\n== %s\n' "$item"
    local program=$1
    [ "$program" != bash ] || program=$2
    [ -e "$program" ] || { echo "SKIPPED: ${program#"$project/"} is not there"; return 0; }
    "$@" --json "$parts/$item.json.new" 2>&1 | tee "$parts/$item.new"
    status=${PIPESTATUS[0]}
    if [ "$status" -eq 0 ]; then
        mv "$parts/$item.json.new" "$parts/$item.json"
        printf '%s\n' "$*" | sed "s|$project/||g; s|$build|build|g; s|$python|PYTHON|g" >"$parts/$item.command"
        mv "$parts/$item.new" "$parts/$item.txt"
        git -C "$project" describe --always --dirty >"$parts/$item.commit" 2>/dev/null ||
            echo unknown >"$parts/$item.commit"
        return 0
    fi
    rm -f "$parts/$item.json.new" "$parts/$item.new"
    [ "$status" -eq 77 ] || { echo "run.sh: $item failed with status $status" >&2; failed=1; }
}

together() {
    local between=''
    {
        printf '{"machine": "%s", "date": "%s", "items": {' "$(machine)" "$(date +%F)"
        for part in "$parts"/*.json; do
            item=$(basename "$part" .json)
            printf '%s\n"%s": {"command": "%s", "commit": "%s", "found":\n' "$between" "$item" \
                "$(sed 's/["\\]/\\&/g' "$parts/$item.command")" "$(cat "$parts/$item.commit")"
            cat "$part"
            printf '}'
            between=,
        done
        printf '\n}}\n'
    } >"$out/$name.json"
    {
        printf '# %s, %s\n\n' "$(machine)" "$(date +%F)"
        printf 'Written by `bash benchmarks/run.sh`.\n'
        for part in "$parts"/*.json; do
            item=$(basename "$part" .json)
            printf '\n## %s\n\n    %s\n\nCommit %s.\n\n```\n' "$item" \
                "$(cat "$parts/$item.command")" "$(cat "$parts/$item.commit")"
            cat "$parts/$item.txt"
            printf '```\n'
        done
    } >"$out/$name.md"
    printf '\n%s\n%s\n' "$out/$name.json" "$out/$name.md"
}

[ -n "$list" ] || mkdir -p "$parts"
items
[ -n "$list" ] && exit
ls "$parts"/*.json >/dev/null 2>&1 || { echo "run.sh: nothing ran" >&2; exit 1; }
together
exit "$failed"
