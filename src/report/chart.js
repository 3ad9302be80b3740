/* Elements, numbers and charts. All texts of the data become text nodes, never HTML. */

const COLOURS = 8;
const DASHES = ['', '7 4', '2 3', '9 3 2 3'];

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false)
      element.append(typeof child === 'object' ? child : String(child));
  return element;
}

function html(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function colour(index) {
  return `var(--c${index % COLOURS})`;
}

function dash(index) {
  return DASHES[Math.floor(index / COLOURS) % DASHES.length];
}

/* ---- numbers ------------------------------------------------------------------------------- */

function known(number) {
  return typeof number === 'number' && Number.isFinite(number);
}

function number(value) {
  if (!known(value)) return '–';
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 10000) return Math.round(value).toLocaleString('en-US');
  if (size !== 0 && size < 0.001) return Number(value.toPrecision(3)).toExponential();
  return String(Number(value.toPrecision(4)));
}

function percent(value) {
  return known(value) ? `${(100 * value).toFixed(1)} %` : '–';
}

function duration(seconds) {
  if (!known(seconds)) return '–';
  if (seconds < 60) return `${number(seconds)} s`;
  const whole = Math.round(seconds);
  const two = (part) => String(part).padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  return whole < 3600 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(whole / 3600)}:${two(minutes)}:${two(whole % 60)}`;
}

function sum(values) {
  return values.filter(known).reduce((total, value) => total + value, 0);
}

/* Round values from `low` to `high`, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) list.push(Number((i * step).toPrecision(12)));
  return list;
}

/* Powers of ten, and between them 2 and 5 if there are few. */
function logTicks(low, high) {
  const list = [];
  const few = Math.log10(high / low) < 2.5;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const factor of few ? [1, 2, 5] : [1]) {
      const value = factor * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) list.push(value);
    }
  return list;
}

/* ---- the box with values beside the pointer ------------------------------------------------- */

function showTip(event, text) {
  let tip = document.getElementById('tip');
  if (!tip) document.body.append((tip = html('div', { id: 'tip', role: 'status' })));
  tip.textContent = text;
  tip.style.visibility = 'visible';
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 16 + box.width < window.innerWidth;
  tip.style.left = `${Math.max(4, right ? event.clientX + 16 : event.clientX - 16 - box.width)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, window.innerHeight - box.height - 4))}px`;
}

function hideTip() {
  const tip = document.getElementById('tip');
  if (tip) tip.style.visibility = 'hidden';
}

/* ---- tables and choices --------------------------------------------------------------------- */

/* columns: [[title, is a number], …]; rows: [[cell, …], …] */
function table(columns, rows) {
  const attributes = (c) => (columns[c] && columns[c][1] ? { class: 'number' } : {});
  return html('div', { class: 'scroll' }, html('table', {},
    html('thead', {}, html('tr', {}, columns.map(([title], c) => html('th', { scope: 'col', ...attributes(c) }, title)))),
    html('tbody', {}, rows.map((row) => html('tr', {}, row.map((cell, c) => html('td', attributes(c), cell)))))));
}

/* A list of names, whose choice draws anew what draw(index) returns. */
function choice(title, names, chosen, draw) {
  const place = html('div');
  const list = html('select', { onchange: () => place.replaceChildren(draw(list.selectedIndex)) },
    names.map((name, i) => html('option', { selected: i === chosen }, name)));
  place.append(draw(chosen));
  return html('div', {}, names.length > 1 && html('label', {}, `${title}: `, list), place);
}

function figure(title, note, ...content) {
  return html('figure', {}, html('h3', {}, title), note && html('p', { class: 'faint' }, note), content);
}

/* A chart's values as a table, made when it is opened. */
function valuesTable(xLabel, xText, series) {
  const details = html('details', { ontoggle: () => {
    if (details.childElementCount > 1) return;
    const all = [...new Set(series.flatMap((line) => line.x))].sort((a, b) => a - b);
    const of = series.map((line) => new Map(line.x.map((x, i) => [x, line.y[i]])));
    details.append(table([[xLabel, false], ...series.map((line) => [line.name, true])],
      all.map((x) => [xText(x), ...of.map((values) => number(values.get(x)))])));
  } }, html('summary', {}, 'Values'));
  return details;
}

/* ---- lines ---------------------------------------------------------------------------------- */

function marker(index, x, y, size) {
  const shapes = [
    `M${x - size},${y}a${size},${size} 0 1,0 ${2 * size},0a${size},${size} 0 1,0 ${-2 * size},0z`,
    `M${x - size},${y - size}h${2 * size}v${2 * size}h${-2 * size}z`,
    `M${x},${y - 1.3 * size}l${1.2 * size},${2.2 * size}h${-2.4 * size}z`,
    `M${x},${y - 1.4 * size}l${1.4 * size},${1.4 * size}l${-1.4 * size},${1.4 * size}l${-1.4 * size},${-1.4 * size}z`,
  ];
  return shapes[index % shapes.length];
}

function legend(series) {
  return html('div', { class: 'legend' }, series.map((line) => html('span', {},
    svg('svg', { viewBox: '0 0 30 12', 'aria-hidden': 'true' },
      svg('line', { x1: 0, x2: 30, y1: 6, y2: 6, stroke: line.stroke || colour(line.index), 'stroke-width': 2, 'stroke-dasharray': line.dash }),
      line.points && svg('path', { d: marker(line.index, 15, 6, 4), fill: line.stroke || colour(line.index) })),
    line.name)));
}

/* options: {title, note, xLabel, yLabel, series, categories, log, yLow, yHigh, xLow, xHigh, whole, shade,
 * marks, text}. series: [{name, index (of the colour), x, y, points, dash, stroke}, …]; categories: names of
 * x = 0, 1, …; whole: x are whole numbers; shade: [from x, to x, text]; marks: [{x, y, index, text}, …];
 * text: format of y. */
function lineChart(options) {
  const text = options.text || number;
  const series = options.series.filter((line) => line.y.some(known));
  const positive = (y) => known(y) && (!options.log || y > 0);
  const ys = series.flatMap((line) => line.y).filter(positive);
  const xs = series.flatMap((line) => line.x.filter((_, i) => positive(line.y[i])));
  if (ys.length === 0) return figure(options.title, 'no values');
  const [W, H, left, right, top, bottom] = [560, 300, 62, 14, 10, 44];
  const least = (values) => values.reduce((a, b) => Math.min(a, b));
  const most = (values) => values.reduce((a, b) => Math.max(a, b));
  let [x0, x1] = [options.xLow ?? least(xs), options.xHigh ?? most(xs)];
  let [y0, y1] = [options.yLow ?? least(ys), options.yHigh ?? most(ys)];
  if (options.categories) [x0, x1] = [-0.3, options.categories.length - 0.7];
  if (x0 === x1) [x0, x1] = [x0 - 0.5, x1 + 0.5];
  if (options.log && y1 / y0 < 1.5) [y0, y1] = [y0 / 1.5, y1 * 1.5];
  else if (y0 === y1) [y0, y1] = y0 === 0 ? [0, 1] : [y0 - Math.abs(y0) * 0.1, y1 + Math.abs(y1) * 0.1];
  else if (!options.log) {
    const room = (y1 - y0) * 0.05;
    [y0, y1] = [options.yLow ?? (y0 >= 0 ? Math.max(0, y0 - room) : y0 - room), options.yHigh ?? y1 + room];
  }
  const map = options.log ? Math.log10 : (value) => value;
  const X = (x) => left + ((x - x0) / (x1 - x0)) * (W - left - right);
  const Y = (y) => H - bottom - ((map(y) - map(y0)) / (map(y1) - map(y0))) * (H - top - bottom);
  const xText = (x) => (options.categories ? options.categories[x] : number(x));
  const chart = svg('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': `${options.title}: ${series.map((line) => line.name).join(', ')}` });
  if (options.shade) {
    const [from, to, what] = options.shade;
    chart.append(svg('rect', { class: 'shade', x: X(from), y: top, width: Math.max(0, X(to) - X(from)), height: H - top - bottom }),
      svg('text', { class: 'tick', x: X(to) - 4, y: top + 12, 'text-anchor': 'end' }, what));
  }
  for (const y of options.log ? logTicks(y0, y1) : ticks(y0, y1, 5))
    chart.append(svg('line', { class: 'rule', x1: left, x2: W - right, y1: Y(y), y2: Y(y) }),
      svg('text', { class: 'tick', x: left - 6, y: Y(y) + 4, 'text-anchor': 'end' }, text(y)));
  let xTicks = options.categories ? options.categories.map((_, i) => i) : ticks(x0, x1, 7);
  if (options.whole) xTicks = xTicks.filter(Number.isInteger);
  for (const x of xTicks) chart.append(svg('text', { class: 'tick', x: X(x), y: H - bottom + 16, 'text-anchor': 'middle' }, xText(x)));
  chart.append(svg('text', { x: left + (W - left - right) / 2, y: H - 6, 'text-anchor': 'middle' }, options.xLabel || ''),
    svg('text', { x: 13, y: top + (H - top - bottom) / 2, 'text-anchor': 'middle', transform: `rotate(-90 13 ${top + (H - top - bottom) / 2})` }, options.yLabel || ''));
  for (const line of series) {
    const stroke = line.stroke || colour(line.index);
    let path = '';
    let open = false;
    line.y.forEach((y, i) => {
      if (positive(y)) path += `${open ? 'L' : 'M'}${X(line.x[i]).toFixed(1)},${Y(y).toFixed(1)}`;
      open = positive(y);
    });
    chart.append(svg('path', { d: path, fill: 'none', stroke, 'stroke-width': 1.8, 'stroke-dasharray': line.dash, 'stroke-linejoin': 'round' }));
    const few = line.y.length <= 60;
    line.y.forEach((y, i) => {
      if (positive(y) && ((line.points && few) || line.y.length === 1))
        chart.append(svg('path', { d: marker(line.index, X(line.x[i]), Y(y), 3), fill: stroke }));
    });
  }
  for (const mark of options.marks || [])
    chart.append(svg('circle', { cx: X(mark.x), cy: Y(mark.y), r: 6.5, fill: 'none', stroke: colour(mark.index), 'stroke-width': 2 },
      svg('title', {}, mark.text)));
  const guide = svg('line', { class: 'guide', y1: top, y2: H - bottom });
  const move = (event) => {
    const box = chart.getBoundingClientRect();
    const at = x0 + (((event.clientX - box.left) / box.width) * W - left) / (W - left - right) * (x1 - x0);
    const near = (line) => {
      let best = -1;
      line.x.forEach((x, i) => {
        if (positive(line.y[i]) && (best < 0 || Math.abs(x - at) < Math.abs(line.x[best] - at))) best = i;
      });
      return best;
    };
    const hits = series.map((line) => [line, near(line)]).filter(([, i]) => i >= 0);
    if (hits.length === 0) return;
    const x = hits.map(([line, i]) => line.x[i]).reduce((a, b) => (Math.abs(b - at) < Math.abs(a - at) ? b : a));
    const close = hits.filter(([line, i]) => Math.abs(line.x[i] - x) <= (x1 - x0) / 50);
    guide.setAttribute('x1', X(x));
    guide.setAttribute('x2', X(x));
    guide.style.visibility = 'visible';
    showTip(event, [`${options.xLabel ? `${options.xLabel} ` : ''}${xText(x)}`,
      ...close.slice(0, 24).map(([line, i]) => `${line.name}: ${text(line.y[i])}`)].join('\n'));
  };
  chart.append(guide, svg('rect', { class: 'catch', x: left, y: top, width: W - left - right, height: H - top - bottom, onpointermove: move,
    onpointerleave: () => { hideTip(); guide.style.visibility = 'hidden'; } }));
  return figure(options.title, options.note, chart, (series.length > 1 || options.legend) && legend(series), valuesTable(options.xLabel || '', xText, series));
}

/* ---- columns -------------------------------------------------------------------------------- */

/* options: {title, note, xLabel, yLabel, categories, series: [{name, index, values}, …], small, text, line}:
 * columns whose values are stacked; line: position of a vertical line among the categories. */
function columnChart(options) {
  const { categories, series } = options;
  const text = options.text || number;
  const [W, H, left, right, top, bottom] = options.small ? [300, 170, 46, 8, 8, 34] : [560, 300, 62, 14, 10, 44];
  const totals = categories.map((_, i) => sum(series.map((part) => part.values[i])));
  const highest = Math.max(...totals, 0);
  if (!(highest > 0)) return figure(options.title, options.note || 'no values');
  const Y = (y) => H - bottom - (y / highest) * (H - top - bottom);
  const step = (W - left - right) / categories.length;
  const chart = svg('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': `${options.title}: ${series.map((part) => part.name).join(', ')}` });
  for (const y of ticks(0, highest, options.small ? 3 : 5))
    chart.append(svg('line', { class: 'rule', x1: left, x2: W - right, y1: Y(y), y2: Y(y) }),
      svg('text', { class: 'tick', x: left - 5, y: Y(y) + 4, 'text-anchor': 'end' }, text(y)));
  const every = Math.ceil(categories.length / (options.small ? 5 : 12));
  categories.forEach((category, i) => {
    const x = left + i * step;
    let base = 0;
    for (const part of series) {
      const value = known(part.values[i]) ? part.values[i] : 0;
      chart.append(svg('rect', { x: x + step * 0.08, width: step * 0.84, y: Y(base + value), height: Math.max(0, Y(base) - Y(base + value)), fill: colour(part.index) }));
      base += value;
    }
    if (i % every === 0) chart.append(svg('text', { class: 'tick', x: x + step / 2, y: H - bottom + 14, 'text-anchor': 'middle' }, category));
    chart.append(svg('rect', { class: 'catch', x, width: step, y: top, height: H - top - bottom, onpointerleave: hideTip,
      onpointermove: (event) => showTip(event, [`${options.xLabel ? `${options.xLabel} ` : ''}${options.full ? options.full[i] : category}`,
        ...series.map((part) => `${part.name}: ${text(part.values[i])}`)].join('\n')) }));
  });
  if (known(options.line))
    chart.append(svg('line', { x1: left + options.line * step, x2: left + options.line * step, y1: top, y2: H - bottom, stroke: 'var(--text)', 'stroke-dasharray': '4 3' }));
  chart.append(svg('text', { x: left + (W - left - right) / 2, y: H - 4, 'text-anchor': 'middle' }, options.xLabel || ''));
  if (!options.small)
    chart.append(svg('text', { x: 13, y: top + (H - top - bottom) / 2, 'text-anchor': 'middle', transform: `rotate(-90 13 ${top + (H - top - bottom) / 2})` }, options.yLabel || ''));
  const lines = series.map((part) => ({ ...part, x: categories.map((_, i) => i), y: part.values }));
  return figure(options.title, options.note, chart, series.length > 1 && columnLegend(series),
    valuesTable(options.xLabel || '', (i) => (options.full || categories)[i], lines));
}

function columnLegend(series) {
  return html('div', { class: 'legend' }, series.map((part) =>
    html('span', {}, html('span', { class: 'swatch', style: `background:${colour(part.index)}` }), part.name)));
}
