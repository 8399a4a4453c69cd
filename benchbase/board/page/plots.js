// Accuracy and gap against multiply-adds, one pair of figures a table.
const COLOURS = Array.from({length: 8}, (_, i) => `var(--c${i})`); // Okabe and Ito's, told apart by the colour-blind; shapes differ as well
const SHAPES = [
  r => `M0 ${-r}A${r} ${r} 0 1 1 0 ${r}A${r} ${r} 0 1 1 0 ${-r}Z`,
  r => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  r => `M0 ${-1.3 * r}L${1.2 * r} ${0.9 * r}H${-1.2 * r}Z`,
  r => `M0 ${-1.35 * r}L${1.35 * r} 0L0 ${1.35 * r}L${-1.35 * r} 0Z`,
  r => `M0 ${1.3 * r}L${1.2 * r} ${-0.9 * r}H${-1.2 * r}Z`,
];
const METHODS = distinct(CELLS.map(cell => cell.row.method));
const look = method => {
  const i = METHODS.indexOf(method);
  return {colour: COLOURS[i % COLOURS.length], shape: SHAPES[(i + Math.floor(i / 40)) % SHAPES.length]};
};
const CONTROLS = ['random', 'uniform'];
const HEIGHT = 300,
  LEFT = 46,
  RIGHT = 14,
  TOP = 14,
  BOTTOM = 42;

function frame(width, macs, dense, low, high, name) {
  const from = Math.log2(Math.min(...macs)) - 0.25,
    to = Math.log2(dense) + 0.2;
  const x = value => LEFT + ((Math.log2(value) - from) / (to - from)) * (width - LEFT - RIGHT),
    y = value => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const svg = draw('svg', {viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: 'group', 'aria-label': name});
  for (const value of ticks(low, high, 5)) {
    svg.append(
      draw('line', {class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value)}),
      draw('text', {x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end'}, minus(String(value))),
    );
  }
  for (let k = 0; k <= to - from; k++) {
    const value = dense / 2 ** k;
    if (Math.log2(value) < from) break;
    svg.append(
      draw('line', {class: 'grid', x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM}),
      draw('text', {x: x(value), y: HEIGHT - BOTTOM + 17, 'text-anchor': 'middle'}, k ? `${2 ** k}× fewer` : si(dense)),
    );
  }
  svg.append(draw('text', {class: 'name', x: width - RIGHT, y: HEIGHT - 5, 'text-anchor': 'end'}, 'multiply-adds left →'));
  return {svg, x, y, width};
}
const macsOf = row => (row.macs && row.macs[0] > 0 ? row.macs[0] : null);
const path = (points, x, y) => points.map(([a, b], i) => `${i ? 'L' : 'M'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('');
const byMacs = (a, b) => macsOf(a.row) - macsOf(b.row);

function mark(cell, cx, cy, text, whisker) {
  const {colour, shape} = look(cell.row.method),
    hollow = cell.row.kind === 'weights';
  const node = draw(
    'g',
    {
      class: 'mark',
      tabindex: 0,
      role: 'button',
      'aria-label': text().replaceAll('\n', ', '),
      'data-method': cell.row.method,
      'data-row': cell.row.id,
      color: colour,
      onclick: () => openCard(cell.row.id),
      onkeydown: event => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          openCard(cell.row.id);
        }
      },
    },
    whisker ? draw('line', {x1: cx, x2: cx, y1: whisker[0], y2: whisker[1], stroke: colour, 'stroke-width': 1.3, opacity: 0.7}) : null,
    draw('circle', {class: 'hit', cx, cy, r: 12}),
    draw('path', {
      d: shape(4.3),
      transform: `translate(${cx} ${cy})`,
      fill: hollow ? 'var(--card)' : colour,
      stroke: hollow ? colour : 'var(--card)',
      'stroke-width': hollow ? 1.7 : 0.8,
    }),
  );
  return tip(node, text);
}
// The cells that no other of their kind beats with as few multiply-adds.
function front(cells, value) {
  let best = -Infinity;
  return [...cells].sort((a, b) => byMacs(a, b) || value(b) - value(a)).filter(cell => value(cell) > best && ((best = value(cell)), true));
}
function accuracyPlot(table, cells, protocol, width) {
  const value = cell => cell.row.entries[protocol].mean;
  const used = cells.filter(cell => cell.row.entries[protocol] && known(cell.row.entries[protocol].mean) && macsOf(cell.row));
  if (!used.length || !table.dense) return null;
  const stars = PAPERS.compared.filter(c => c.row && c.protocol === protocol && used.some(cell => cell.row.id === c.row));
  const level = table.unpruned && table.unpruned.mean,
    std = cell => cell.row.entries[protocol].std || 0;
  const values = [
    ...used.flatMap(cell => [value(cell) - std(cell), value(cell) + std(cell)]),
    ...(known(level) ? [level] : []),
    ...stars.map(c => c.paper[0]),
  ];
  const pad = Math.max(0.25, 0.07 * (Math.max(...values) - Math.min(...values)));
  const {svg, x, y} = frame(
    width,
    used.map(cell => macsOf(cell.row)),
    table.dense.macs,
    Math.max(0, Math.min(...values) - pad),
    Math.min(100.5, Math.max(...values) + pad),
    `Top-1 of ${protocol} against multiply-adds, ${table.title}`,
  );
  if (known(level))
    svg.append(
      draw('line', {class: 'dense', x1: LEFT, x2: width - RIGHT, y1: y(level), y2: y(level)}),
      draw('text', {class: 'name', x: LEFT + 6, y: y(level) - 6}, `dense ${num(level)}`),
    );
  for (const kind of Object.keys(KINDS)) {
    const best = front(
      used.filter(cell => cell.row.kind === kind),
      value,
    );
    if (best.length > 1)
      svg.append(
        draw('path', {
          class: `front ${kind}`,
          d: best
            .map((cell, i) => `${i ? `H${x(macsOf(cell.row)).toFixed(1)}V` : `M${x(macsOf(cell.row)).toFixed(1)} `}${y(value(cell)).toFixed(1)}`)
            .join(''),
        }),
      );
  }
  for (const [method, members] of groupBy(used, cell => cell.row.method)) {
    const points = members.sort(byMacs).map(cell => [macsOf(cell.row), value(cell)]),
      control = CONTROLS.find(name => members[0].row.name === name);
    if (points.length > 1)
      svg.append(
        draw('path', {class: control || 'curve', 'data-method': method, stroke: control ? null : look(method).colour, d: path(points, x, y)}),
      );
  }
  for (const c of stars) {
    const cell = used.find(found => found.row.id === c.row);
    svg.append(
      tip(
        draw('path', {
          class: 'star',
          tabindex: 0,
          transform: `translate(${x(macsOf(cell.row))} ${y(c.paper[0])})`,
          d: 'M0 -7L2 -2L7 -2L3 1.5L4.5 7L0 3.6L-4.5 7L-3 1.5L-7 -2L-2 -2Z',
        }),
        () => `The paper: ${num(c.paper[0])} (${c.method}, ${c.target})\n${c.source}`,
      ),
    );
  }
  svg.append(
    ...used.map(cell =>
      mark(
        cell,
        x(macsOf(cell.row)),
        y(value(cell)),
        () =>
          [
            `${cell.row.method}, ${cell.row.budget}`,
            `${protocol}: ${accuracy(cell.row.entries[protocol])}, n ${cell.row.entries[protocol].n}`,
            `${range(cell.row.macs)} MACs (${num(cell.row.speedup, 2)}× fewer), ${range(cell.row.params)} params`
          ].join('\n'),
        std(cell) ? [y(value(cell) - std(cell)), y(value(cell) + std(cell))] : null,
      ),
    ),
  );
  return svg;
}
function gapPlot(table, cells, name, width) {
  const used = cells.filter(cell => cell.row.gaps[name] && macsOf(cell.row));
  if (!used.length || !table.dense) return null;
  const {low, high} = scaleOf(
    used.map(cell => ({gaps: {matched: cell.row.gaps[name]}})),
    table.delta,
  );
  const {svg, x, y} = frame(
    width,
    used.map(cell => macsOf(cell.row)),
    table.dense.macs,
    low,
    high,
    `${GAPS[name]} against multiply-adds, ${table.title}`,
  );
  svg.prepend(
    draw('rect', {class: 'band', x: LEFT, width: width - LEFT - RIGHT, y: y(table.delta), height: y(-table.delta) - y(table.delta)}),
    draw('line', {class: 'zero', x1: LEFT, x2: width - RIGHT, y1: y(0), y2: y(0)}),
  );
  const within = points => Math.max(low, Math.min(high, points)),
    names = distinct(used.map(cell => cell.row.method)),
    step = Math.min(7, 60 / names.length);
  svg.append(
    ...used.map(cell => {
      const gap = cell.row.gaps[name],
        cx = x(macsOf(cell.row)) + step * (names.indexOf(cell.row.method) - (names.length - 1) / 2);
      return mark(cell, cx, y(within(gap[0])), () => gapTip(cell.row, table), known(gap[1]) ? [y(within(gap[1])), y(within(gap[2]))] : null);
    }),
  );
  return svg;
}
function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) || []), item]);
  return groups;
}
function legend(cells, fade) {
  const item = (text, symbol, on) =>
    el(
      'li',
      {},
      el(
        'button',
        {
          type: 'button',
          onmouseenter: on && (() => fade(text)),
          onfocus: on && (() => fade(text)),
          onmouseleave: () => fade(''),
          onblur: () => fade(''),
        },
        draw('svg', {viewBox: '0 0 22 14', 'aria-hidden': 'true'}, symbol),
        text,
      ),
    );
  const methods = distinct(cells.map(cell => cell.row.method)).map(method =>
    item(method, draw('path', {d: look(method).shape(4.3), transform: 'translate(11 7)', fill: look(method).colour}), true),
  );
  return el('ul', {class: 'legend', 'aria-label': 'Methods'}, methods);
}
function renderPlots(cells) {
  const groups = [...grouped(cells)].slice(0, 4),
    parts = [],
    columns = innerWidth > 1100 ? 2 : 1;
  const width = Math.max(260, Math.min(1200, ($('plots').clientWidth - 22 * (columns - 1)) / columns) - 38);
  for (const [table, members] of groups) {
    const figures = [
      [accuracyPlot(table, members, state.protocol, width), `Top-1 of ${state.protocol}, %`],
      [gapPlot(table, members, state.gap, width), `${GAPS[state.gap]}, points`],
    ].filter(([svg]) => svg);
    const fade = method =>
      figures.forEach(([svg]) =>
        svg
          .querySelectorAll('[data-method]')
          .forEach(node => node.classList.toggle('faded', Boolean(method) && node.getAttribute('data-method') !== method)),
      );
    for (const [svg, title] of figures)
      parts.push(el('figure', {}, el('figcaption', {}, el('b', {}, title), el('span', {class: 'muted'}, table.title)), svg, legend(members, fade)));
  }
  const left = grouped(cells).size - groups.length;
  if (left > 0) parts.push(el('p', {class: 'muted'}, `${count(left, 'more table')}: choose one above.`));
  if (!parts.length) parts.push(el('p', {class: 'muted'}, 'Nothing to draw here.'));
  $('plots').replaceChildren(...parts);
}
