#!/usr/bin/env bash
# launch/get-model.sh takes a model by an address, checks what came, and loses nothing.
source "$(dirname "$0")/lib.sh"
mkdir -p tree/launch tree/build/bin alone
cp "$project/launch/get-model.sh" tree/launch
cp "$project/launch/get-model.sh" alone
ln -s "$bin/deeptaxa" tree/build/bin
get="bash tree/launch/get-model.sh"
cp "$project/tests/fixtures/deeptaxa/onehot.pt" model.pt # which DeepTaxa wrote
sum=$(sha256sum <model.pt | cut -d ' ' -f 1)

# it is there, whole, and nothing else is
$get toy-v1 models --url "file://$work/model.pt" >out || fail "a good file is refused"
cmp model.pt models/toy-v1.pt || fail "the file differs from that at the address"
same "files" "$(ls -A models)" toy-v1.pt
same "mode" "$(stat -c %a models/toy-v1.pt)" 644
expect 0 $get toy-v1.pt models --url "file://$work/none.pt" # kept, not fetched again
printed '^The model is models/toy-v1.pt already'
expect 0 $get other models --url "file://$work/model.pt" --sha256 "${sum^^}"

# wrong REGEX FILE FLAG...: refused in one line, without leaving a file
wrong() {
    local pattern=$1 from=$2
    shift 2
    refused 1 "$pattern" $get new models --url "file://$work/$from" "$@"
    same "files after '$pattern'" "$(ls -A models | tr '\n' ' ')" "other.pt toy-v1.pt "
}
printf '<!DOCTYPE html>\n<html><body>Sign in</body></html>\n' >page.pt
wrong 'page.pt is a web page' page.pt
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 305533221\n' "$sum" >pointer.pt
wrong 'pointer.pt is a Git LFS pointer' pointer.pt
head -c 19000 model.pt >cut.pt
wrong 'cut.pt is incomplete: its end is missing after 19000 bytes' cut.pt
# the structure of a model, but not the contents: found where the program is beside the script
head -c 9000 model.pt >torn.pt
tail -c 9000 model.pt >>torn.pt
wrong 'torn.pt cannot be read: the file is' torn.pt
expect 0 bash "$work/alone/get-model.sh" torn alone --url "file://$work/torn.pt"
: >empty.pt
wrong 'empty.pt is not a PyTorch model' empty.pt
wrong 'cannot download file:.*none.pt' none.pt
wrong "has the SHA-256 sum $sum instead of 0{64}" model.pt --sha256 "$(printf '0%.0s' {1..64})"

# a file that was there is not replaced, whatever it is
cp page.pt models/new.pt
refused 1 'models/new.pt exists and is a web page.*remove it' $get new models --url "file://$work/model.pt"
cmp page.pt models/new.pt || fail "the file that was there has changed"

refused 2 'give the name of one model \(--help lists them\)' $get
refused 2 "--url $work/model.pt: not an address; of a local file it is file://$work/model.pt" \
    $get other models --url "$work/model.pt"
expect 0 $get --help
printed '^  bash launch/get-model.sh MODEL '
cp "$project/launch/get-tokenizer.sh" tree/launch
expect 0 bash tree/launch/get-tokenizer.sh --help
printed '^  bash launch/get-tokenizer.sh \[FOLDER\]'
refused 2 'unknown option --x' bash tree/launch/get-tokenizer.sh --x
refused 2 "'../x' is not the name of a model" $get ../x
refused 2 'not 64 hexadecimal digits' $get new --sha256 abc
refused 2 'unknown option --sha' $get new --sha abc
finish
