// The data, and which cells of it are shown.
const DATA = JSON.parse($('data').textContent);
const PAPERS = JSON.parse($('papers').textContent);
const KEYS = {
  'weights matter': 'matter',
  'weights help a little': 'little',
  'architecture is enough': 'enough',
  'scratch is better': 'scratch',
  undecided: 'undecided',
  provisional: 'provisional',
  'no verdict': 'none',
};
const KINDS = {structured: 'channels and blocks', weights: 'single weights'};
const GAPS = {matched: 'finetune-matched − scratch-matched', paper: 'finetune − scratch-b', 'same epochs': 'finetune − scratch-e'};
const CELLS = DATA.tables.flatMap(table =>
  table.rows.map(row => ({
    table,
    row,
    text: [row.method, row.about, row.budget, table.dataset, table.model, row.says, ...row.flags, ...row.reasons].join(' ').toLowerCase(),
  })),
);
const BY_ID = new Map(CELLS.map(cell => [cell.row.id, cell]));
const titles = DATA.tables.map(table => `${table.dataset} · ${table.model}`);
DATA.tables.forEach((table, i) => {
  const same = titles.filter(title => title === titles[i]).length > 1;
  table.title = same ? `${titles[i]}, ${table.epochs} epochs` : titles[i];
});

const state = {
  smoke: false,
  q: '',
  table: '',
  dataset: '',
  model: '',
  method: '',
  kind: '',
  says: new Set(),
  sort: 'order',
  down: false,
  page: 0,
  rows: 40,
  protocol: '',
  gap: '',
};

const inTab = cell => cell.table.smoke === state.smoke;
function visible(without = '') {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  return CELLS.filter(
    cell =>
      inTab(cell) &&
      (!state.table || without === 'table' || cell.table.id === state.table) &&
      (!state.dataset || cell.table.dataset === state.dataset) &&
      (!state.model || cell.table.model === state.model) &&
      (!state.method || cell.row.name === state.method) &&
      (!state.kind || cell.row.kind === state.kind) &&
      (without === 'says' || !state.says.size || state.says.has(cell.row.says)) &&
      words.every(word => cell.text.includes(word)),
  );
}
function grouped(cells) {
  const groups = new Map();
  for (const cell of cells) {
    if (!groups.has(cell.table)) groups.set(cell.table, []);
    groups.get(cell.table).push(cell);
  }
  return groups;
}
const distinct = values => [...new Set(values)].sort((a, b) => a.localeCompare(b, 'en', {numeric: true}));
const ORDER = [
  'unpruned',
  'own base',
  'one-shot',
  'one-shot, BN recomputed',
  'finetune',
  'finetune-matched',
  'rewind',
  'rewind-early',
  'scratch-e',
  'scratch-b',
  'scratch-b-cap2',
  'scratch-matched',
  'unpruned-long',
];
function protocols(cells) {
  const found = new Set(cells.flatMap(cell => Object.keys(cell.row.entries)));
  return [...ORDER.filter(name => found.has(name)), ...distinct([...found].filter(name => !ORDER.includes(name)))];
}
const CONVERGED = {true: ['yes', 'base converged'], false: ['no', 'base not converged'], null: ['', 'base not known to have converged']};
const badge = table => {
  const [kind, text] = CONVERGED[table.base.converged];
  return tip(el('span', {class: `badge ${kind}`, tabindex: 0}, text), () => table.base.text);
};
const verdict = row => {
  const node = el('span', {class: `v v-${KEYS[row.says]}`}, row.says);
  return row.reasons.length ? tip(node, () => row.reasons.join('\n')) : node;
};
