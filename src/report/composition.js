/* The composition of a prediction as an icicle: a row for each taxonomic rank, each lineage as wide as its
 * share of the sequences. A click on a lineage enlarges it. */

const TINTS = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [213, 94, 0], [86, 180, 233], [240, 228, 66], [150, 150, 150]];

/* The nodes as objects, the root first. */
function compositionTree(data, sequences) {
  const root = { label: 'all sequences', depth: 0, count: sequences, answered: sequences, confidence: null, merged: 0, children: [], parent: null };
  const nodes = data.label.map((label, i) => ({ label, count: data.count[i], answered: data.answered[i], confidence: data.confidence[i],
    merged: data.merged[i], children: [] }));
  nodes.forEach((node, i) => {
    node.parent = data.parent[i] < 0 ? root : nodes[data.parent[i]];
    node.depth = node.parent.depth + 1;
    node.parent.children.push(node);
  });
  for (const node of [root, ...nodes]) node.children.sort((a, b) => b.count - a.count);
  return root;
}

/* Colours follow the first rank of which no lineage has more than four fifths of the sequences; above it
 * all is grey. */
function tintNodes(root) {
  let row = [root];
  while (row.some((node) => node.count > 0.8 * root.count) && row.some((node) => node.children.length > 0)) row = row.flatMap((node) => node.children);
  const visit = (node, tint) => {
    node.tint = tint;
    node.children.forEach((child) => visit(child, tint));
  };
  visit(root, TINTS.length - 1);
  row.sort((a, b) => b.count - a.count).forEach((node, i) => visit(node, i % (TINTS.length - 1)));
}

function nodeColour(node) {
  const white = Math.min(0.7, 0.25 + 0.07 * node.depth);
  return `rgb(${TINTS[node.tint].map((part) => Math.round(part + (255 - part) * white)).join(',')})`;
}

function composition(data, ranks, sequences, threshold) {
  const root = compositionTree(data, sequences);
  const [W, left, row] = [1150, 84, 36];
  const H = (ranks.length + 1) * row;
  const path = html('div', { class: 'path' });
  const place = html('div');
  let onlyAnswered = false;
  let focus = root;
  tintNodes(root);
  const size = (node) => (onlyAnswered ? node.answered : node.count);

  const words = (node) => [node.label, node.depth > 0 && ranks[node.depth - 1], `${number(node.count)} sequences (${percent(node.count / sequences)})`,
    `${number(node.answered)} with an answer down to this rank`, known(node.confidence) && `mean confidence ${number(node.confidence)}`].filter(Boolean).join('\n');

  function zoom(node) {
    focus = node;
    hideTip();
    draw();
  }

  function box(chart, x, width, depth, label, node) {
    const room = Math.floor((width - 8) / 6.4);
    const shown = room < 3 ? '' : label.length > room ? `${label.slice(0, room - 1)}…` : label;
    const group = svg('g', { class: node ? 'node' : 'node rest', tabindex: node && width >= 12 ? 0 : null, role: node ? 'button' : null, 'aria-label': node ? words(node).replaceAll('\n', ', ') : label,
      onclick: () => node && zoom(node), onkeydown: (event) => node && (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), zoom(node)),
      onpointermove: (event) => showTip(event, node ? words(node) : label), onpointerleave: hideTip },
    svg('rect', { x, y: depth * row, width: Math.max(0.5, width), height: row - 1, fill: node ? nodeColour(node) : null, 'stroke-width': width < 4 ? 0 : 1 }),
    shown && svg('text', { x: x + 4, y: depth * row + row / 2 + 4 }, shown));
    chart.append(group);
  }

  function below(chart, node, x, width) {
    const share = (count) => (count / size(node)) * width;
    const wide = node.children.filter((child) => !child.merged && share(size(child)) >= 1.5);
    const narrow = node.children.filter((child) => !wide.includes(child) && size(child) > 0);
    const without = onlyAnswered && node.children.length > 0 ? size(node) - sum(node.children.map(size)) : 0;
    let at = x;
    for (const child of wide) {
      box(chart, at, share(size(child)), child.depth, child.label, child);
      below(chart, child, at, share(size(child)));
      at += share(size(child));
    }
    const small = sum(narrow.map(size));
    const lineages = sum(narrow.map((child) => child.merged || 1));
    if (share(small) >= 0.5) box(chart, at, share(small), node.depth + 1, `${number(lineages)} small ${lineages === 1 ? 'lineage' : 'lineages'}: ${number(small)} sequences`, null);
    at += share(small);
    if (share(without) >= 0.5) box(chart, at, share(without), node.depth + 1, `no answer: ${number(without)} sequences`, null);
  }

  function draw() {
    const chart = svg('svg', { viewBox: `0 0 ${W} ${H}`, role: 'group', 'aria-label': 'composition of the sequences' });
    ['', ...ranks].forEach((rank, depth) => chart.append(svg('text', { class: 'tick', x: 0, y: depth * row + row / 2 + 4 }, rank)));
    const ancestors = [];
    for (let node = focus; node; node = node.parent) ancestors.unshift(node);
    for (const node of ancestors) box(chart, left, W - left, node.depth, node.label, node);
    if (size(focus) > 0) below(chart, focus, left, W - left);
    path.replaceChildren(...ancestors.map((node) => html('button', { onclick: () => zoom(node), disabled: node === focus }, node.label)));
    place.replaceChildren(chart);
  }

  draw();
  const modes = html('select', { onchange: () => { onlyAnswered = modes.selectedIndex === 1; focus = root; draw(); } },
    html('option', {}, 'all predictions'), html('option', {}, `answers (confidence of at least ${number(threshold)})`));
  const small = data.merged.some((count) => count > 0)
    ? `Lineages of fewer than ${number(data.smallest)} sequences are merged below their parent. ` : '';
  const drawn = figure('Composition', `${small}A click enlarges a lineage, a click on a row above goes back.`, known(threshold) && html('label', {}, 'show: ', modes), path, place);
  drawn.classList.add('wide');
  return drawn;
}
