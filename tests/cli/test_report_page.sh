#!/usr/bin/env bash
# The report in a browser: it draws without an error in the console, answers the pointer and the keyboard,
# and no label of the data is executed. Skipped where there is no Chromium.
source "$(dirname "$0")/lib.sh"
for browser in chromium chromium-browser google-chrome ""; do command -v "$browser" >/dev/null && break; done
[ -n "$browser" ] || skip "no Chromium: apt-get install chromium"

hostile='</script><script>window.executed=1</script><img src=x onerror=window.executed=2>\u2028\"'

# make_run FOLDER LOSSES...: a run with an epoch for each validation loss
make_run() {
    local folder=$1 epoch=0 loss
    shift
    mkdir -p "$folder/metrics"
    printf R >"$folder/deeptaxa_uuid.txt"
    for loss in "$@"; do
        epoch=$((epoch + 1))
        printf '{"training_hyperparameters": {"seed": %d, "note": "%s"}, "timing": {"training_time_seconds": 9},
            "taxonomic_levels": {"0": {"rank": "%s"}, "1": {"rank": "genus"}}, "performance_metrics":
            {"training_loss": %d.5, "validation_loss": %s, "validation_metrics": {"0": {"accuracy": 0.9}, "1": {"accuracy": 0.5}}}}' \
            ${#folder} "$hostile" "$hostile" $((9 - epoch)) "$loss" >"$folder/metrics/deeptaxa_R_epoch$epoch.json"
        printf '{"step": %d, "loss": %s, "learning_rate": 0.1, "gradient_norm": 2, "sequences_per_second": null}\n' \
            "$epoch" "$loss" >>"$folder/metrics/deeptaxa_R_steps.jsonl"
    done
}
make_run run 4 2 3 3.5
make_run another 5 4 3
mkdir predicted
awk -v hostile="${hostile//\\/\\\\}" 'BEGIN {
    printf "{\"sequence_ids\": ["
    for (i = 0; i < 300; i++) printf "%s\"%s%d\"", i ? ", " : "", i % 50 ? "s" : hostile, i
    printf "], \"predictions\": ["
    for (i = 0; i < 300; i++) {
        printf "%s{\"domain\": {\"label\": \"%s\", \"raw_score\": %.2f, \"confidence_threshold_flag\": %s, \"agreement\": true}, ",
            i ? ", " : "", hostile, i % 50 ? 0.9 : 0.2, i % 50 ? "true" : "false"
        printf "\"genus\": {\"label\": \"g%d\", \"raw_score\": %.2f, \"confidence_threshold_flag\": %s, \"agreement\": false, ",
            i % 7, i / 300, (i > 150) ? "true" : "false"
        printf "\"mismatch_detail\": {\"true\": \"%s\", \"known\": true}}, \"sequence_length\": 9}", hostile
    }
    printf "], \"summary\": {\"prediction_parameters\": {\"confidence_threshold\": 0.5}}}"
}' >predicted/a_deeptaxa_predictions.json

# What a reader does: the pointer over every chart, every choice, every box opened, a lineage clicked.
cat >drive.js <<'EOF'
const wrong = [];
const check = (what, right) => right || wrong.push(what);
const main = document.getElementById('report');
document.querySelectorAll('rect.catch').forEach((part) => {
  const box = part.getBoundingClientRect();
  part.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width / 2, clientY: box.top + 5 }));
  check('no values at the pointer', document.getElementById('tip').textContent.includes(':'));
});
document.querySelectorAll('details').forEach((details) => { details.open = true; });
document.querySelectorAll('select').forEach((list) => [...list.options].forEach((_, i) => {
  list.selectedIndex = i;
  list.dispatchEvent(new Event('change'));
}));
const lineages = () => [...document.querySelectorAll('g.node[role=button]')];
const before = lineages().length;
lineages()[before - 1].dispatchEvent(new MouseEvent('click', { bubbles: true }));
check('a click does not enlarge a lineage', before > 5 && lineages().length < before);
lineages()[0].dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
check('the keyboard does not go back', lineages().length === before);
check('an answer that is none', [...document.querySelectorAll('g.rest')].some((part) => part.textContent.includes('no answer')));
check('no overfitting', WARNINGS < 0 || document.querySelectorAll('p.warn').length === WARNINGS);
check('something is no number', !/NaN|undefined|Infinity/.test(main.innerHTML));
check('a label was executed', window.executed === undefined && document.querySelectorAll('img').length === 0);
check('a label was changed', main.textContent.includes('<img src=x onerror=window.executed=2>\u2028"'));
setTimeout(() => console.log(`DRIVEN ${document.querySelectorAll('figure').length} figures; wrong: ${wrong.join('; ') || 'nothing'}`), 50);
EOF

# draws FIGURES WARNINGS FLAGS...: the report with these flags has so many figures, and nothing is wrong
draws() {
    local figures=$1 warnings=$2
    shift 2
    expect 0 deeptaxa report "$@" --output-file report.html || return
    { cat report.html && echo '<script>' && sed "s/WARNINGS/$warnings/g" drive.js && echo '</script>'; } >driven.html
    "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$work/browser" --window-size=1200,900 \
        --enable-logging=stderr --timeout=20000 --virtual-time-budget=2000 --dump-dom "file://$work/driven.html" >dom 2>console
    grep -a CONSOLE console | sed 's/.*CONSOLE[^"]*"//; s/", source.*//' >said
    same "the console with $*" "$(cat said)" "DRIVEN $figures figures; wrong: nothing"
}
draws 16 1 --run run another --predictions predicted
draws 7 0 --predictions predicted
finish
