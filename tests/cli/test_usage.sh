#!/usr/bin/env bash
# Wrong command lines: one line, exit status 2, nothing read or written; and the help.
source "$(dirname "$0")/lib.sh"

# The front program
refused 2 '^deeptaxa: missing command' deeptaxa
refused 2 "unknown command 'trian': did you mean train\?" deeptaxa trian
refused 2 "unknown command 'gremlin': see .deeptaxa --help" deeptaxa gremlin
expect 0 deeptaxa --help
for command in train prepare extract predict report calibrate describe export convert tokenizer selftest; do printed "^  $command +[a-z]"; done
cp out help
expect 0 deeptaxa help
same "deeptaxa help" "$(cat out)" "$(cat help)"
expect 0 deeptaxa help train
printed '^Usage: deeptaxa train '
refused 2 "unknown command 'trian': did you mean train\?" deeptaxa help trian
expect 0 deeptaxa --version
printed '^DeepTaxa-MPI [0-9]+\.[0-9]+\.[0-9]+$'
printed '^modules: .*cpu'
printed '^commit: ([0-9a-f]{7,}(, with changes)?|unknown)$'
printed '^compiler: [A-Za-z]+ [0-9.]+, [A-Za-z]+$'
printed '^libraries: HDF5 [0-9.-]+, zlib [0-9.]+, jansson [0-9.]+, OpenMP [0-9.]+$'
[ -e "$bin/../lib/deeptaxa/libdeeptaxa_onednn.so" ] && printed '^oneDNN: [0-9]+\.[0-9]+\.[0-9]+$'
[ -e "$bin/../lib/deeptaxa/libdeeptaxa_mpi.so" ] && printed '^MPI: .*[0-9]'

# Every command whose work is written
for command in train prepare extract predict report calibrate describe export convert tokenizer selftest; do
    expect 0 deeptaxa "$command" --help
    printed "^Usage: deeptaxa $command "
    same "examples of $command" "$(sed '1,/^Examples$/d' out | grep -c '^  deeptaxa ')" 2
    expect 0 deeptaxa "$command" --version
    printed '^DeepTaxa-MPI '
    refused 2 "^deeptaxa $command: unknown option --hlep: did you mean --help\?$" \
        deeptaxa "$command" --hlep
    refused 2 "^deeptaxa $command: unexpected 'word': .* usage: deeptaxa $command (--|\\[opt)" deeptaxa "$command" word
    [ "$command" = selftest ] || # which needs no flag
        refused 2 "^deeptaxa $command: (missing --|nothing to do)" deeptaxa "$command"
done

# Refused before anything is read or written: the input does not exist, the output folder stays away
train=(deeptaxa train --fasta-file none.fna --taxonomy-file none.tsv --output-dir made)
refused 2 'unknown option --epochss: did you mean --epochs\?' "${train[@]}" --epochss 3
refused 2 '^deeptaxa train: --opt is ambiguous, it may be --optimizer-betas, ' "${train[@]}" --opt 3
expect 1 "${train[@]}" --epoch 3
said '^notice: --epoch is read as --epochs$'
refused 2 "^deeptaxa train: --epochs: '0' is not a whole number from 1 to" \
    "${train[@]}" --epochs 0
refused 2 "'many' is not a whole number" "${train[@]}" --batch-size many
refused 2 '--learning-rate: needs a value' "${train[@]}" --learning-rate
refused 2 "'1.5' is not a number of at least 0 and below 1" \
    "${train[@]}" --hidden-dropout-prob=1.5
refused 2 'multiple of --num-attention-heads' "${train[@]}" --hidden-size 100
refused 2 '--kernel-sizes 4: widths must be odd' "${train[@]}" --kernel-sizes 3,4
refused 2 '--focal-weight requires --loss-type focal' "${train[@]}" --focal-weight 1,1
refused 2 '--focal-weight cannot be combined with --class-weights' \
    "${train[@]}" --loss-type focal --focal-weight 1,1 --class-weights inverse
refused 2 "^deeptaxa train: --gpus cannot be combined with --ranks" "${train[@]}" --gpus 2 --ranks 2
refused 2 '--gpus 2 cannot be combined with --device cpu: use --ranks' "${train[@]}" --gpus 2 --device cpu
refused 2 "'tpu' is not one of auto, cpu, cuda" "${train[@]}" --device tpu
predict=(deeptaxa predict --fasta-file none.fna --checkpoint none.h5 --output-dir made)
refused 2 "'2' is not a number from 0 to 1" "${predict[@]}" --confidence-threshold 2
refused 2 "'colour' is not one of predicted, raw_score" "${predict[@]}" --tabular-fields colour
refused 2 "--tabular-fields: true is given twice" "${predict[@]}" --tabular-fields true,predicted true
refused 2 "'1e-300' is not a number from 1e-06 to 1000000" "${predict[@]}" --level-temperatures 1e-300
refused 2 "'qiime' is not one of deeptaxa, qiime2" "${predict[@]}" --format qiime
refused 2 '--vocabulary-size requires' deeptaxa tokenizer --encode ACGT --vocabulary-size 99
# what cannot be printed is no success
for request in --help --version "train --help" "describe --version"; do
    # shellcheck disable=SC2086
    { deeptaxa $request >/dev/full; } 2>err
    same "exit status of $request on a full disk" $? 1
    said ': cannot write to standard output$'
done
# the front program finds its siblings through a link too, and from any folder
ln -s "$bin/deeptaxa" linked
expect 0 ./linked tokenizer --help
[ -e made ] && fail "a refused command made the output folder"

finish
