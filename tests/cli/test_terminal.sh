#!/usr/bin/env bash
# On a terminal: the progress line is never wider than it, also when that changes; it says how long the
# run takes yet, and in prediction how much of the input is done.
source "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3: apt-get install python3"
awk 'BEGIN { srand(5); print "sequence_id\tdomain\tgenus" >"t.tsv"
    for (i = 0; i < 3000; ++i) {
        s = ""; for (j = 0; j < 90; ++j) s = s substr("ACGT", 1 + int(rand() * 4), 1)
        print ">s" i "\n" s >"t.fasta"; print "s" i "\tA\tg" i % 4 >"t.tsv" } }'
expect 0 deeptaxa tokenizer --fasta-file t.fasta --output-file tokenizer.json --vocabulary-size 60

# on_terminal COLUMNS LATER COMMAND...: its terminal's output in $work/screen, one drawing a line;
# after the first drawing the terminal has LATER columns.
cat >terminal.py <<'END'
import fcntl, os, pty, struct, sys, termios
columns, later, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
def resize(fd, width):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    resize(0, columns)
    os.execv(command[0], command)
seen, drawn = b"", 0
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    seen += got
    if not drawn and b"\x1b[K" in seen:
        resize(fd, later)
        drawn = len(seen)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def lines(part):
    return [l.split("\n")[0] for l in part.decode().replace("\r\n", "\n").split("\r\x1b[K")[1:]]
with open("screen", "w") as out:
    for line in lines(seen[:drawn]):
        print(columns, line, file=out)
    for line in lines(seen[drawn:])[1:]:  # the first may have been drawn for the width before
        print(later, line, file=out)
sys.exit(status)
END
on_terminal() {
    expect 0 python3 terminal.py "$@" || return 1
    awk '$1 > 0 && $1 < length($0) - length($1) { print; bad = 1 } END { exit bad }' screen >wide ||
        fail "wider than the terminal: $(head -n 3 wide)"
    grep -q ' [a-z]' screen || fail "no progress was shown: $*"
}

model="--embed-dim 96 --hidden-size 96 --num-hidden-layers 2 --num-attention-heads 2
    --intermediate-size 192 --num-filters 32 --max-length 64"

# shellcheck disable=SC2086
on_terminal 40 120 "$bin/deeptaxa" train --fasta-file t.fasta --taxonomy-file t.tsv \
    --tokenizer-file tokenizer.json --output-dir run $model --epochs 1 --batch-size 1 \
    --threads 1
grep -qE '^40 epoch 1/1.* left \(run [0-9:]+\)$' screen || fail "no time left on a narrow terminal: $(head -n 3 screen)"
grep -qE '^120 epoch 1/1 \[#* *\] step [0-9]+/2400, .*sequences/s.*\(run [0-9:]+\)' screen ||
    fail "no full line on a wide terminal: $(tail -n 3 screen)"

# prediction: of a file, compressed or not, the part that is done is known, of a pipe it is not
gzip -k t.fasta
for file in t.fasta t.fasta.gz; do
    on_terminal 60 60 "$bin/deeptaxa" predict --fasta-file $file --checkpoint "$(checkpoint run 1)" \
        --output-dir p --batch-size 1 --threads 1
    grep -qE '^60 predicting: [0-9]{1,2}%, [0-9:]+ left, [0-9]+ sequences' screen ||
        fail "no percentage of $file: $(head -n 3 screen)"
done
# a terminal that does not tell its width has 80 columns; of a pipe the size is not known
mkfifo pipe
cat t.fasta >pipe &
on_terminal 0 0 "$bin/deeptaxa" predict --fasta-file pipe --checkpoint "$(checkpoint run 1)" \
    --output-dir q --batch-size 1 --threads 1
grep -q '%' screen && fail "a percentage of a pipe"
awk 'length($0) > 2 + 79 { bad = 1 } END { exit bad }' screen || fail "wider than 80 columns"
finish
