#!/usr/bin/env bash
# Downloads a published DeepTaxa model (300 to 450 MB) from Hugging Face, systems-genomics-lab/deeptaxa.
#
#   bash launch/get-model.sh MODEL [FOLDER] [--sha256 SUM] [--url URL]
#
#   MODEL     deeptaxa-REGION-v2             the default model of a region (seed 42)
#             deeptaxa-REGION-v2-seedN       one of five, to be used together: 42, 123, 456, 789, 1011
#             deeptaxa-REGION-v1             the earlier one
#             REGION: full-length, v3v4 (341F/805R), v4 (515F/806R). These names are those of the
#             model card; any other name is tried at the same address.
#   FOLDER    where to put MODEL.pt; the current folder otherwise
#   --sha256  the SHA-256 sum that the file must have
#   --url     another address of the file (https:// or file://)
#
# A file of this name that passes the checks is kept and not downloaded again. Prediction also needs
# DNABERT-2's tokenizer: launch/get-tokenizer.sh.
set -euo pipefail

refuse() {
    echo "get-model.sh: $*" >&2
    exit "${status:-1}"
}

wrong_usage() {
    status=2 refuse "$*; usage: get-model.sh MODEL [FOLDER] [--sha256 SUM] [--url URL]"
}

words=() sum='' url=''
while [ $# -gt 0 ]; do
    case $1 in
        --sha256 | --url)
            [ $# -ge 2 ] || wrong_usage "$1 needs a value"
            if [ "$1" = --url ]; then url=$2; else sum=${2,,}; fi
            shift 2 ;;
        -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) wrong_usage "unknown option $1" ;;
        *) words+=("$1"); shift ;;
    esac
done
[ ${#words[@]} -ge 1 ] && [ ${#words[@]} -le 2 ] ||
    wrong_usage "give the name of one model (--help lists them)"
name=${words[0]%.pt} folder=${words[1]:-.}
[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || wrong_usage "'$name' is not the name of a model"
[ -z "$sum" ] || [[ $sum =~ ^[0-9a-f]{64}$ ]] || wrong_usage "--sha256 $sum: not 64 hexadecimal digits"
case $url in
    '' | *://*) ;;
    *) wrong_usage "--url $url: not an address; of a local file it is file://$(realpath -m "$url" 2>/dev/null || echo "$url")" ;;
esac
url=${url:-https://huggingface.co/systems-genomics-lab/deeptaxa/resolve/main/$name.pt}
file=$folder/$name.pt

# The program, if it is built or installed here: it reads everything but the tensors.
here=$(cd "$(dirname "$0")" && pwd)
program=''
for place in "$here/../build/bin/deeptaxa" "$here/../../bin/deeptaxa"; do
    if [ -x "$place" ]; then program=$place; fi
done

# fault FILE: prints what is wrong with it, nothing if it can be a model: a zip archive as torch.save()
# writes them, which begins with data.pkl and ends with the record of its end
fault() {
    local bytes start found
    bytes=$(wc -c <"$1")
    start=$(head -c 200 "$1" | tr -d '\0')
    case $start in
        PK$'\3\4'*data.pkl*) ;;
        "version https://git-lfs"*) echo "is a Git LFS pointer, not the file that it points to"; return ;;
        "<"* | *"<html"* | *"<!DOCTYPE"*) echo "is a web page, not a model"; return ;;
        *) echo "is not a PyTorch model (a zip archive with data.pkl), but $bytes bytes of something else"; return ;;
    esac
    [ "$(tail -c 22 "$1" | head -c 4 | tr -d '\0')" = PK$'\5\6' ] ||
        { echo "is incomplete: its end is missing after $bytes bytes"; return; }
    if [ -n "$program" ] && ! found=$("$program" describe --checkpoint "$1" 2>&1 >/dev/null); then
        echo "cannot be read: ${found#deeptaxa describe: "$1": }"
        return
    fi
    [ -n "$sum" ] || return 0
    if command -v sha256sum >/dev/null; then found=$(sha256sum <"$1"); else found=$(shasum -a 256 <"$1"); fi
    [ "${found%% *}" = "$sum" ] || echo "has the SHA-256 sum ${found%% *} instead of $sum"
}

if [ -e "$file" ]; then
    wrong=$(fault "$file")
    [ -z "$wrong" ] || refuse "$file exists and $wrong; remove it to download it again"
    echo "The model is $file already ($(wc -c <"$file") bytes)."
    exit 0
fi

mkdir -p "$folder"
part=$(mktemp "$folder/.$name.XXXXXX")
trap 'rm -f "$part"' EXIT
case $url in
    file://*) cp "${url#file://}" "$part" 2>/dev/null || failed=1 ;;
    *) if command -v curl >/dev/null; then
           curl -fL --retry 3 -o "$part" "$url" || failed=1
       elif command -v wget >/dev/null; then
           wget -O "$part" "$url" || failed=1
       else
           refuse "needs curl or wget; or copy $url to $file"
       fi ;;
esac
[ -z "${failed:-}" ] || refuse "cannot download $url; without a network, copy the file from another machine to $file"
wrong=$(fault "$part")
[ -z "$wrong" ] || refuse "$url $wrong; nothing was changed"
chmod 644 "$part"
mv -f "$part" "$file"
echo "The model is $file ($(wc -c <"$file") bytes)."
