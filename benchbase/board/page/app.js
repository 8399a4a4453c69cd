// Tabs, filters, theme; draws all parts anew when the selection changes.
function renderCounts() {
  const cells = visible('says'),
    counts = groupBy(cells, cell => cell.row.says);
  $('counts').replaceChildren(
    ...Object.entries(KEYS)
      .filter(([word]) => counts.has(word) || state.says.has(word))
      .map(([word, key]) =>
        el(
          'button',
          {
            class: `chip v-${key}`,
            type: 'button',
            'aria-pressed': String(state.says.has(word)),
            'data-says': word,
            onclick: () => {
              state.says.has(word) ? state.says.delete(word) : state.says.add(word);
              refresh();
              $('counts').querySelector(`[data-says="${word}"]`)?.focus();
            },
          },
          el('b', {}, (counts.get(word) || []).length),
          el('span', {}, word),
        ),
      ),
  );
}
function renderBoards() {
  const groups = grouped(visible('table'));
  const words = Object.entries(KEYS);
  $('boards').replaceChildren(
    ...[...groups].slice(0, 24).map(([table, cells]) =>
      el(
        'li',
        {},
        el(
          'button',
          {
            type: 'button',
            'aria-pressed': String(state.table === table.id),
            'data-table': table.id,
            onclick: () => {
              state.table = state.table === table.id ? '' : table.id;
              refresh();
              $('boards').querySelector(`[data-table="${table.id}"]`)?.focus();
            },
          },
          el('b', {}, table.title),
          el(
            'small',
            {},
            `${count(cells.length, 'cell')} · ${table.recipe.split(',')[0]} · ${table.unpruned ? `dense ${accuracy(table.unpruned)}` : ''}`,
          ),
          el('span', {}, el('span', {class: `badge ${CONVERGED[table.base.converged][0]}`}, CONVERGED[table.base.converged][1])),
          el(
            'span',
            {class: 'stack', 'aria-hidden': 'true'},
            words.map(([word, key]) => {
              const n = cells.filter(cell => cell.row.says === word).length;
              return n ? el('i', {class: `v-${key}`, at: {width: `${(100 * n) / cells.length}%`}}) : null;
            }),
          ),
        ),
      ),
    ),
  );
}
function choose(id, values, any) {
  const node = $(id),
    key = id.replace('f-', '');
  node.replaceChildren(
    el('option', {value: ''}, any),
    ...values.map(value => el('option', {value, selected: state[key] === value}, KINDS[value] || value)),
  );
}
function renderFilters(cells) {
  const all = CELLS.filter(inTab);
  choose('f-dataset', distinct(all.map(cell => cell.table.dataset)), 'all');
  choose('f-model', distinct(all.map(cell => cell.table.model)), 'all');
  choose('f-method', distinct(all.map(cell => cell.row.name)), 'all');
  choose('f-kind', distinct(all.map(cell => cell.row.kind)), 'all');
  $('shown').textContent = cells.length === all.length ? count(all.length, 'cell') : `${cells.length} of ${count(all.length, 'cell')}`;
  const names = protocols(cells).filter(name => name !== 'unpruned' && name !== 'unpruned-long'),
    gaps = Object.keys(GAPS).filter(name => cells.some(cell => cell.row.gaps[name]));
  if (!names.includes(state.protocol))
    state.protocol = ['finetune-matched', 'finetune', 'scratch-matched'].find(name => names.includes(name)) || names[0] || '';
  if (!gaps.includes(state.gap)) state.gap = gaps[0] || 'matched';
  $('protocol').replaceChildren(...names.map(value => el('option', {value, selected: value === state.protocol}, value)));
  $('gap').replaceChildren(...gaps.map(value => el('option', {value, selected: value === state.gap}, GAPS[value])));
}
function renderLead() {
  const said = state.smoke ? DATA.smoke : DATA.headline;
  $('sentence').textContent = said.sentence;
  $('aside').textContent = said.aside;
  $('warning').hidden = !state.smoke;
}
function refresh() {
  Object.assign(state, {page: 0, rows: SMALL ? 15 : 40});
  const cells = visible();
  renderFilters(cells);
  renderCounts();
  renderBoards();
  renderForest(cells);
  renderPlots(cells);
  renderTable(cells);
}
function showTab(smoke) {
  Object.assign(state, {smoke, table: '', dataset: '', model: '', method: '', kind: ''});
  state.says.clear();
  for (const [id, own] of [
    ['tab-evidence', !smoke],
    ['tab-smoke', smoke],
  ]) {
    $(id).setAttribute('aria-selected', String(own));
    $(id).tabIndex = own ? 0 : -1;
  }
  $('main').setAttribute('aria-labelledby', smoke ? 'tab-smoke' : 'tab-evidence');
  renderLead();
  renderClaims();
  renderCompared();
  renderLedger();
  refresh();
}
const THEMES = ['', 'light', 'dark'],
  THEME_NAMES = {'': 'auto', light: 'light', dark: 'dark'};
function setTheme(theme) {
  document.documentElement.setAttribute('data-theme', theme);
  $('theme').textContent = `Theme: ${THEME_NAMES[theme]}`;
  try {
    localStorage.setItem('benchbase-theme', theme);
  } catch {
    /* no storage: the choice lasts as long as the page */
  }
}
function wire() {
  let waiting = 0,
    wide = innerWidth;
  const later = (call, ms) => {
    clearTimeout(waiting);
    waiting = setTimeout(call, ms);
  };
  $('q').addEventListener('input', () =>
    later(() => {
      state.q = $('q').value;
      refresh();
    }, 120),
  );
  for (const key of ['dataset', 'model', 'method', 'kind'])
    $(`f-${key}`).addEventListener('change', event => {
      state[key] = event.target.value;
      refresh();
    });
  for (const key of ['protocol', 'gap'])
    $(key).addEventListener('change', event => {
      state[key] = event.target.value;
      renderPlots(visible());
      renderTable(visible());
    });
  $('sort').addEventListener('change', event => sortBy(event.target.value.slice(1), event.target.value[0] === '-'));
  $('reset').addEventListener('click', () => {
    $('q').value = state.q = '';
    showTab(state.smoke);
  });
  $('filters').addEventListener('submit', event => event.preventDefault());
  $('csv').addEventListener('click', downloadCsv);
  $('theme').addEventListener('click', () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.getAttribute('data-theme') || '') + 1) % 3]));
  const tabs = [$('tab-evidence'), $('tab-smoke')];
  tabs.forEach((tab, i) => {
    tab.addEventListener('click', () => showTab(Boolean(i)));
    tab.addEventListener('keydown', event => {
      if (['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) {
        event.preventDefault();
        const next = event.key === 'Home' ? 0 : event.key === 'End' ? 1 : 1 - i;
        tabs[next].focus();
        showTab(Boolean(next));
      }
    });
  });
  document.addEventListener('keydown', event => {
    if (event.key === '/' && !$('card').open && !['INPUT', 'SELECT'].includes(event.target.tagName)) {
      event.preventDefault();
      $('q').focus();
    }
  });
  $('card').addEventListener('click', event => {
    if (event.target === $('card')) $('card').close();
  });
  $('card').addEventListener('close', () => history.replaceState(null, '', location.pathname + location.search));
  addEventListener('resize', () => {
    if (innerWidth !== wide) {
      wide = innerWidth;
      later(() => renderPlots(visible()), 150);
    }
  });
}
let theme = '';
try {
  theme = localStorage.getItem('benchbase-theme') || '';
} catch {
  /* as the system */
}
setTheme(THEMES.includes(theme) ? theme : '');
wire();
const wanted = BY_ID.get(location.hash.replace(/^#cell-/, ''));
showTab(wanted ? wanted.table.smoke : !DATA.tables.some(table => !table.smoke) && DATA.tables.length > 0);
if (wanted) openCard(wanted.row.id);
