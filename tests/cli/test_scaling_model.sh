#!/usr/bin/env bash
# benchmarks/bench_scaling_model: three batches on 1 to 1,024 GPUs, in the model of kernels and sums.
source "$(dirname "$0")/lib.sh"
folder=$project/benchmarks

# forecast NAME MACHINE NETWORK FLAGS...: the tables, as lines "table GPUs share steps ms epoch
# efficiency limit"
forecast() {
    expect 0 "$bin/../benchmarks/bench_scaling_model" --machine "$folder/machines/$2.json" \
        --network "$folder/networks/$3.json" "${@:4}"
    printed '^Modelled, not measured: '
    awk -F ' *[|] *' '/^Modelled: / { table++ } /^[|] [0-9]+ [|] [0-9]/ {
        gsub(/ /, "_", $8); print table, $2, $3, $4, $5, $6, $7, $8 }' "$work/out" >"$1"
}
# holds WHAT ROWS CONDITION FILE: the condition holds for all these rows, of which there is one
holds() {
    awk "$2 { found = 1; if (!($3)) bad = 1 } END { exit bad || !found }" "$4" || fail "$1"
}

forecast ib h100 infiniband
forecast ether h100 ethernet
same "rows" "$(cut -d ' ' -f 1 ib | sort | uniq -c | awk '{print $1}' | tr '\n' ' ')" "7 11 11 "
holds "64 in all" '$1 == 1' '$2 * $3 == 64 && $4 == 3467' ib
holds "64 on each" '$1 == 2' '$3 == 64' ib
holds "at most the epoch" '$1 == 3' '$2 * ($3 - 1) < 221868' ib
holds "one GPU is the measure" '$2 == 1' '$7 == 1 && $8 == "computing"' ib
holds "a limit where efficiency is lost" '1' '($7 >= 0.9) == ($8 == "computing")' ether
holds "ranks starve" '$1 == 1 && $2 == 8' '$7 < 0.7 && $8 ~ /too_few_sequences/' ib
holds "but not with 64 each" '$1 == 2 && $2 == 8' '$7 > 0.9' ib
holds "Ethernet limits beyond a node" '$1 == 2 && $2 > 8' '$7 < 0.5 && $8 == "sums_between_nodes"' ether
same "within a node the network does not matter" "$(awk '$2 <= 8' ib)" "$(awk '$2 <= 8' ether)"
# half the bytes take half as long
forecast half h100 ethernet --gradient-bytes 2
join -j 1 <(awk '{print $1 "_" $2, $5}' ether | sort) <(awk '{print $1 "_" $2, $5}' half | sort) >both
awk '$1 == "2_64" { exit !($3 < 0.7 * $2) }' both || fail "gradients in bf16"
# a GPU with more memory fits more; a slow bus within the node limits
forecast h200 h200 infiniband
[ "$(awk '$1 == 3 && $2 == 1 {print $3}' h200)" -gt "$(awk '$1 == 3 && $2 == 1 {print $3}' ib)" ] ||
    fail "the H200's memory"
forecast a40 a40 infiniband
holds "PCIe limits 64 in all" '$1 == 1 && $2 == 8' '$8 == "sums_inside_a_node"' a40

# beyond a node only hops are added to sums that its bus limits
forecast short a40 infiniband --tokens 3 3
awk '$1 == 2 { ms[$2] = $5 } END { d = ms[16] - ms[8]; exit !(ms[8] > 25 && d > 0 && d < 0.2) }' short ||
    fail "two nodes instead of one: $(grep '^2 \(8\|16\) ' short)"

# What else could be sent: rows of the embeddings that a batch touches, and shares of the moments
traffic() {
    expect 0 "$bin/../benchmarks/bench_scaling_model" --machine "$folder/machines/h100.json" \
        --network "$folder/networks/$1.json" --table traffic "${@:2}"
    sed -n 's/^| \([0-9]\)/\1/p' "$work/out" | tr -d '|%' >traffic
}
traffic infiniband
holds "rows save little over InfiniBand" '1' '$5 <= 0 && $5 > -2 && $6 <= $5' traffic
holds "a share of the moments costs less than a step in 50" '1' '$7 > 0 && $7 < 2' traffic
traffic ethernet --node-gpus 1
holds "rows save more the fewer there are" '$1 == 2' '$5 < -4 && $4 > 0.48 && $4 < 0.50' traffic
holds "parameters over a slow network" '1' '$7 == 0 && $8 > 40' traffic

sed '/"node_gbs"/,/}/s/"source"/"from"/' "$folder/networks/ethernet.json" >bad.json
refused 1 'bad.json: node_gbs needs a positive value and a source' \
    "$bin/../benchmarks/bench_scaling_model" --machine "$folder/machines/h100.json" --network bad.json
expect 2 "$bin/../benchmarks/bench_scaling_model" --machine "$folder/machines/h100.json"
said '^usage: '
finish
