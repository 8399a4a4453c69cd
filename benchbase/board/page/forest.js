// The forest plot: a row for each cell, its gap at equal compute in the colour of its verdict, the paper's gap in grey.
const median = values => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] || 0;
};

// The ends of the axis. What lies beyond is cut, so that one row does not press all others flat.
function scaleOf(rows, delta) {
  const gaps = rows.flatMap(row => (row.gaps.matched ? [row.gaps.matched] : []));
  const used = gaps.length ? gaps : rows.flatMap(row => (row.gaps.paper ? [row.gaps.paper] : []));
  const points = used.flatMap(gap => gap.slice(0, 3).filter(known)),
    most = Math.max(8 * delta, 2.5 * median(used.map(gap => Math.max(...gap.slice(0, 3).filter(known).map(Math.abs)))));
  const low = Math.max(-most, Math.min(-3 * delta, ...points)),
    high = Math.min(most, Math.max(3 * delta, ...points)),
    pad = 0.05 * (high - low);
  return {low: low - pad, high: high + pad};
}
// Round numbers between two ends, about as many as asked for.
function ticks(low, high, about) {
  const raw = (high - low) / about,
    power = 10 ** Math.floor(Math.log10(raw)),
    step = [1, 2, 5, 10].map(f => f * power).find(f => f >= raw * 0.999),
    found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(+(k * step).toFixed(9));
  return found;
}
function forestPlot(row, table, scale) {
  const {low: left, high: right} = scale,
    at = points => `${(100 * (points - left)) / (right - left)}%`,
    wide = points => `${(100 * points) / (right - left)}%`;
  const plot = el(
    'span',
    {class: 'plot', 'aria-hidden': 'true'},
    el('i', {class: 'in', at: {left: at(-table.delta), width: wide(2 * table.delta)}}),
    el('i', {class: 'zero', at: {left: at(0)}}),
  );
  const mark = (gap, kind, top) => {
    if (!gap) return;
    const [mean, low, high] = gap;
    if (known(low)) {
      const from = Math.max(low, left),
        to = Math.min(high, right);
      if (to > from) plot.append(el('i', {class: `line ${kind}`, at: {left: at(from), width: wide(to - from), top}}));
      for (const end of [low, high])
        if (end >= left && end <= right && !kind.includes('grey')) plot.append(el('i', {class: `end ${kind}`, at: {left: at(end), top}}));
    }
    if (mean >= left && mean <= right) plot.append(el('i', {class: `dot ${kind}`, at: {left: at(mean), top}}));
    if ((known(low) ? low : mean) < left) plot.append(el('i', {class: `off left ${kind}`, at: {top}}));
    if ((known(high) ? high : mean) > right) plot.append(el('i', {class: `off right ${kind}`, at: {top}}));
  };
  const key = KEYS[row.says],
    hollow = row.word && row.word !== 'undecided' ? '' : 'hollow';
  mark(row.gaps.paper, 'grey', row.gaps.matched ? '76%' : '50%');
  mark(row.gaps.matched, `v-${key} ${key} ${hollow}`, row.gaps.paper ? '38%' : '50%');
  return plot;
}
function gapTip(row, table) {
  const lines = [`${row.method}, ${row.budget} · ${table.title}`, row.says + (row.reasons.length ? `: ${row.reasons.join('; ')}` : '')];
  for (const [name, gap] of Object.entries(row.gaps))
    lines.push(`${GAPS[name]}: ${interval(gap)}, n ${gap[3]}${known(gap[4]) ? `; over test images too ${crossed(gap)}` : ''}`);
  return lines.concat(`band: ± ${table.delta} points`).join('\n');
}
function forestRow({row, table}, scale) {
  const numbers = el(
    'span',
    {class: 'nums'},
    row.gaps.matched ? el('span', {class: 'num'}, interval(row.gaps.matched)) : null,
    row.gaps.paper ? el('small', {class: 'num'}, interval(row.gaps.paper)) : null,
  );
  return tip(
    el(
      'button',
      {class: 'frow', type: 'button', 'data-row': row.id, onclick: () => openCard(row.id)},
      el(
        'span',
        {class: 'who'},
        row.method,
        row.published ? null : ' †',
        el(
          'small',
          {},
          row.budget,
          known(row.speedup) ? [` · ${num(row.speedup, 1)}×`, el('span', {class: 'wide-only'}, ' fewer MACs')] : null,
          ` · n ${row.n}`,
        ),
      ),
      forestPlot(row, table, scale),
      numbers,
      el('span', {class: `v v-${KEYS[row.says]}`}, row.says),
    ),
    () => gapTip(row, table),
  );
}
function renderForest(cells) {
  const withGap = cells.filter(cell => cell.row.gaps.matched || cell.row.gaps.paper),
    shown = withGap.slice(0, state.rows),
    parts = [];
  for (const [table, members] of grouped(shown)) {
    const scale = scaleOf(
        withGap.filter(cell => cell.table === table).map(cell => cell.row),
        table.delta,
      ),
      wide = scale.high - scale.low;
    const label = x => el('span', {at: {left: `${(100 * (x - scale.low)) / wide}%`}}, x ? signed(x).replace(/\.?0+$/, '') : '0');
    parts.push(
      el(
        'div',
        {class: 'group'},
        el('header', {}, el('h3', {}, table.title), badge(table), el('small', {class: 'muted'}, `band ± ${table.delta} points`)),
        el(
          'div',
          {class: 'faxis', 'aria-hidden': 'true'},
          el('span', {}, 'scratch better ◂ │ ▸ weights matter'),
          el('span', {class: 'ticks'}, ticks(scale.low + 0.04 * wide, scale.high - 0.04 * wide, 5).map(label)),
          el('span'),
          el('span'),
        ),
        members.map(cell => forestRow(cell, scale)),
      ),
    );
  }
  if (!parts.length)
    parts.push(el('p', {class: 'muted'}, cells.length ? 'None of these cells has both sides of a gap.' : 'No cell fits the filter.'));
  if (withGap.length > shown.length)
    parts.push(
      el(
        'button',
        {
          class: 'quiet more',
          type: 'button',
          onclick: () => {
            state.rows += 100;
            renderForest(visible());
          },
        },
        `Show ${Math.min(100, withGap.length - shown.length)} more of ${withGap.length}`,
      ),
    );
  $('forest').replaceChildren(...parts);
}
