#!/usr/bin/env bash
# --profile with several processes: rank 0's table with the spread over the ranks, one trace of all,
# and the same model.
source "$(dirname "$0")/../cli/lib.sh"
make_gold 40
make_tokenizer

# ranks FOLDER FLAGS...: trains with 3 processes
ranks() {
    local folder=$1
    shift
    # shellcheck disable=SC2086
    "$MPIEXEC" -n 3 "$bin/deeptaxa-train" --fasta-file data/train.fasta \
        --taxonomy-file data/train.tsv --output-dir "$folder" --tokenizer-file tokenizer.json \
        $small_model --batch-size 6 --threads 1 --val-split 0.2 --epochs 1 "$@"
}

expect 0 ranks plain
expect 0 ranks profiled --profile-trace trace.json
same_model "$(checkpoint plain 1)" "$(checkpoint profiled 1)"
same "tables" "$(grep -c '^Where the time went, on rank 0: ' err)" 1
same "lines about the trace" "$(grep -c '^Trace: trace.json' err)" 1
said '^category +calls +seconds +share +GFLOP/s +min +max$'
for part in 'waiting for gradient sums' 'communication between ranks' attention evaluation; do
    said "^$part +[0-9]+ +[0-9.]+ +[0-9.]+ %( +[0-9.]+)? +[0-9]+\.[0-9]{3} +[0-9]+\.[0-9]{3}\$"
done
for rank in 0 1 2; do
    grep -q "\"name\": \"process_name\", \"ph\": \"M\", \"pid\": $rank, .*\"rank $rank on " trace.json ||
        fail "rank $rank has no name in the trace"
    grep -qE "\"name\": \"waiting for gradient sums\".*\"ph\": \"X\".*\"pid\": $rank" trace.json ||
        fail "rank $rank does not wait in the trace"
done

# A place for the trace that rank 0 alone cannot write: all end, with one line
: >file
expect 1 ranks refused --profile-trace file/trace.json
same "lines of ours" "$(grep -cE '^(deeptaxa train|rank [0-9]+ on)' err)" 1
said 'file: is a file; a folder cannot be created there'
[ -e refused ] && fail "a refused run wrote something"

finish
