#!/usr/bin/env bash
# deeptaxa tune: trials are trained, reported, pruned, recorded when they fail, and continued when they or
# their worker end early; the best settings can be trained with. With a stand-in for Optuna
# (tests/cli/optuna_stub), and two trials with Optuna itself where Python has it.
source "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is missing: bash launch/install-deps.sh tests"
make_gold 60
make_tokenizer
expect 0 deeptaxa prepare --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --tokenizer-file tokenizer.json --output-dir shards
stub=$project/tests/cli/optuna_stub
small="--data shards --model-type cnn --num-filters 8 --embed-dim 16 --num-conv-layers 1 --max-length 64
    --batch-size 8 --threads 1 --lost-after 2"

# tune FOLDER FLAG...: a worker, with the stand-in
tune() {
    local folder=$1
    shift
    # shellcheck disable=SC2086
    PYTHONPATH=$stub deeptaxa tune $small --output-dir "$folder" "$@"
}

# states FOLDER: number, state and, in brackets, the trial that it continues, of all trials
states() {
    PYTHONPATH=$stub python3 -c 'import optuna, sys
for t in optuna.Study(sys.argv[1]).trials():
    print(t.number, t.state.name, *(f"({t.user_attrs[k]})" for k in ("continues",) if k in t.user_attrs), end="; ")' \
        "$(ls "$1"/deeptaxa_optuna_*.log)"
}

# ---- refused before anything is trained ------------------------------------------------------------
refused 1 'needs Python 3 with Optuna' env PATH="$work/none" "$bin/deeptaxa-tune" --model-type cnn
mkdir without && echo 'raise ImportError("No module named optuna")' >without/optuna.py
# shellcheck disable=SC2086
refused 1 '/python[^:]*: No module named optuna: install Optuna 4.0 or later for this Python' \
    env PYTHONPATH="$work/without" "$bin/deeptaxa" tune $small --output-dir none
refused 2 'num-filtres.*num-filters' tune none --num-filtres 8
refused 2 '--n-trials 0: must be at least 1' tune none --n-trials 0
refused 2 '--lost-after 0: must be greater' tune none --lost-after 0
refused 2 "^deeptaxa tune: --model-type: invalid choice: 'cnx'" tune none --model-type cnx
refused 1 'nowhere: cannot open' tune none --data nowhere
refused 2 'prepared with --encoding dnabert' deeptaxa tune --data shards --encoding onehot --model-type cnn \
    --output-dir none
refused 2 'a search needs --val-split greater than 0' tune none --val-split 0
refused 1 "^deeptaxa tune: /proc/none: No such file or directory$" tune /proc/none
compgen -G 'none/*' && fail "a refused search has begun"
cat >slow.sh <<END
touch checking
while [ -e checking ]; do sleep 0.05; done
exec $bin/deeptaxa "\$@"
END
# shellcheck disable=SC2086
DEEPTAXA="sh slow.sh" PYTHONPATH=$stub "$bin/deeptaxa-tune" $small --output-dir none 2>err &
until_there checking
kill -TERM $!
rm checking
wait $!
same "status of a search that is stopped before it begins" $? 75
said '^deeptaxa tune: stopped by SIGTERM: the same command continues$'
compgen -G 'none/*' && fail "a stopped search has begun"
expect 0 deeptaxa tune --version
printed '^DeepTaxa-MPI [0-9]'
expect 0 deeptaxa tune --help
printed '^  num-hidden-layers: 2 to 12; bert, hybridcnnbert$'
printed '^  kmer-size: 6 to 8; kmer$'
PYTHONPATH=$stub expect 0 deeptaxa tune --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --model-type kmer --output-dir=--bags --n-trials 1 --epochs 1 --threads 1
said '^best: .* --output-dir ./--bags/best$'
same "trials of a kmer model" "$(states ./--bags)" "0 COMPLETE; "
grep -q 'warning: without effect' ./--bags/trial_0/output.txt && fail "a kmer model gets flags of another type"
grep -q '"kmer_size": ' ./--bags/deeptaxa_best_params_kmer.json || fail "the k-mers' size was not searched"

# ---- trials: the first completes, one that is no better is pruned; the best settings ---------------
expect 0 tune t --n-trials 2 --epochs 12 --seed 7
same "trials" "$(states t)" "0 COMPLETE; 1 PRUNED; "
said '^trial 1 is pruned$'
said '^trials: 1 completed, 1 pruned$'
said "^best: trial 0, F1 $(printf %.4f "$(sed -n 's/.*"average_f1_score": \([0-9.]*\).*/\1/p' t/deeptaxa_best_params_cnn.json)"): "
compgen -G 't/trial_1/metrics/*_epoch12.json' >/dev/null && fail "a pruned trial was trained to the end"
grep -q '"hidden_dropout_prob": 0.3' t/deeptaxa_best_params_cnn.json || fail "dropout was not searched"
grep -q '"num_filters": 8,' t/deeptaxa_best_params_cnn.json || fail "a setting that was given was searched"
# there are enough; more on request
expect 0 tune t --n-trials 2 --epochs 12 --seed 7
same "trials of the same command" "$(states t)" "0 COMPLETE; 1 PRUNED; "
grep notice err && fail "a notice about the same flags"
expect 0 tune t --n-trials 3 --epochs 13 --seed 7 --eval-every 1 --storage t/deeptaxa_optuna_cnn.log
same "one more trial" "$(states t)" "0 COMPLETE; 1 PRUNED; 2 PRUNED; "
said '^notice: this study began with other flags: --epochs 12, now 13; --eval-every not given, now 1$'
# another study in the same folder; weights of other sizes
refused 1 '^deeptaxa tune: t: trial_0 belongs to another study: give another --output-dir$' tune t --model-type bert
refused 1 't: trial_0 belongs to another study' tune t --storage other.log
compgen -G 't/*bert*' && fail "a refused study was created"
expect 1 tune none --num-filters 16 --init-weights "$(checkpoint t/trial_0 12)"
said 'has other sizes: num-filters'
compgen -G 'none/*' && fail "a search with weights of other sizes has begun"

# ---- a worker is stopped, then one is killed: continued, with the same bits -------------------------
# interrupt SIGNAL PATTERN: signals a worker of k once there is such a file; returns its exit status
interrupt() {
    # shellcheck disable=SC2086
    PYTHONPATH=$stub "$bin/deeptaxa" tune $small --output-dir k --n-trials 1 --epochs 30 --seed 7 2>>k.log &
    until_there "$2"
    kill "$1" $!
    wait $! 2>/dev/null
}
interrupt -TERM 'k/trial_0/metrics/*_epoch2.json'
same "status of a stopped worker" $? 75
same "a stopped trial" "$(states k)" "0 FAIL; 1 WAITING (0); "
epoch=$(compgen -G 'k/trial_0/metrics/*_epoch*.json' | wc -l)
interrupt -KILL "k/trial_0/metrics/*_epoch$((epoch + 2)).json"
same "a killed worker's trial" "$(states k)" "0 FAIL; 1 RUNNING (0); "
pid=$(sed 's/.*pid //' k/trial_0/.deeptaxa.lock)
until_true 10 eval "! kill -0 $pid" && ! compgen -G 'k/trial_0/metrics/*_epoch30.json' >/dev/null ||
    fail "the training of a killed worker goes on"
expect 0 tune k --n-trials 1 --epochs 30 --seed 7
same "continued" "$(states k)" "0 FAIL; 1 FAIL (0); 2 COMPLETE (1); "
said '^trial 1 has lost its worker and is queued again$'
said '^trials: 1 completed$'
# the command of the last line trains with the best settings, without interruption
best=$(sed -n 's/^best: trial 2, F1 [0-9.]*: //p' err)
same "the best settings" "$best" \
    "deeptaxa train --config k/deeptaxa_best_params_cnn.json --data shards --threads 1 --output-dir k/best"
expect 0 eval "$best"
same_model "$(checkpoint k/best 30)" "$(checkpoint k/trial_0 30)"

# ---- two workers: both count the trials before either has begun one; it is trained once ---------------
export OPTUNA_STUB_DELAY=1
tune two --n-trials 1 --epochs 2 2>two.log &
expect 0 tune two --n-trials 1 --epochs 2
wait $! || fail "a worker ended with $?: $(cat two.log)"
unset OPTUNA_STUB_DELAY
same "trials of two workers" "$(states two)" "0 COMPLETE; 1 FAIL; "
[ -e two/trial_1 ] && fail "two workers trained more than was asked for"
# a study with trials, in the folder of another one that has more
refused 1 't: trial_2 belongs to another study' tune t --storage two/deeptaxa_optuna_cnn.log

# ---- what is searched -------------------------------------------------------------------------------
expect 0 env PYTHONPATH="$stub" "$bin/deeptaxa" tune --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --model-type cnn --encoding onehot --loss-type focal --num-filters 8 --num-conv-layers 1 --max-length 64 \
    --output-dir onehot --n-trials 1 --epochs 1 --threads 1
grep -q '"focal_gamma": 3.0' onehot/deeptaxa_best_params_cnn.json || fail "the focal loss was not searched"

# ---- a training that fails is recorded with its reason; the flags that it got ------------------------
cat >unlucky <<'END'
#!/bin/sh
echo "$*" >>flags
case "$*" in *dry-run*) exit 0 ;; esac
echo out of luck >&2
exit 1
END
chmod +x unlucky
expect 1 env DEEPTAXA="$work/unlucky" PYTHONPATH="$stub" "$bin/deeptaxa" tune --data shards --model-type hybridcnnbert \
    --seed 9 --num-filters=64 --output-dir f --n-trials 2
same "failed trials" "$(states f)" "0 FAIL; 1 FAIL; "
said '^trial 1 failed: out of luck$'
said 'no trial was completed.*a larger --n-trials or another --output-dir'
same "flags of a trial" "$(tail -n 1 flags)" "train --data=shards --model-type=hybridcnnbert --epochs=10 --seed=9 \
--encoding=dnabert --loss-type=cross_entropy --keep-checkpoints=1 --num-filters=64 \
--learning-rate=0.00022360679774997898 --batch-size=32 --hidden-dropout-prob=0.3 --optimizer-weight-decay=0.05 \
--max-length=384 --num-conv-layers=2 --embed-dim=640 --kernel-sizes=5,7 --hidden-size=960 --num-attention-heads=4 \
--intermediate-size=3840 --num-hidden-layers=7 --output-dir f/trial_1 --resume auto"

# ---- Optuna itself ------------------------------------------------------------------------------------
if python3 -c 'import importlib.util as u; raise SystemExit(u.find_spec("optuna") is None)'; then
    # shellcheck disable=SC2086
    expect 0 deeptaxa tune $small --output-dir real --n-trials 2 --epochs 2 --storage "sqlite:///$work/study.db"
    said '^trials: 2 completed$'
    expect 0 eval "$(sed -n 's/^best: [^:]*: //p' err) --dry-run"
else
    echo "left out: two trials with Optuna, which Python lacks" >&2
fi
finish
