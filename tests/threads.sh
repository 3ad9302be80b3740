#!/usr/bin/env bash
# ThreadSanitizer (preset threads): the tests whose programs have several threads; a prediction and a
# training through the commands; and, where there is an MPI library, the tests of the thread that calls
# MPI, and preparing and training by two processes:
#
#   bash tests/threads.sh [ctest options]
#
# OpenMP has one thread (OMP_THREAD_LIMIT), because the sanitizer does not know libgomp's barriers;
# pools, readers, queues, writers and the threads of mpi/ have theirs. Ends with 1 if there is a report.
set -euo pipefail
cd "$(dirname "$0")/.."
build="build-threads"
generator=()
if [ ! -f $build/CMakeCache.txt ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
cmake --preset threads "${generator[@]}" >/dev/null
tests='core/core|core/log|io/container|data/stream|data/sequence_reader|data/dataset_build|eval/exports|predict/predictor|predict/queue|predict/temperature|train/ranks|train/checkpoint_writer'
mapfile -t targets < <(sed 's/^/test_/; s/|/\ntest_/g' <<<"$tests" | tr / _)
targets+=(dt_module_cpu dt_module_cpu64 dt_module_archive deeptaxa deeptaxa-train deeptaxa-predict deeptaxa-prepare)
mpiexec=$(sed -n 's/^MPIEXEC_EXECUTABLE:FILEPATH=//p' $build/CMakeCache.txt)
if [ -n "$mpiexec" ]; then
    tests+='|cluster/(host_[23]|gradients_(cpu|cpu64)_[23]|gradients_one_bucket|gradients_bf16_[24]|late|failures)'
    targets+=(dt_module_mpi ranks)
fi
cmake --build $build -j "$(nproc)" --target "${targets[@]}"

# Reports go to files: a rank that ends the run at once would lose its exit status.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_THREAD_LIMIT=1 DEEPTAXA_CPU_BUILD=cpu
export TSAN_OPTIONS="halt_on_error=0 exitcode=66 log_path=$work/report suppressions=$PWD/tests/tsan.supp"
status=0
ctest --test-dir $build --output-on-failure --no-tests=error -R "^($tests)\$" "$@" || status=1

# The commands: shards that are streamed, a checkpoint written during the training, a prediction.
bin=$PWD/$build/bin
fixtures=$PWD/tests/fixtures/formats
cd "$work"
input=(--fasta-file "$fixtures/train.fasta" --taxonomy-file "$fixtures/train.tsv" --tokenizer-file "$fixtures/tokenizer.json")
training=(--stream-data --epochs 2 --batch-size 4 --save-every-steps 2 --hidden-size 8 --num-attention-heads 2
    --num-hidden-layers 1 --intermediate-size 16 --embed-dim 8 --num-filters 8)
"$bin/deeptaxa" prepare "${input[@]}" --output-dir shards --sequences-per-shard 8 --threads 3 || status=1
"$bin/deeptaxa" train --data shards --output-dir run --threads 3 "${training[@]}" || status=1
"$bin/deeptaxa" predict --fasta-file "$fixtures/train.fasta" --checkpoint run --output-dir predicted \
    --tabular --threads 3 || status=1
if [ -n "$mpiexec" ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
    "$mpiexec" -n 2 "$bin/deeptaxa" prepare "${input[@]}" --output-dir shards-2 --sequences-per-shard 8 \
        --threads 3 || status=1
    "$bin/deeptaxa" train --ranks 2 --data shards-2 --output-dir run-2 --threads 3 "${training[@]}" || status=1
fi

for report in report.*; do
    [ -e "$report" ] || break
    cat "$report" >&2
    status=1
done
[ $status -ne 0 ] || echo "no report of ThreadSanitizer"
exit $status
