/* A prediction: accuracy, calibration, thresholds, confusions, confidences, composition. */

function factsTable(p) {
  return table([['', false], ['', false]], [['file', p.file], ['sequences', number(p.sequences)],
    ...p.summary.map(([name, value]) => [name.replaceAll('_', ' '), value])]);
}

function rankTable(p, compared) {
  const stat = (rank, key) => (rank.stats ? rank.stats[key] : null);
  const columns = [['rank', false], ['labels predicted', true], ['answered', true]];
  if (compared) columns.push(['accuracy', true], ['F1 score', true], ['precision', true], ['recall', true], ['among the top k', true], ['ROC AUC', true], ['ECE', true]);
  return table(columns, p.by_rank.map((rank, r) => {
    const row = [p.ranks[r], number(rank.labels), percent(1 - rank.unanswered / p.sequences)];
    if (compared)
      row.push(percent(rank.compared ? rank.correct / rank.compared : null), ...['f1_score', 'precision', 'recall', 'top_k_accuracy', 'auc'].map((key) => number(stat(rank, key))),
        number(rank.calibration.error));
    return row;
  }));
}

function rankChart(p, compared) {
  const x = p.ranks.map((_, r) => r);
  const series = [{ name: 'answered', index: 4, dash: '5 4', points: true, x, y: p.by_rank.map((rank) => 1 - rank.unanswered / p.sequences) }];
  if (compared) {
    series.unshift({ name: 'accuracy', index: 0, points: true, x, y: p.by_rank.map((rank) => (rank.compared ? rank.correct / rank.compared : null)) },
      { name: 'F1 score', index: 2, points: true, x, y: p.by_rank.map((rank) => (rank.stats ? rank.stats.f1_score : null)) });
  }
  return lineChart({ title: compared ? 'Accuracy by taxonomic rank' : 'Answers by taxonomic rank', series, categories: p.ranks, yLow: 0, yHigh: 1, legend: true,
    yLabel: 'share of sequences', text: percent, note: `Answered: a label other than Unclassified with a confidence of at least ${number(p.threshold)}.` });
}

function reliability(p, r) {
  const { count, right, confidence, error } = p.by_rank[r].calibration;
  const bins = count.map((_, i) => i).filter((i) => count[i] > 0);
  return lineChart({ title: `Reliability, ${p.ranks[r]}`, xLabel: 'mean confidence', yLabel: 'accuracy', xLow: 0, xHigh: 1, yLow: 0, yHigh: 1, legend: true,
    note: `Expected calibration error (ECE, ten intervals): ${number(error)}; of ${number(sum(count))} sequences whose true label the model knows.`,
    series: [{ name: p.ranks[r], index: 0, points: true, x: bins.map((i) => confidence[i] / count[i]), y: bins.map((i) => right[i] / count[i]) },
      { name: 'perfectly calibrated', index: 7, stroke: 'var(--faint)', dash: '3 3', x: [0, 1], y: [0, 1] }] });
}

function thresholds(p, r) {
  const { bins, right, compared } = p.by_rank[r];
  const x = bins.map((_, i) => i / bins.length);
  const from = (values) => values.map((_, i) => sum(values.slice(i)));
  const [left, correct] = [from(bins), from(right)];
  const share = left.map((count) => count / p.sequences);
  const series = [{ name: 'sequences answered', index: 4, dash: '5 4', x, y: share }];
  if (compared) series.unshift({ name: 'accuracy of these', index: 0, x, y: correct.map((count, i) => (left[i] ? count / left[i] : null)) });
  const at = known(p.threshold) ? Math.min(bins.length - 1, Math.floor(p.threshold * bins.length + 1e-9)) : -1;
  return lineChart({ title: `Confidence threshold, ${p.ranks[r]}`, note: at < 0 ? null : `The circle is at the threshold of this prediction, ${number(p.threshold)}.`, xLabel: 'threshold',
    yLabel: 'share', yLow: 0, yHigh: 1, xLow: 0, xHigh: 1, legend: true, text: percent, series,
    marks: at < 0 ? [] : [{ x: x[at], y: share[at], index: 4, text: `${percent(share[at])} answered` }] });
}

function confusions(p, r) {
  const { pairs, different_pairs: different, compared } = p.by_rank[r];
  const errors = p.by_rank[r].compared - p.by_rank[r].correct;
  if (pairs.length === 0) return html('p', {}, 'No errors.');
  const rest = different > pairs.length ? `The ${pairs.length} most frequent of ${number(different)} pairs. ` : '';
  return html('div', {}, html('p', { class: 'faint' }, `${rest}${number(errors)} of ${number(compared)} sequences are wrong.`),
    table([['true label', false], ['predicted label', false], ['sequences', true], ['of the errors', true], ['', false]],
      pairs.map(([truth, label, count, inModel]) => [truth, label, number(count), percent(count / errors), inModel ? '' : 'not a label of the model'])));
}

function histograms(p) {
  const together = 10;
  return p.by_rank.map((rank, r) => {
    const add = (values) => Array.from({ length: values.length / together }, (_, i) => sum(values.slice(i * together, (i + 1) * together)));
    const counts = add(rank.bins);
    const right = add(rank.right);
    const low = counts.map((_, i) => (i * together) / rank.bins.length);
    const series = rank.compared ? [{ name: 'right', index: 0, values: right }, { name: 'wrong', index: 1, values: counts.map((count, i) => count - right[i]) }]
      : [{ name: 'sequences', index: 0, values: counts }];
    return columnChart({ title: p.ranks[r], small: true, series, xLabel: 'confidence', categories: low.map(number),
      full: low.map((value) => `${number(value)} to ${number(value + together / rank.bins.length)}`), line: known(p.threshold) ? p.threshold * counts.length : null });
  });
}

function noAnswers(p) {
  const none = p.depth[0];
  const rows = p.unanswered.map(([id, length, label, confidence]) => [id, number(length), label, number(confidence)]);
  return [html('h2', {}, 'Sequences without an answer'),
    html('p', {}, none === 0 ? 'All sequences have an answer at the first rank.' : `${number(none)} of ${number(p.sequences)} sequences (${percent(none / p.sequences)}) have no answer at any rank. `
      + (none > rows.length ? `The first ${rows.length} of them:` : '')),
    rows.length > 0 && html('details', { open: rows.length <= 12 }, html('summary', {}, 'Sequences'), table([['id', false], ['bases', true], [`best label, ${p.ranks[0]}`, false], ['confidence', true]], rows))];
}

function predictionsSection(p) {
  const compared = p.by_rank.some((rank) => rank.compared > 0);
  const deepest = p.ranks.length - 1;
  if (p.sequences === 0) return html('section', {}, html('h2', {}, 'Prediction'), factsTable(p), html('p', {}, 'No sequences.'));
  return html('section', {}, html('h2', {}, 'Prediction'), html('p', {}, `${number(p.sequences)} sequences, ${p.file}`),
    html('div', { class: 'grid' }, rankChart(p, compared), columnChart({ title: 'Lowest rank with an answer', yLabel: 'sequences', categories: ['none', ...p.ranks],
      series: [{ name: 'sequences', index: 0, values: p.depth }] })),
    rankTable(p, compared), html('details', { class: 'print' }, html('summary', {}, 'Details of the prediction'), factsTable(p)),
    choice('rank', p.ranks, deepest, (r) => html('div', { class: 'grid' }, p.by_rank[r].compared > 0 && reliability(p, r), thresholds(p, r))),
    compared && [html('h2', {}, 'Most confused pairs'), choice('rank', p.ranks, deepest, (r) => confusions(p, r))],
    html('h2', {}, 'Confidence by rank'), html('p', { class: 'faint' }, 'The dashed line is the threshold.'), html('div', { class: 'grid small' }, histograms(p)),
    html('h2', {}, 'Composition'), composition(p.composition, p.ranks, p.sequences, p.threshold), noAnswers(p));
}
