#!/usr/bin/env bash
# predict --precision bf16 on the CPU: compared with fp32, its messages, and when it is refused.
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer
expect 0 train_small run --epochs 4

# predict_in FOLDER FLAGS...
predict_in() {
    local folder=$1
    shift
    deeptaxa predict --checkpoint "$(checkpoint run 4)" --fasta-file data/train.fasta --tabular \
        --taxonomy-file data/train.tsv --device cpu --threads 2 --output-dir "$folder" "$@"
}
narrow=(--precision bf16)

# Refused in one line, with no output: what the CPU cannot compute, and what is missing
refused 2 'the CPU backend trains in fp32 only and supports bf16 for prediction: omit --precision' \
    train_small refused --device cpu "${narrow[@]}"
refused 2 'the CPU backend supports fp32 and bf16, not fp16' predict_in refused --precision fp16
without_gpu refused 1 \
    'this installation has no products in bf16 for the CPU \(libdeeptaxa_onednn.so\): omit --precision' \
    predict_in refused "${narrow[@]}"
[ -e refused ] && fail "a refused command wrote something"

expect 0 predict_in fp32
said '^Model: run .*, in fp32 on '
grep -q '"precision": "fp32"' fp32/metrics.json || fail "no fp32 in metrics.json"

deeptaxa predict --checkpoint "$(checkpoint run 4)" --fasta-file data/heldout.fasta --device cpu \
    --output-dir try "${narrow[@]}" >/dev/null 2>try.err || {
    grep -qE 'lacks avx512_bf16|has no products in bf16' try.err || fail "refused with: $(cat try.err)"
    [ "$failures" -eq 0 ] && skip "bf16 itself was not tested: $(cat try.err)"
    finish
}
DNNL_MAX_CPU_ISA=AVX512_CORE refused 1 "oneDNN does not use this processor's avx512_bf16 .*: omit --precision" \
    predict_in refused "${narrow[@]}"
# a machine from which oneDNN's library was removed: a module that needs a missing library
machine old
ln -s "$(cd "$bin/../lib" && pwd)/deeptaxa/libdeeptaxa_for_tests.so" old/lib/deeptaxa/libdeeptaxa_onednn.so
on_old() { local bin=$work/old/bin; "$@"; }
on_old refused 1 "module 'onednn' needs libdeeptaxa-gone.so, which was not found: install it" \
    predict_in refused "${narrow[@]}"
on_old expect 0 predict_in fp32_old
same "fp32 without the library" "$(cat fp32_old/*.tsv)" "$(cat fp32/*.tsv)"
[ -e refused ] && fail "a refused command wrote something"

expect 0 predict_in bf16 "${narrow[@]}"
said '^Model: run .*, in bf16 on .*, 2 threads \(.*; products in bf16: oneDNN '
grep -q '"precision": "bf16"' bf16/metrics.json || fail "no bf16 in metrics.json"
grep -q '"device": ".*products in bf16: oneDNN ' bf16/metrics.json || fail "metrics.json has another device"
expect 0 predict_in again "${narrow[@]}"
same "predictions of a second run" "$(cat again/*.tsv)" "$(cat bf16/*.tsv)"

# Confidences within 4 units of bf16, 2^-8; a label may differ where two are that close. Fewer
# than one confidence in ten has the same digits, which shows that the computation differs.
paste fp32/*.tsv bf16/*.tsv | awk -F '\t' '
    NR == 1 { for (i = 1; i <= NF / 2; ++i) if ($i ~ /[Cc]onfidence|[Ss]core|[Pp]robability/) score[i] = 1; next }
    { for (i in score) {
        d = $i - $(i + NF / 2); if (d < 0) d = -d
        ++cells; if (d > most) most = d; if (d == 0) ++equal
        if ($(i - 1) != $(i - 1 + NF / 2) && d > most_apart) most_apart = d
        if ($(i - 1) != $(i - 1 + NF / 2)) ++apart
    } }
    END { print cells + 0, most + 0, equal / cells, apart / cells }' >beside
read -r cells most equal apart <beside
echo "$cells confidences, largest difference $most, equal $equal, labels apart $apart"
[ "$cells" -gt 200 ] || fail "only $cells confidences"
awk -v m="$most" -v e="$equal" -v a="$apart" 'BEGIN { exit !(m <= 1.6e-2 && e <= 0.5 && a <= 0.02) }' ||
    fail "bf16 beside fp32: $(cat beside)"
finish
