// The table: sorted by any column, a page at a time.
const SMALL = matchMedia('(max-width: 44rem)').matches;
const PER_PAGE = SMALL ? 12 : 50;
const cellOf = (row, name) => {
  const entry = row.entries[name];
  if (!entry) return [];
  return [
    accuracy(entry),
    entry.link ? el('sup', {title: 'shares its runs'}, entry.link) : null,
    entry.lost ? el('small', {class: 'v-scratch'}, `${entry.lost} failed`) : null,
    entry.n !== row.n ? el('small', {}, `n ${entry.n}`) : null,
  ];
};
const gapOf = name => ({value: row => row.gaps[name] && row.gaps[name][0], show: row => (row.gaps[name] ? interval(row.gaps[name]) : '')});

function sparkline(row, table, width = 96, height = 22) {
  const layers = row.widths.map((kept, i) => [kept, table.layers[i][1]]).filter(([kept]) => known(kept));
  if (!layers.length) return null;
  const most = Math.max(...layers.map(([, of]) => of)),
    step = width / layers.length,
    wide = Math.max(step - (step > 3 ? 1 : 0), 0.5),
    tall = value => Math.max(1, height * Math.sqrt(value / most));
  const bar = (name, i, value) =>
    draw('rect', {
      class: name,
      x: (i * step).toFixed(2),
      width: wide.toFixed(2),
      y: (height - tall(value)).toFixed(2),
      height: tall(value).toFixed(2),
    });
  return draw(
    'svg',
    {
      class: 'spark',
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': `channels kept by layer: ${layers.map(([kept, of]) => `${+kept.toFixed(1)} of ${of}`).join(', ')}`,
    },
    layers.flatMap(([kept, of], i) => [bar('of', i, of), bar('kept', i, kept)]),
  );
}
const COLUMNS = [
  {
    id: 'order',
    name: 'Method',
    left: true,
    first: true,
    value: cell => cell.row.method,
    show: ({row, table}) => [
      el('button', {class: 'open', type: 'button', 'data-row': row.id, onclick: () => openCard(row.id)}, row.method),
      row.published ? null : ' †',
      el('small', {}, state.table || DATA.tables.filter(t => t.smoke === state.smoke).length === 1 ? null : `${table.title}`),
    ],
  },
  {
    id: 'budget',
    name: 'Budget',
    left: true,
    value: cell => cell.row.asked ?? cell.row.budget,
    show: ({row}) => [row.budget, row.achieved ? el('small', {class: row.missed ? 'v-scratch' : ''}, `${percent(row.achieved[0])} removed`) : null],
  },
  {id: 'verdict', name: 'Verdict', left: true, value: cell => Object.keys(KEYS).indexOf(cell.row.says), show: ({row}) => verdict(row)},
  {id: 'matched', name: 'Gap, matched', ...lift(gapOf('matched'))},
  {id: 'paper', name: 'finetune − scratch-b', grey: true, ...lift(gapOf('paper'))},
  {
    id: 'rank',
    name: 'Rank',
    value: cell => {
      const rank = cell.row.ranks[state.protocol];
      return rank && rank[0] + rank[1] / 1e4;
    },
    show: ({row}) =>
      row.ranks[state.protocol]
        ? tip(
            el('span', {}, rankText(row.ranks[state.protocol]), el('small', {}, `at ${row.point}×`)),
            () => `${state.protocol}, among networks at ${row.point}× fewer`,
          )
        : '',
  },
  {
    id: 'macs',
    name: 'MACs',
    value: cell => cell.row.macs && cell.row.macs[0],
    show: ({row}) => (row.macs ? [range(row.macs), el('small', {}, `${num(row.speedup, 2)}×`)] : ''),
  },
  {
    id: 'params',
    name: 'Params',
    value: cell => cell.row.params && cell.row.params[0],
    show: ({row}) => (row.params ? [range(row.params), el('small', {}, `${num(row.compression, 2)}×`)] : ''),
  },
  {
    id: 'widths',
    name: 'Kept widths',
    value: cell => (cell.row.widths ? cell.row.widths.reduce((a, b) => a + (b || 0), 0) : null),
    show: ({row, table}) => (row.widths && row.widths.length ? tip(el('span', {}, sparkline(row, table)), () => widthsText(row, table)) : ''),
  },
];
const rankText = ([low, high, of]) => `${low}–${high} of ${of}`; // an interval, even where it is one rank
function lift({value, show}) {
  return {value: cell => value(cell.row), show: cell => show(cell.row)};
}
function widthsText(row, table) {
  const found = row.widths
    .map((kept, i) => (known(kept) ? `${table.layers[i][0]} ${+kept.toFixed(1)} of ${table.layers[i][1]}` : ''))
    .filter(Boolean);
  return found.slice(0, 14).join('\n') + (found.length > 14 ? `\n… ${found.length - 14} more` : '');
}
function columnsFor(cells) {
  const names = protocols(cells).filter(name => name !== 'one-shot, BN recomputed' && name !== 'own base');
  const accuracies = names.map(name => ({
    id: `p ${name}`,
    name,
    value: cell => cell.row.entries[name] && cell.row.entries[name].mean,
    show: ({row}) => cellOf(row, name),
  }));
  const rest = [
    {id: 'n', name: 'Seeds', value: cell => cell.row.n, show: ({row}) => row.n},
    {id: 'tier', name: 'Tier', left: true, value: cell => cell.row.tier, show: ({row}) => row.tier},
  ];
  return [...COLUMNS, ...accuracies, ...rest].filter(column => column.first || cells.some(cell => known(column.value(cell))));
}

function sorted(cells, columns) {
  const column = columns.find(found => found.id === state.sort);
  if (!column || (state.sort === 'order' && !state.touched)) return cells;
  const compare = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', {numeric: true}));
  return [...cells].sort((one, two) => {
    const a = column.value(one),
      b = column.value(two);
    if (!known(a) || !known(b)) return known(b) - known(a); // cells without a value stand last, whichever way
    return (state.down ? -1 : 1) * compare(a, b);
  });
}
function sortBy(id, down) {
  Object.assign(state, {
    down: down ?? (state.sort === id && state.touched ? !state.down : !['order', 'budget', 'verdict', 'tier', 'rank'].includes(id)),
    sort: id,
    page: 0,
    touched: true,
  });
  renderTable(visible());
}
function renderTable(cells) {
  const columns = columnsFor(cells),
    all = sorted(cells, columns),
    pages = Math.max(1, Math.ceil(all.length / PER_PAGE));
  state.page = Math.min(state.page, pages - 1);
  const head = columns.map(column =>
    el(
      'th',
      {
        scope: 'col',
        class: column.left ? 'l' : '',
        'aria-sort': state.touched && state.sort === column.id ? (state.down ? 'descending' : 'ascending') : null,
      },
      el(
        'button',
        {
          type: 'button',
          'data-sort': column.id,
          onclick: () => {
            sortBy(column.id);
            $('table')
              .querySelector(`[data-sort="${CSS.escape(column.id)}"]`)
              .focus();
          },
        },
        column.name,
      ),
    ),
  );
  const body = all.slice(PER_PAGE * state.page, PER_PAGE * (state.page + 1)).map(cell =>
    el(
      'tr',
      {'data-row': cell.row.id},
      columns.map(column =>
        el(
          'td',
          {class: [column.left && 'l', column.grey && 'grey'].filter(Boolean).join(' '), 'data-label': column.name},
          el('span', {class: 'val'}, column.show(cell)),
        ),
      ),
    ),
  );
  $('table').tHead.replaceChildren(el('tr', {}, head));
  $('table').tBodies[0].replaceChildren(...body);
  $('sort').replaceChildren(
    ...columns.flatMap(column =>
      [false, true].map(down =>
        el(
          'option',
          {value: `${down ? '-' : '+'}${column.id}`, selected: state.touched && state.sort === column.id && state.down === down},
          `${column.name} ${down ? '↓' : '↑'}`,
        ),
      ),
    ),
  );
  const turn = (text, step) =>
    el(
      'button',
      {
        class: 'quiet',
        type: 'button',
        disabled: state.page + step < 0 || state.page + step >= pages,
        onclick: () => {
          state.page += step;
          renderTable(visible());
          $('h-table').scrollIntoView();
        },
      },
      text,
    );
  $('pages').replaceChildren(...(pages > 1 ? [turn('← Previous', -1), `page ${state.page + 1} of ${pages}`, turn('Next →', 1)] : []));
}
