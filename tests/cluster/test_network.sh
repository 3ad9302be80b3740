#!/usr/bin/env bash
# Two hosts whose network delays and loses frames, whose clocks are a day apart, and whose checkpoints
# go to a slow file system; a rank is stopped for five seconds. The run waits for it, names it, and ends
# with the bits of an undisturbed run. network.sh, by hand, measures more such conditions.
# shellcheck disable=SC1091,SC2154,SC2086 # lib.sh, its variables; flags are words
source "$(dirname "$0")/../cli/lib.sh"
source "$project/tests/cluster/hosts.sh"
hosts_isolate "$@"
make_gold 60
make_tokenizer
hosts_start
hosts_line 1 0.5
export OMP_NUM_THREADS=1

flags="--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json
    ${small_model:?} --batch-size 8 --learning-rate 1e-3 --threads 1 --val-split 0.2 --epochs 4"
expect 0 on_host 1 env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -np 4 \
    --oversubscribe --bind-to none "$bin/deeptaxa" train $flags --output-dir undisturbed

# host2 is a day ahead; files of the run are slow on both
cat >host_program <<END
#!/bin/sh
[ "\$(hostname)" = host1 ] || export CLOCK_AHEAD=86400
SLOW_FOLDER=run/ SLOW_MS=10 SLOW_SYNC_MS=300 LD_PRELOAD=$bin/../lib/libother_host.so \
    exec "$bin/deeptaxa" "\$@"
END
chmod +x host_program
hosts_mpirun 4 ./host_program train $flags --save-every-steps 2 --output-dir run >out 2>err &
run=$!
until_there 'run/checkpoints/*_epoch1_step*.h5'
last=
for pid in $(host_processes 2); do
    grep -qzx OMPI_COMM_WORLD_RANK=3 "/proc/$pid/environ" 2>/dev/null && last=$pid
done
[ -n "$last" ] || fail "no rank 3 on host2"
kill -STOP "$last"
sleep 5
kill -CONT "$last"
wait "$run" || fail "exit status $?: $(cat err)"

said '^notice: waiting for rank 3 on host2 since [34] s \((a sum over the ranks|the sum of gradients|a broadcast|a gather)\)$'
said '^notice: rank 3 on host2 is back after [4-7] s$'
same "lines about late ranks" "$(grep -cE 'waiting for|is back' err)" 2
grep -q ' notice: waiting for rank 3 on host2' run/*.log || fail "nothing of it in the log"
same_model "$(checkpoint run 4)" "$(checkpoint undisturbed 4)"
same "metrics" "$(ls run/metrics/*epoch*.json | wc -l)" 4
finish
