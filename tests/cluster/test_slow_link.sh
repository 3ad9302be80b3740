#!/usr/bin/env bash
# A network between two hosts that is slower than its kind should be: the run goes on with a warning.
# A rank that was started late is named.
# shellcheck disable=SC1091,SC2154,SC2086 # lib.sh, its variables; flags are words
source "$(dirname "$0")/../cli/lib.sh"
source "$project/tests/cluster/hosts.sh"
hosts_isolate "$@"
make_gold 25
make_tokenizer
hosts_start
export OMP_NUM_THREADS=1

# 4 MB of gradients, as much as a bucket
preflight="$bin/deeptaxa-train --fasta-file data/train.fasta --taxonomy-file data/train.tsv --threads 1
    --tokenizer-file tokenizer.json --output-dir run --device cpu ${small_model:?} --embed-dim 2048
    --num-filters 128 --preflight-only"
sums='^Sums: exact; 4.19 MB in [0-9.]+ ms \([0-9.]+ GB/s\) over the network \(.* on host[12]\)$'
expect 0 hosts_mpirun 2 bash -c "[ \$(hostname) = host1 ] || sleep 3.5; exec $(echo $preflight)"
printed "$sums"
milliseconds() { sed -n 's/^Sums: .* in \([0-9.]*\) ms.*/\1/p' out; }
undisturbed=$(milliseconds)
said '^notice: rank 1 on host2 was started last, [3-9]\.[0-9] s after rank 0 on host1$'

hosts_rate 50
expect 0 hosts_mpirun 2 $preflight
printed "$sums"
said '^warning: sums of gradients are slow: 4.19 MB take .* GB/s\), usual over the network \(.*\) are .* ms: see'
awk -v a="$undisturbed" -v b="$(milliseconds)" 'BEGIN { exit !(2 * a < b && b > 600) }' ||
    fail "$(milliseconds) ms for 4.19 MB at 50 Mb/s, $undisturbed ms without a limit"
grep -q 'was started last' err && fail "ranks that started together: one is late"
finish
