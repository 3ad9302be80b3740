#!/usr/bin/env bash
# A new setting is a member of the run and a row of the table (src/run/settings.c): in a copy of the
# sources with one more of each, the command line, --help, --config, the checkpoint, the metrics,
# describe and the check of a resumed run support it.
source "$(dirname "$0")/lib.sh"
command -v cmake >/dev/null || skip "needs cmake"
make_gold 100
make_tokenizer

mkdir tree
cp -r "$project"/{CMakeLists.txt,cmake,src,io,cpu,launch,benchmarks,README.md,LICENSE,CHANGELOG.md} tree/
version=$(($(sed -n 's/^#define DT_CHECKPOINT_VERSION //p' "$project/src/run/checkpoint_format.h") + 1))
sed -i "s/^#define DT_CHECKPOINT_VERSION .*/#define DT_CHECKPOINT_VERSION $version/" \
    tree/src/run/checkpoint_format.h
sed -i 's/^    double val_split;/&\n    int32_t dummy_count;/' tree/src/run/run.h
sed -i 's/^const dt_setting dt_settings\[\] = {$/&\n    {.option = {.name = "dummy-count", INT32(settings.dummy_count), .value = "N",\n      .default_value = "3", .range = "[1, 9]", .json = "dummy_count", .help = "a dummy"},\n     SETTING("dummy_count", '"$version"'), .section = DT_SECTION_TRAINING},/' tree/src/run/settings.c
changed=$(diff -r "$project/src" tree/src | grep -c '^> ')
same "lines added" "$changed" 5 # the version is one of them

log=$work/build.log
{ cmake -S tree -B built -DCMAKE_BUILD_TYPE=None -DBUILD_TESTING=OFF -DDEEPTAXA_CUDA=OFF \
    -DDEEPTAXA_MPI=OFF &&
    cmake --build built -j 2 --target deeptaxa-train deeptaxa-describe dt_module_cpu deeptaxa; } \
    >"$log" 2>&1 || { fail "the copy does not build"; tail -n 20 "$log" >&2; finish; }
bin=$work/built/bin

expect 0 deeptaxa train --help
printed '--dummy-count N +a dummy \(default: 3\)'
expect 0 train_small run --epochs 1 --dummy-count 5
expect 0 deeptaxa describe --checkpoint "$(checkpoint run 1)" --export-metrics described.json
printed 'dummy-count: 5'
grep -q '"dummy_count": 5' described.json || fail "describe's JSON lacks it"
same "metrics" "$(metric run 1 dummy_count)" 5
refused 2 "dummy-count: '10' is not a whole number from 1 to 9" train_small bad --dummy-count 10
expect 0 train_small run --resume "$(checkpoint run 1)" --epochs 2
same "metrics of the resumed run" "$(metric run 2 dummy_count)" 5
refused 2 'dummy-count 6: the run to resume was started with 5' \
    train_small run --resume "$(checkpoint run 1)" --dummy-count 6
# A run with the default is written for programs that do not know the setting
expect 0 train_small usual --epochs 1
expect 0 "${DEEPTAXA_BIN:-$project/build/bin}/deeptaxa" describe --checkpoint "$(checkpoint usual 1)"
expect 1 "${DEEPTAXA_BIN:-$project/build/bin}/deeptaxa" describe --checkpoint "$(checkpoint run 1)"
echo '{"dummy_count": 7}' >seven.json
expect 0 deeptaxa train --config seven.json --print-config
printed '"dummy-count": 7'
finish
