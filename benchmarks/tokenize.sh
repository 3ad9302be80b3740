#!/usr/bin/env bash
# How fast are sequences tokenised, compared with Hugging Face's `tokenizers`? The library is
# installed into a temporary folder; if that fails, a notice is printed and only our tokenizer is
# measured.
#
#     bash benchmarks/tokenize.sh [--build DIR] [--tokenizer FILE] [arguments of bench_tokenize]
#
# The default tokenizer is $DEEPTAXA_TOKENIZER or share/deeptaxa/tokenizer.json
# (launch/get-tokenizer.sh). The machine should be idle.
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
build=$project/build tokenizer=${DEEPTAXA_TOKENIZER:-$project/share/deeptaxa/tokenizer.json}
fasta=${DEEPTAXA_GOLD_FASTA:-/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta}
passed=()
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=$(cd "$2" && pwd) ;;
        --tokenizer) tokenizer=$2 ;;
        --fasta) fasta=$2 ;;
        --repeats | --threads | --json) passed+=("$1" "$2") ;;
        *) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
[ -r "$tokenizer" ] || { echo "tokenize.sh: no tokenizer $tokenizer: bash launch/get-tokenizer.sh" >&2; exit 77; }
[ -r "$fasta" ] || { echo "tokenize.sh: $fasta is missing: apt-get install microbiomeutil-data" >&2; exit 77; }
[ -x "$build/benchmarks/bench_tokenize" ] || { echo "tokenize.sh: build the project first" >&2; exit 1; }

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
if python3 -c 'import tokenizers' 2>/dev/null; then
    python=python3
elif python3 -m venv "$venv" >"$venv.log" 2>&1 &&
    "$venv/bin/pip" install -q --disable-pip-version-check tokenizers >>"$venv.log" 2>&1; then
    python=$venv/bin/python
else
    echo "not compared: Hugging Face's tokenizers cannot be installed: $(tail -n 1 "$venv.log")"
    python=
fi
rm -f "$venv.log"
[ -z "$python" ] || passed+=(--beside "exec '$python' '$project/benchmarks/tokenize_hf.py' '$tokenizer' '$fasta'")
"$build/benchmarks/bench_tokenize" --tokenizer "$tokenizer" --fasta "$fasta" "${passed[@]}"
