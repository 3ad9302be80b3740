#!/usr/bin/env bash
# A file that a command reads is not written over, nor one of its outputs by another.
source "$(dirname "$0")/lib.sh"
make_gold 60
echo "a model" >model.h5
ln -s data/train.fasta link.fasta
cksum data/* model.h5 >before

# lost OPTION OTHER COMMAND...: refused before any work
lost() { refused 2 "--$1 .*: is also the file of --$2, which would be lost: name another file" "${@:3}"; }
lost output-file fasta-file deeptaxa tokenizer --fasta-file data/train.fasta --output-file data/train.fasta
lost output-file fasta-file deeptaxa tokenizer --fasta-file data/train.fasta --output-file link.fasta
lost output-file fasta-file deeptaxa extract --fasta-file data/train.fasta --region V4 --output-file ./data/train.fasta
lost output-taxonomy taxonomy-file deeptaxa extract --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --region V4 --output-file v4.fasta --output-taxonomy data/train.tsv
lost output-file output-taxonomy deeptaxa extract --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --region V4 --output-file v4.fasta --output-taxonomy v4.fasta
lost output-file taxonomy-file deeptaxa calibrate --checkpoint model.h5 --fasta-file data/heldout.fasta \
    --taxonomy-file data/heldout.tsv --output-file data/heldout.tsv
lost profile-trace fasta-file deeptaxa train --fasta-file data/train.fasta --taxonomy-file data/train.tsv \
    --output-dir run --profile-trace data/train.fasta
lost export-metrics checkpoint deeptaxa describe --checkpoint model.h5 --export-metrics model.h5
lost profile-trace checkpoint deeptaxa predict --checkpoint model.h5 --fasta-file data/heldout.fasta \
    --output-dir folder --profile-trace model.h5

# ... nor is a file in a folder that is read or written, which may not exist yet
mkdir run
echo run_1 >run/deeptaxa_uuid.txt
held() { refused 2 "--$1 .*: is one of the files of --$2, which would be lost: name another file" "${@:3}"; }
held output-file run deeptaxa report --run other run --output-file run/deeptaxa_uuid.txt
cd run || exit 1
held output-file run deeptaxa report --run . --output-file deeptaxa_uuid.txt
cd ..
held output-file run deeptaxa report --run "$PWD/run/" --output-file ./run/metrics/deeptaxa_run_1_epoch1.json
held output-file predictions deeptaxa report --predictions run --output-file run//../run/a_deeptaxa_predictions.json
held export-metrics checkpoint deeptaxa describe --checkpoint run --export-metrics run/deeptaxa_uuid.txt
held profile-trace output-dir deeptaxa predict --checkpoint model.h5 --fasta-file data/heldout.fasta \
    --output-dir folder --profile-trace folder/heldout_deeptaxa_predictions.json
held profile-trace output-dir deeptaxa predict --checkpoint model.h5 --fasta-file data/heldout.fasta \
    --profile-trace metrics.json
for name in train.log metrics/deeptaxa_run_1_steps.jsonl; do
    held profile-trace output-dir deeptaxa train --fasta-file data/train.fasta --output-dir folder/ \
        --profile-trace folder/$name
done
held profile-trace data deeptaxa train --data shards --output-dir folder --profile-trace shards/dataset.json
expect 1 deeptaxa predict --checkpoint model.h5 --fasta-file data/heldout.fasta \
    --profile-trace run/heldout_deeptaxa_predictions.json # of another folder
said 'model.h5: '
rm -r run
cksum data/* model.h5 | cmp - before || fail "an input was changed"
for made in run folder v4.fasta; do
    [ ! -e "$made" ] || fail "$made was written"
done

# Devices are none
expect 0 deeptaxa extract --fasta-file data/train.fasta --taxonomy-file data/train.tsv --region V4 \
    --output-file /dev/null --output-taxonomy /dev/null
finish
