#!/usr/bin/env bash
# train --tensorboard: its files are read by an independent reader, and by TensorBoard's own where there is
# one (python3 -m pip install tensorboard; DEEPTAXA_TENSORBOARD names the Python that has it).
source "$(dirname "$0")/lib.sh"
make_gold 60
make_tokenizer
expect 0 train_small run --epochs 2 --tensorboard
expect 0 train_small plain --epochs 2
[ -e plain/tensorboard ] && fail "a file for TensorBoard without --tensorboard"
same_model "$(checkpoint run 2)" "$(checkpoint plain 2)"

cat >read.py <<'EOF'
"""Prints the events of a file: step, tag, value. Messages are decoded without their descriptions."""
import struct, sys

def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF

def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at

def fields(data):
    at, out = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            out[key >> 3], at = varint(data, at)
        else:
            size, at = {1: (8, at), 5: (4, at), 2: (0, at)}[key & 7]
            if key & 7 == 2:
                size, at = varint(data, at)
            assert at + size <= len(data)
            out[key >> 3], at = data[at:at + size], at + size
    return out

data = open(sys.argv[1], 'rb').read()
at = 0
while at < len(data):
    length, check = struct.unpack_from('<QI', data, at)
    assert check == crc(data[at:at + 8]), 'checksum of a length'
    record = data[at + 12:at + 12 + length]
    assert struct.unpack_from('<I', data, at + 12 + length)[0] == crc(record), 'checksum of a record'
    at += length + 16
    event = fields(record)
    assert 1.6e9 < struct.unpack('<d', event[1])[0] < 5e9
    if 3 in event:
        print('version', event[3].decode())
    elif 7 in event:
        print(event[2], 'session', fields(event[7]))
    else:
        value = fields(fields(event[5])[1])
        tag = value[1].decode()
        if 2 in value:
            print(event[2], tag, struct.unpack('<f', value[2])[0])
        else:
            print(event[2], tag, fields(value[8])[8].decode().count('\n'), 'lines')
EOF
events() { python3 read.py "$1"; }
file=$(echo run/tensorboard/events.out.tfevents.*)
events "$file" >said || fail "the file cannot be read"
same "first event" "$(head -n 1 said)" "version brain.Event:2"
grep -qE '^0 settings [0-9]{2} lines$' said || fail "no settings: $(grep settings said)"
value() { awk -v tag="$2" -v step="$1" '$1 == step && $2 == tag { printf "%.5g\n", $3 }' said; }
compared=0
for pair in loss/update=loss learning_rate=learning_rate gradient_norm=gradient_norm; do
    while read -r step number; do
        compared=$((compared + 1))
        same "${pair%=*} of update $step" "$(value "$step" "${pair%=*}")" "$(printf '%.5g' "$number")"
    done < <(sed -n "s/.*\"step\": \([0-9]*\),.*\"${pair#*=}\": \([^,]*\),.*/\1 \2/p" run/metrics/*_steps.jsonl)
done
[ "$compared" -ge 9 ] || fail "only $compared numbers of the steps were compared"
last=$(awk 'END { print $1 }' said)
same "validation loss" "$(value "$last" loss/validation)" "$(printf '%.5g' "$(metric run 2 validation_loss)")"
same "F1 score of species" "$(value "$last" f1_score/species)" \
    "$(printf '%.5g' "$(grep -oE '"f1_score": [0-9.e-]+' run/metrics/*_epoch2.json | tail -n 1 | sed 's/.*: //')")"
same "tags" "$(awk '$1 != "version" && $2 != "session" { print $2 }' said | sort -u | grep -c .)" $((8 + 2 + 4 * 7))

# A resumed run begins a session: TensorBoard drops what comes later in the older file
sleep 1 # whose name has the second
expect 0 train_small run --epochs 3 --tensorboard --resume "$(checkpoint run 1)"
newest=$(ls run/tensorboard/* | tail -n 1)
[ "$newest" != "$file" ] || fail "a resumed run replaced the file"
same "begin of the session" "$(events "$newest" | sed -n 2p)" "$((last / 2 + 1)) session {1: 1}"

python=${DEEPTAXA_TENSORBOARD:-python3}
if "$python" -c 'import tensorboard' 2>/dev/null; then
    "$python" - "$last" <<'EOF' 2>log || fail "TensorBoard's reader: $(tail -n 3 log)"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = EventAccumulator('run/tensorboard', size_guidance={'scalars': 0})
run.Reload()
last = int(sys.argv[1])
for tag in ('loss/validation', 'accuracy/genus', 'epoch'):
    steps = [event.step for event in run.Scalars(tag)]
    assert steps == [last // 2, last, last // 2 * 3], (tag, steps)
assert [event.value for event in run.Scalars('epoch')] == [1, 2, 3]
steps = [event.step for event in run.Scalars('learning_rate')]
assert steps == sorted(set(steps)), steps
text = run.Tensors('settings/text_summary' if 'settings/text_summary' in run.Tags()['tensors'] else 'settings')
assert b'    batch-size: 8' in text[0].tensor_proto.string_val[0].replace(b'      ', b'    ')
EOF
else
    echo "NOT CHECKED with TensorBoard's reader: $python has no tensorboard" >&2
fi
finish
