/* Training runs: overview, losses, metrics by taxonomic rank, steps, times, settings. */

const METRICS = [['accuracy', 'accuracy'], ['f1_score', 'F1 score'], ['precision', 'precision'], ['recall', 'recall']];

/* Two runs may be in folders of the same name. */
function nameRuns(runs) {
  const count = new Map();
  for (const run of runs) count.set(run.name, (count.get(run.name) || 0) + 1);
  for (const run of runs) run.title = count.get(run.name) > 1 ? run.folder : run.name;
}

function setting(run, section, name) {
  const found = run.settings.find((row) => row[0] === section && row[1] === name);
  return found ? found[2] : null;
}

function swatch(i) {
  return html('span', { class: 'swatch', style: `background:${colour(i)}` });
}

/* The position of the best epoch, or of the last one. */
function bestRow(run) {
  const at = run.best ? run.epochs.epoch.indexOf(run.best.epoch) : -1;
  return at >= 0 ? at : run.epochs.epoch.length - 1;
}

function overview(runs) {
  const rows = runs.map((run, i) => {
    const { epochs } = run;
    const row = bestRow(run);
    const deepest = run.ranks.length - 1;
    const last = epochs.epoch.length - 1;
    return [[swatch(i), run.title], last < 0 ? '–' : `${epochs.epoch[last]} of ${setting(run, 'training_hyperparameters', 'target_epochs') || '?'}`,
      run.best ? run.best.epoch : '–', number(run.best && run.best.loss),
      row < 0 || deepest < 0 ? '–' : `${percent(epochs.accuracy[row][deepest])} (${run.ranks[deepest]})`,
      duration(sum(epochs.training_time) + sum(epochs.evaluation_time)), number(epochs.sequences_per_second[last]),
      setting(run, 'system_info', 'device') || '–', setting(run, 'system_info', 'world_size') || '–'];
  });
  return table([['run', false], ['evaluated epoch', true], ['best epoch', true], ['its validation loss', true], ['its accuracy', true],
    ['time of evaluated epochs', true], ['sequences/s', true], ['device', false], ['processes', true]], rows);
}

function overfitting(runs) {
  return runs.filter((run) => run.best && run.best.overfitted).map((run) => {
    const last = run.epochs.epoch[run.epochs.epoch.length - 1];
    return html('p', { class: 'warn' }, `${run.title}: overfitting after epoch ${run.best.epoch}. Until epoch ${last} the validation loss rose by `
      + `${percent(run.best.rise)}, while the training loss fell. The checkpoint of epoch ${run.best.epoch} has the lowest validation loss.`);
  });
}

/* The settings that are not the same in all runs. An option that repeats a setting is left out. */
function differences(runs) {
  const names = new Map();
  for (const run of runs) for (const [section, name] of run.settings) names.set(`${section}\n${name}`, [section, name]);
  const rows = [];
  const seen = new Set();
  for (const [section, name] of names.values()) {
    const values = runs.map((run) => setting(run, section, name) ?? '–');
    const key = values.join('\n');
    const repeated = seen.has(key) && (section === 'options' || name.startsWith('optimizer_summary'));
    if (new Set(values).size === 1 || repeated || ['current_epoch', 'command_line', 'tokens_per_second', 'sequences_per_second', 'output-dir'].includes(name)) continue;
    seen.add(key);
    rows.push([section.replaceAll('_', ' '), name, ...values]);
  }
  return html('div', {}, html('h3', {}, 'What differs'), rows.length === 0 ? html('p', {}, 'All settings are the same.')
    : table([['section', false], ['setting', false], ...runs.map((run) => [run.title, false])], rows));
}

/* ---- losses --------------------------------------------------------------------------------- */

function lossChart(runs) {
  const several = runs.length > 1;
  const series = [];
  runs.forEach((run, i) => {
    const prefix = several ? `${run.title}, ` : '';
    series.push({ name: `${prefix}validation`, index: several ? i : 0, x: run.epochs.epoch, y: run.epochs.validation_loss, points: true, dash: dash(i) });
    series.push({ name: `${prefix}training`, index: several ? i : 1, x: run.epochs.epoch, y: run.epochs.training_loss, dash: '5 4' });
  });
  const marks = runs.map((run, i) => run.best && { x: run.best.epoch, y: run.best.loss, index: several ? i : 0,
    text: `lowest validation loss ${number(run.best.loss)}, epoch ${run.best.epoch}` }).filter(Boolean);
  const only = !several && runs[0].best && runs[0].best.overfitted ? runs[0] : null;
  return lineChart({ title: 'Loss by epoch', note: 'A circle marks the lowest validation loss.', xLabel: 'epoch', yLabel: 'loss', series, marks, whole: true,
    legend: true, shade: only && [only.best.epoch, only.epochs.epoch[only.epochs.epoch.length - 1], 'overfitting'] });
}

function stepCharts(runs) {
  const charts = [['loss', 'Loss by step', 'loss', true], ['learning_rate', 'Learning rate', 'learning rate', false],
    ['gradient_norm', 'Gradient norm', 'norm before clipping', true], ['sequences_per_second', 'Throughput', 'sequences/s', false]];
  const together = Math.max(...runs.map((run) => run.steps.together));
  const note = together > 1 ? `Means of up to ${number(together)} lines of the steps file.` : null;
  const since = 'The mean since the epoch began.';
  return charts.map(([key, title, yLabel, log]) => lineChart({ title, note: key === 'sequences_per_second' ? [since, note].filter(Boolean).join(' ') : note, yLabel, log, xLabel: 'update', yLow: log ? undefined : 0,
    series: runs.map((run, i) => ({ name: run.title, index: i, x: run.steps.step, y: run.steps[key], dash: dash(i) })) }));
}

/* ---- metrics by taxonomic rank -------------------------------------------------------------- */

function byRank(runs, key, title) {
  const ranks = runs.map((run) => run.ranks).reduce((a, b) => (b.length > a.length ? b : a));
  return lineChart({ title: `${title} by taxonomic rank`, note: 'Of the epoch with the lowest validation loss.', categories: ranks, yLabel: title, yHigh: 1,
    legend: true, text: (value) => number(value), series: runs.map((run, i) => ({ name: run.title, index: i, points: true, dash: dash(i),
      x: run.ranks.map((_, r) => r), y: bestRow(run) < 0 ? [] : run.epochs[key][bestRow(run)] })) });
}

function overEpochs(runs, key, title) {
  if (runs.length === 1)
    return lineChart({ title: `${title} by epoch`, xLabel: 'epoch', yLabel: title, whole: true, series: runs[0].ranks.map((rank, r) => ({
      name: rank, index: r, points: true, dash: dash(r), x: runs[0].epochs.epoch, y: runs[0].epochs[key].map((row) => row[r]) })) });
  const ranks = runs.map((run) => run.ranks).reduce((a, b) => (b.length > a.length ? b : a));
  return choice('rank', ranks, ranks.length - 1, (r) => lineChart({ title: `${title} by epoch, ${ranks[r]}`, xLabel: 'epoch', yLabel: title, whole: true,
    series: runs.map((run, i) => ({ name: run.title, index: i, points: true, dash: dash(i), x: run.epochs.epoch, y: run.epochs[key].map((row) => row[r]) })) }));
}

function metricsTable(runs) {
  const rows = runs.flatMap((run, i) => (bestRow(run) < 0 ? [] : run.ranks.map((rank, r) => [[swatch(i), run.title], rank,
    ...METRICS.map(([key]) => number(run.epochs[key][bestRow(run)][r]))])));
  return html('details', {}, html('summary', {}, 'Metrics as a table'),
    table([['run', false], ['rank', false], ...METRICS.map(([, title]) => [title, true])], rows));
}

/* ---- times ---------------------------------------------------------------------------------- */

/* The training time of an epoch is divided as far as its parts are known: rank 0 measures them. */
function timeParts(epochs) {
  const rest = epochs.training_time.map((all, i) => (known(all)
    ? Math.max(0, all - sum([epochs.data_time[i], epochs.compute_time[i], epochs.waiting_time[i]])) : null));
  return [['computing', epochs.compute_time], ['preparing batches', epochs.data_time], ['waiting for other processes', epochs.waiting_time],
    ['other training time', rest], ['evaluation', epochs.evaluation_time]];
}

function timeCharts(runs) {
  const seconds = (value) => duration(value);
  if (runs.length === 1)
    return [columnChart({ title: 'Time by epoch', xLabel: 'epoch', yLabel: 'time', text: seconds, categories: runs[0].epochs.epoch,
      series: timeParts(runs[0].epochs).map(([name, values], index) => ({ name, index, values })) }), epochSpeed(runs)];
  const parts = runs.map((run) => timeParts(run.epochs));
  return [columnChart({ title: 'Time of the evaluated epochs', yLabel: 'time', text: seconds, categories: runs.map((run) => run.title),
    series: parts[0].map(([name], p) => ({ name, index: p, values: parts.map((part) => sum(part[p][1])) })) }), epochSpeed(runs)];
}

function epochSpeed(runs) {
  return lineChart({ title: 'Throughput by epoch', xLabel: 'epoch', yLabel: 'tokens/s', yLow: 0, whole: true,
    series: runs.map((run, i) => ({ name: run.title, index: i, points: true, dash: dash(i), x: run.epochs.epoch, y: run.epochs.tokens_per_second })) });
}

/* ---- settings ------------------------------------------------------------------------------- */

function settingsTables(runs) {
  const sections = [...new Set(runs.flatMap((run) => run.settings.map((row) => row[0])))];
  return sections.map((section) => {
    const names = [...new Set(runs.flatMap((run) => run.settings.filter((row) => row[0] === section).map((row) => row[1])))];
    return html('details', { class: 'print' }, html('summary', {}, section.replaceAll('_', ' ')), table([['setting', false], ...runs.map((run) => [run.title, false])],
      names.map((name) => [name, ...runs.map((run) => setting(run, section, name) ?? '–')])));
  });
}

function runsSection(runs) {
  nameRuns(runs);
  const evaluated = runs.filter((run) => run.epochs.epoch.length > 0);
  const stepped = runs.filter((run) => run.steps.step.length > 0);
  const ranked = runs.some((run) => run.ranks.length > 0);
  const missing = runs.filter((run) => run.epochs.epoch.length === 0);
  return html('section', {}, html('h2', {}, runs.length > 1 ? 'Training runs' : `Training run ${runs[0].title}`), overview(runs), overfitting(runs),
    missing.length > 0 && html('p', { class: 'faint' }, `Not evaluated yet: ${missing.map((run) => run.title).join(', ')}.`),
    runs.length > 1 && differences(runs),
    html('div', { class: 'grid' }, evaluated.length > 0 && lossChart(runs), stepped.length > 0 && stepCharts(runs)),
    ranked && [html('h2', {}, 'Metrics by taxonomic rank'), choice('metric', METRICS.map((metric) => metric[1]), 0, (m) =>
      html('div', { class: 'grid' }, byRank(runs, ...METRICS[m]), overEpochs(runs, ...METRICS[m]))), metricsTable(runs)],
    evaluated.length > 0 && [html('h2', {}, 'Times and throughput'), html('div', { class: 'grid' }, timeCharts(runs))],
    html('h2', {}, 'Settings'), settingsTables(runs));
}
