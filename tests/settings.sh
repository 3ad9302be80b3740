#!/usr/bin/env bash
# A setting is written once: how many files of the product name one, counted for a few of them. It
# has its member (run.h), its row (settings.c) and at most two files that use it; the self-test has a
# rule of updates of its own, and DeepTaxa's files (torch_*.c) have keys of their own.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
for setting in early_stopping_min_delta val_split accum_steps focal_gamma max_grad_norm eval_every; do
  files=$(grep -rlwE --exclude-dir=selftest --exclude='torch_*.c' "$setting" src io cpu cuda mpi launch | sort | tr '\n' ' ')
  count=$(wc -w <<<"$files")
  echo "$setting: $count files: $files"
  if [ "$count" -lt 3 ] || [ "$count" -gt 4 ]; then
    echo "$setting: in $count files, where 3 or 4 are enough"
    bad=1
  fi
done
exit $bad
