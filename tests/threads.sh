#!/usr/bin/env bash
# The tests whose programs have several threads, and a prediction and a training through the commands,
# with ThreadSanitizer (preset threads):
#
#   bash tests/threads.sh [ctest options]
#
# OpenMP has one thread (OMP_THREAD_LIMIT), because the sanitizer does not know libgomp's barriers;
# pools, readers, queues and writers have theirs. Ends with 1 if there is a report.
set -euo pipefail
cd "$(dirname "$0")/.."
build="build-threads"
generator=()
if [ ! -f $build/CMakeCache.txt ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
cmake --preset threads "${generator[@]}" >/dev/null
tests='core/core|io/container|data/stream|data/sequence_reader|data/dataset_build|eval/exports|predict/predictor|predict/queue|predict/temperature|train/ranks|train/checkpoint_writer'
programs=$(sed 's/|/ test_/g; s/\//_/g' <<<"test_$tests")
# shellcheck disable=SC2086
cmake --build $build -j "$(nproc)" --target dt_module_cpu dt_module_archive deeptaxa deeptaxa-train deeptaxa-predict deeptaxa-prepare $programs
export OMP_THREAD_LIMIT=1 DEEPTAXA_CPU_BUILD=cpu TSAN_OPTIONS="halt_on_error=0 exitcode=66"
ctest --test-dir $build --output-on-failure --no-tests=error -R "^($tests)\$" "$@"

# The commands: shards that are streamed, a checkpoint written during the training, a prediction.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$PWD/$build/bin
fixtures=$PWD/tests/fixtures/formats
cd "$work"
small=(--hidden-size 8 --num-attention-heads 2 --num-hidden-layers 1 --intermediate-size 16 --embed-dim 8 --num-filters 8)
"$bin/deeptaxa" prepare --fasta-file "$fixtures/train.fasta" --taxonomy-file "$fixtures/train.tsv" \
    --tokenizer-file "$fixtures/tokenizer.json" --output-dir shards --sequences-per-shard 8 --threads 3
"$bin/deeptaxa" train --data shards --stream-data --output-dir run --epochs 2 --batch-size 4 \
    --save-every-steps 2 --threads 3 "${small[@]}"
"$bin/deeptaxa" predict --fasta-file "$fixtures/train.fasta" --checkpoint run --output-dir predicted \
    --tabular --threads 3
echo "no report of ThreadSanitizer"
