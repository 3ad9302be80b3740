#!/usr/bin/env bash
# The documents: links are valid, the index names every page, commands use existing flags, and sections
# of docs/ cited in the code exist.
source "$(dirname "$0")/lib.sh"
cd "$project" || exit 1
documents=(README.md CONTRIBUTING.md SECURITY.md docs/*.md slurm/README.md)

links=0
for document in "${documents[@]}"; do
    for link in $(grep -oE '\]\([^)#:]+\)' "$document" | sed 's/^](\(.*\))$/\1/'); do
        links=$((links + 1))
        [ -e "$(dirname "$document")/$link" ] || fail "$document: no $link"
    done
done
[ "$links" -ge 20 ] || fail "only $links links were found"

for page in docs/*.md; do
    [ "$page" = docs/README.md ] || grep -qF "]($(basename "$page"))" docs/README.md ||
        fail "docs/README.md does not name $page"
done

# Commands are in indented lines; a backslash at the end continues a command.
for document in "${documents[@]}"; do
    sed -n 's/^    //p' "$document" | sed -e ':join' -e '/\\$/{N;s/\\\n/ /;b join' -e '}' |
        grep -E '^ *deeptaxa [a-z]+ ' | sed "s|^|$document |"
done >"$work/commands"
while read -r document _ command rest; do
    [ -s "$work/help_$command" ] || deeptaxa "$command" --help >"$work/help_$command" 2>/dev/null ||
        fail "$document: there is no command '$command'"
    [ "$command" != tune ] || deeptaxa train --help >>"$work/help_tune" # which gets the other flags
    for flag in $(grep -oE -- ' --[a-z][a-z-]*' <<<" $rest"); do
        grep -qE -- "^  $flag( |\$)" "$work/help_$command" || fail "$document: deeptaxa $command has no $flag"
    done
done <"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 20 ] || fail "only $(wc -l <"$work/commands") commands were found"

# docs/model.md 3: a section by its number; docs/files.md "Training": one by its title
cited=0
while IFS=: read -r file citation; do
    cited=$((cited + 1))
    page=${citation%% *}
    section=$(sed -n 's/^[^ ]* "*\([A-Za-z0-9][A-Za-z0-9 ]*\)"*$/\1/p' <<<"$citation")
    if [ ! -e "$page" ]; then
        fail "$file cites $page, which is not there"
    elif [ -n "$section" ]; then
        grep -qE "^## $section( |\$)" "$page" || fail "$file cites section '$section' of $page, which is not there"
    fi
done < <(grep -rHoE 'docs/[a-z_]+\.(md|py)( "[A-Za-z0-9 ]+"| [0-9]+)?' src io cpu cuda mpi launch \
             tests benchmarks --include='*.[ch]' --include='*.cu*' --include='*.py' --include='*.sh')
[ "$cited" -ge 20 ] || fail "only $cited citations were found"
finish
