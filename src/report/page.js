/* Draws the document. */

(function drawReport() {
  const report = JSON.parse(document.getElementById('data').textContent);
  const main = document.getElementById('report');
  main.append(html('h1', {}, 'DeepTaxa report'), html('p', { class: 'faint' }, `Written ${report.created.replace('T', ' ')} by DeepTaxa-MPI ${report.version}`));
  if (report.runs.length > 0) main.append(runsSection(report.runs));
  window.addEventListener('beforeprint', () => document.querySelectorAll('details.print').forEach((details) => { details.open = true; }));
  if (report.predictions) main.append(predictionsSection(report.predictions));
})();
