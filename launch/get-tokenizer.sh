#!/usr/bin/env bash
# Downloads DNABERT-2's tokenizer (Zhou et al., ICLR 2024; Apache-2.0), which the published DeepTaxa
# models use, to the folder in which the programs look for it. 168 kB.
#
#   bash launch/get-tokenizer.sh [FOLDER]
#
# FOLDER: share/deeptaxa of this source tree, or the folder of this script in an installation.
# DEEPTAXA_TOKENIZER_URL overrides the address.
set -euo pipefail

case ${1:-} in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "get-tokenizer.sh: unknown option $1; --help explains the usage" >&2; exit 2 ;;
esac
if [ $# -gt 1 ]; then
    echo "get-tokenizer.sh: more than one folder; --help explains the usage" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")" && pwd)
if [ -f "$here/../CMakeLists.txt" ]; then
    default=$(cd "$here/.." && pwd)/share/deeptaxa
else
    default=$here
fi
folder=${1:-$default}
url=${DEEPTAXA_TOKENIZER_URL:-https://huggingface.co/zhihan1996/DNABERT-2-117M/resolve/main/tokenizer.json}

mkdir -p "$folder"
part=$(mktemp "$folder/.tokenizer.json.XXXXXX")
trap 'rm -f "$part"' EXIT

if command -v curl >/dev/null; then
    curl -fsSL --retry 3 -o "$part" "$url" || failed=1
elif command -v wget >/dev/null; then
    wget -q -O "$part" "$url" || failed=1
else
    echo "get-tokenizer.sh: needs curl or wget; or copy $url to $folder/tokenizer.json" >&2
    exit 1
fi
if [ -n "${failed:-}" ]; then
    echo "get-tokenizer.sh: cannot download $url; without a network, copy the file from another machine" \
        "to $folder/tokenizer.json" >&2
    exit 1
fi

# Check that the object is complete, and count its vocabulary: tokens contain neither colons nor braces.
text=$(tr -d '\n\r\t ' <"$part")
case $text in
    "{"*"}") ;;
    *) echo "get-tokenizer.sh: $url is not a JSON object; nothing was changed" >&2; exit 1 ;;
esac
entries=$(grep -o '"vocab":{[^}]*}' <<<"$text" | grep -o '":[0-9]' | wc -l || true)
if [ "$entries" -ne 4096 ]; then
    echo "get-tokenizer.sh: $url has $entries vocabulary entries instead of 4096; nothing was changed" >&2
    exit 1
fi
chmod 644 "$part"
mv -f "$part" "$folder/tokenizer.json"
echo "The tokenizer is $folder/tokenizer.json (4096 entries)."
