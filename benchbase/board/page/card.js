// The card of a cell: all that its records say.
const grid = (head, rows) =>
  el(
    'div',
    {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': head.join(', ')},
    el(
      'table',
      {},
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          head.map((text, i) => el('th', {scope: 'col', class: i ? '' : 'l'}, text)),
        ),
      ),
      el(
        'tbody',
        {},
        rows.map(row =>
          el(
            'tr',
            {},
            row.map((text, i) => el('td', {class: i ? '' : 'l'}, text)),
          ),
        ),
      ),
    ),
  );
const code = text => [copyButton(text), el('pre', {}, text)];
const fact = (name, value) => (value ? el('div', {}, el('dt', {}, name), el('dd', {}, value)) : null);

function bibOf(row, table) {
  const fields = {
    title: `{${tex(`${row.method} at ${row.budget} on ${table.dataset}, ${table.model}`)}}`,
    howpublished: `benchbase leaderboard, protocol version 1, cell ${row.id}`,
    note: `${tex(row.folder)}, key ${row.key.slice(0, 16) || 'none'}`
  };
  const own = `@misc{benchbase-${row.id},\n${Object.entries(fields)
    .map(([name, value]) => `  ${name} = {${value}}`)
    .join(',\n')}\n}`;
  const cited = PAPERS.methods[row.name];
  return cited ? `${cited.bibtex}\n\n${own}` : own;
}
const tex = text =>
  text.replace(
    /[\\{}$&#_%^~]/g,
    found => ({'\\': '\\textbackslash{}', '^': '\\textasciicircum{}', '~': '\\textasciitilde{}'})[found] || `\\${found}`,
  );

function cardParts(row, table) {
  const unpruned = row.entries.unpruned,
    spent = groupBy(row.costs || [], cost => cost[0]),
    lock = table.locks[row.lock] || {};
  const entries = protocols([{row}]).map(name => [name, row.entries[name]]);
  return [
    el(
      'dl',
      {class: 'facts'},
      fact('Verdict', verdict(row)),
      fact('Why no word', row.reasons.join('; ')),
      fact('Asked', row.budget),
      fact('Removed', row.achieved && `${percent(row.achieved[0])} of ${row.unit}${row.missed ? ', beyond the tolerance' : ''}`),
      fact('MACs', row.macs && `${range(row.macs)} of ${si(table.dense.macs)} (${num(row.speedup, 2)}×)`),
      fact('Parameters', row.params && `${range(row.params)} of ${si(table.dense.params)} (${num(row.compression, 2)}×)`),
      fact('Seeds', row.seeds),
      fact('Tier', row.tier),
      fact('Base', badge(table)),
    ),
    row.flags.length
      ? [
          el('h3', {}, 'What a reader must know'),
          el(
            'ul',
            {class: 'flags'},
            row.flags.map(flag => el('li', {}, flag)),
          ),
        ]
      : null,
    el('h3', {}, 'Gaps, points of top-1, paired by seed'),
    Object.keys(row.gaps).length
      ? grid(
          ['gap', 'mean [95 %]', 'n', 'seeds and test images [95 %]'],
          Object.entries(row.gaps).map(([name, gap]) => [GAPS[name], interval(gap), gap[3], crossed(gap)]),
        )
      : el('p', {class: 'muted'}, 'None has both sides.'),
    el('h3', {}, 'Top-1 by protocol, %'),
    grid(
      ['protocol', 'mean ± std', 'n', 'drop', `rank${row.point ? ` at ${row.point}×` : ''}`, 'epochs', 'by seed'],
      entries.map(([name, entry]) => [
        [name, entry.link ? el('sup', {}, entry.link) : null],
        accuracy(entry),
        entry.n,
        unpruned && known(entry.mean) && name !== 'unpruned' ? signed(unpruned.mean - entry.mean) : '',
        row.ranks[name] ? rankText(row.ranks[name]) : '',
        span(entry.e),
        entry.v.map(([, value]) => num(value)).join('\u2002'),
      ]),
    ),
    [...new Set(entries.map(([, entry]) => entry.link).filter(Boolean))].map(letter =>
      el('p', {class: 'muted'}, el('sup', {}, letter), ` ${table.links[letter]}`),
    ),
    row.widths && row.widths.length
      ? [
          el('h3', {}, 'Channels kept, layer by layer'),
          tip(el('span', {}, sparkline(row, table, Math.min(640, innerWidth - 60), 70)), () => widthsText(row, table)),
        ]
      : null,
    spent.size
      ? [
          el('h3', {}, 'Ledger, means over seeds'),
          grid(
            ['protocol', 'phase', 'epochs', 'images', 'MACs', 'time'],
            row.costs.map(([protocol, phase, epochs, images, macs, seconds]) => [
              protocol,
              phase,
              String(epochs),
              si(images),
              si(macs),
              duration(seconds),
            ]),
          ),
        ]
      : null,
    el('h3', {}, 'The command that makes it again'),
    row.command ? code(row.command[0] + table.recipes[row.command[1]]) : null,
    el('h3', {}, 'Made with'),
    code(
      [
        ...Object.entries(lock).map(([name, found]) => `${name} ${found.join(' | ')}`),
        `data ${table.dataset} sha256 ${table.fingerprint}`,
        row.about,
      ].join('\n'),
    ),
    el('h3', {}, 'BibTeX'),
    code(bibOf(row, table)),
    PAPERS.methods[row.name] ? el('p', {class: 'muted'}, PAPERS.methods[row.name].paper) : null,
    el('p', {}, 'Records: ', el('a', {href: row.folder.split('/').map(encodeURIComponent).join('/')}, row.folder)),
  ];
}
function openCard(id) {
  const cell = BY_ID.get(id);
  if (!cell) return;
  const {row, table} = cell,
    card = $('card');
  $('tip').hidden = true;
  card.replaceChildren(
    el(
      'header',
      {},
      el('div', {}, el('h2', {id: 'card-title'}, `${row.method}, ${row.budget}`), el('p', {class: 'muted'}, `${table.title} · ${table.recipe}`)),
      el('button', {class: 'quiet', type: 'button', onclick: () => card.close(), autofocus: true}, 'Close'),
    ),
    el('div', {class: 'in'}, cardParts(row, table)),
  );
  if (!card.open) card.showModal();
  card.scrollTop = 0;
  history.replaceState(null, '', `#cell-${id}`);
}
