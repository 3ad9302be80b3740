#!/usr/bin/env bash
# The manual pages and the completions that the build makes: they have every option that --help has, and
# the shells that are installed complete with them.
source "$(dirname "$0")/lib.sh"
pages=$(cd "$bin/.." && pwd)/pages
[ -e "$pages/man/deeptaxa.1" ] || skip "built without manual pages"

# Every command, and every option with an effect or without
deeptaxa --help >help || fail "deeptaxa --help"
commands=$(sed -n '/^Commands$/,/^$/s/^  \([a-z]*\) .*/\1/p' help)
[ "$(wc -w <<<"$commands")" -ge 11 ] || fail "the commands of --help: $commands"
for command in $commands; do
    grep -q "deeptaxa.*$command" "$pages/man/deeptaxa.1" || fail "deeptaxa(1) lacks $command"
    [ "$command" != tune ] || continue # a script
    deeptaxa $command --help >help || fail "$command --help"
    page=$pages/man/deeptaxa-$command.1
    for name in $(sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' help); do
        grep -qF "\\fB\\-\\-${name//-/\\-}\\fR" "$page" || fail "deeptaxa-$command(1) lacks --$name"
    done
done
if command -v groff >/dev/null; then
    for page in "$pages"/man/*.1; do
        groff -man -Tutf8 -ww -z "$page" >out 2>&1 && [ ! -s out ] || fail "$page: $(head -n 3 out)"
    done
    groff -man -Tutf8 "$pages/man/deeptaxa-train.1" | sed 's/\x1b\[[0-9;]*m//g' >text
    grep -q 'Allowed: (0, inf)' text || fail "deeptaxa-train(1) as text: $(head -n 5 text)"
else
    echo "SKIPPED: groff is missing: the manual pages were not formatted"
fi

# bash: completes WANTED WORD...: the last word is the one to complete
source "$pages/bash/deeptaxa"
completes() {
    COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) COMPREPLY=()
    _deeptaxa "$2"
    local got
    got=$(printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | paste -s -d ' ')
    [ "$got" = "$1" ] || fail "bash completes '${*:2}' with '$got', not '$1'"
}
mkdir -p reads/folder && touch reads/file.fna
completes "train" deeptaxa tr
completes "--device" deeptaxa train --devi
completes "auto cpu cuda" deeptaxa train --device ""
completes "auto cpu cuda" deeptaxa train --device =
completes "cuda" /usr/bin/deeptaxa-train --device = cu
completes "--confidence-threshold" deeptaxa-predict --confid
completes "reads/file.fna reads/folder" deeptaxa predict --fasta-file reads/f
completes "reads/folder" deeptaxa train --output-dir reads/f
completes "" deeptaxa train --epochs ""
completes "" deeptaxa unknown --f

if command -v fish >/dev/null; then
    fish_says() {
        HOME=$work fish --no-config -c "source $pages/fish/deeptaxa.fish; complete -C '$1'" 2>err |
            cut -f 1 | paste -s -d ' ' >out
        [ ! -s err ] && [ "$(cat out)" = "$2" ] || fail "fish completes '$1' with '$(cat out err | head -n 3)', not '$2'"
    }
    fish_says "deeptaxa tr" "train"
    fish_says "deeptaxa train --devi" "--device"
    fish_says "deeptaxa-train --device c" "cpu cuda"
    fish_says "deeptaxa train --output-dir reads/f" "reads/folder/"
else
    echo "SKIPPED: fish is missing: its completion was not tried"
fi
if command -v zsh >/dev/null; then
    zsh -n "$pages/zsh/_deeptaxa" || fail "zsh cannot read its completion"
    # as zsh's completion system would call it, with _arguments and _describe that print what they get
    zsh -f -c "_arguments() { print -rl -- \"\$@\"; }; _describe() { print -rl -- \$commands; }
        service=deeptaxa-train words=(deeptaxa-train '') CURRENT=2; source $pages/zsh/_deeptaxa" >out ||
        fail "zsh: $(cat out)"
    grep -q '^--device=\[.*:choice:(auto cpu cuda)$' out || fail "zsh lacks the choices of --device"
    grep -q '^--output-dir=\[.*:DIR:_files -/$' out || fail "zsh completes no folders"
else
    echo "SKIPPED: zsh is missing: its completion was not tried"
fi
finish
