# shellcheck shell=bash disable=SC2154 # variables of lib.sh
# What a launcher of an MPI library must do for the programs. After lib.sh, make_gold and make_tokenizer:
#
#     launcher_trains mpiexec -n 3                3 ranks train what one process trains
#     launcher_stops mpiexec -n 3                 SIGUSR1 to the launcher: saved, status 75
#     launcher_ends mpiexec -n 3                  an error that one rank finds ends all, status 1
#
# Each fails the test with what went wrong.
launched_flags="--fasta-file data/train.fasta --taxonomy-file data/train.tsv --tokenizer-file tokenizer.json
    $small_model --batch-size 6 --learning-rate 1e-2 --threads 1 --val-split 0.2"

# launched FOLDER EPOCHS [LAUNCHER...]
launched() {
    local folder=$1 epochs=$2
    shift 2
    # shellcheck disable=SC2086
    "$@" "$bin/deeptaxa-train" $launched_flags --output-dir "$folder" --epochs "$epochs"
}

launcher_trains() {
    local key
    [ -d alone ] || expect 0 launched alone 2 || return
    rm -rf together
    expect 0 timeout -k 5 60 "$@" "$bin/deeptaxa-train" ${launched_flags:?} --output-dir together --epochs 2 || return
    same "ranks of $*" "$(metric together 2 world_size)" 3
    for key in training_loss validation_loss; do
        near "$key of $*" "$(metric together 2 $key)" "$(metric alone 2 $key)" 1e-5
    done
}

launcher_stops() {
    local pid status=0
    rm -rf stopped
    "$@" "$bin/deeptaxa-train" ${launched_flags:?} --output-dir stopped --epochs 2000 --eval-every 2000 \
        >out 2>err </dev/null &
    pid=$!
    until_there 'stopped/checkpoints/*_epoch1.h5'
    kill -USR1 "$pid"
    wait "$pid" || status=$?
    same "status after SIGUSR1 to $*" "$status" 75 || cat err >&2
}

launcher_ends() {
    awk '/^>/ {n++} n == 40 && !/^>/ {print "----"; next} {print}' data/train.fasta >empty.fasta
    rm -rf ended
    expect 1 timeout -k 5 60 "$@" "$bin/deeptaxa-train" ${launched_flags:?} --fasta-file empty.fasta --output-dir ended
    same "lines of '$*'" "$(grep -acE '^(deeptaxa train:|rank [0-9])' err)" 1
    said '^deeptaxa train: (rank [0-9]+ on [^ ]+: )?empty.fasta: line [0-9]+: .* gap characters only'
    if [ -e ended ]; then fail "a refused run wrote something"; fi
}
