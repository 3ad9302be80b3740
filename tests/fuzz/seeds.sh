#!/usr/bin/env bash
# Makes the seeds of the fuzz targets that are not text, and those that the tests have already, in a
# folder for each target: bash tests/fuzz/seeds.sh FOLDER
set -euo pipefail
to=${1:?folder}
here=$(cd "$(dirname "$0")" && pwd)
fixtures=$here/../fixtures
rm -rf "$to"
for source in "$here"/fuzz_*.c; do
    name=$(basename "$source" .c)
    mkdir -p "$to/${name#fuzz_}"
done

# use TARGET FILE …
use() { cp "${@:2}" "$to/$1/"; }

# plain GZIP_FILE TARGET …
plain() {
    local target
    for target in "${@:2}"; do
        gzip -dc "$1" >"$to/$target/$(basename "${1%.gz}")"
    done
}

for file in v1 v2_step v2_calibrated v2_arrays v3; do plain "$fixtures/formats/$file.h5.gz" checkpoint; done
for file in v2_step v3; do plain "$fixtures/formats/$file.h5.gz" container; done
use torch "$fixtures"/deeptaxa/{onehot,cnn,hybrid,resume}.pt
use tokenizer "$fixtures/deeptaxa/tokenizer.json"
use taxonomy "$fixtures/formats/train.tsv"
use config "$fixtures/formats/v2_calibrated.described.json"
head -c 700 "$fixtures/formats/train.fasta" >"$to/some"
for target in fasta headers unpack; do use "$target" "$to/some"; done
tar -xzOf "$fixtures/formats/shards_v1.tar.gz" shards_v1/dataset.json >"$to/dataset.json"
use dataset_json "$to/dataset.json"
printf 'an intact shard takes the place of this' >"$to/shards/none"

# of each compressed format whose program is there
printf '>a\nACGT\n>b\nTTGA\n' >"$to/small"
gzip -nc "$to/small" >"$to/unpack/small.gz"
cat "$to/unpack/small.gz" "$to/unpack/small.gz" >"$to/unpack/twice.gz"
for program in bzip2 xz zstd; do
    if command -v "$program" >/dev/null; then "$program" -c "$to/small" >"$to/unpack/small.$program"; fi
done
if command -v zip >/dev/null; then (cd "$to" && zip -Xq unpack/small.zip small); fi
rm "$to/some" "$to/small" "$to/dataset.json"
touch "$to/made"
