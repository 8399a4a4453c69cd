// What the papers report beside what was measured.
function renderClaims() {
  const shown = PAPERS.claims.filter(claim => claim.smoke === state.smoke);
  $('claims').replaceChildren(
    ...shown.map(claim => {
      const all = claim.agree + claim.against + claim.unclear,
        word = claim.agree === all ? 'agrees' : claim.agree > claim.against ? 'mostly agrees' : claim.against > claim.agree ? 'disagrees' : 'unclear';
      const key = claim.agree > claim.against ? 'enough' : claim.against > claim.agree ? 'scratch' : 'undecided';
      return el(
        'div',
        {class: 'claim'},
        el(
          'p',
          {},
          `${claim.text}. `,
          el(
            'span',
            {class: 'muted'},
            `We measured, on ${claim.dataset}: so in ${claim.agree} of ${all} cells, not so in ${claim.against}, unclear in ${claim.unclear}.`,
          ),
        ),
        el('span', {class: `v v-${key}`}, word),
      );
    }),
  );
}
function renderCompared() {
  const known_ = PAPERS.compared.filter(c => c.ours),
    missing = PAPERS.compared.filter(c => !c.ours),
    parts = [];
  const said = c => num(c.paper[0]) + (known(c.paper[1]) ? ` ± ${num(c.paper[1])}` : '');
  const line = c => [
    [
      c.row ? el('button', {class: 'link', type: 'button', onclick: () => openCard(c.row)}, c.method) : c.method,
      el('small', {}, `${c.dataset}, ${c.model}, ${c.target}`),
    ],
    c.protocol,
    tip(el('span', {tabindex: 0}, said(c)), () => c.source),
    c.ours ? accuracy({mean: c.ours[0], std: c.ours[1]}) : NOTHING,
    c.difference ? interval(c.difference).replace(' (one seed)', '') : NOTHING,
    el('span', {class: `v v-${{yes: 'enough', no: 'scratch'}[c.agrees] || 'none'}`}, c.agrees),
  ];
  const head = ['method', 'protocol', 'paper', 'we', 'difference [95 %]', 'agrees?'];
  if (state.smoke) parts.push(el('p', {class: 'muted'}, 'The papers report no numbers on digits.'));
  else {
    parts.push(
      known_.length
        ? grid(head, known_.map(line))
        : el(
            'p',
            {class: 'muted'},
            PAPERS.compared.length
              ? 'No cell of this board repeats one that the papers report: none has the same data set, network and target.'
              : 'No method on this board comes with numbers of its paper.',
          ),
    );
    if (missing.length)
      parts.push(
        el('details', {}, el('summary', {}, `${count(missing.length, 'reported number')} not measured here yet`), grid(head, missing.map(line))),
      );
  }
  $('compared').replaceChildren(...parts);
}
function renderLedger() {
  const sums = new Map();
  for (const table of DATA.tables.filter(found => found.smoke === state.smoke)) {
    for (const [phase, runs, epochs, images, macs, seconds] of table.ledger) {
      const sum = sums.get(phase) || [0, 0, 0, 0, 0];
      sums.set(
        phase,
        [runs, epochs, images, macs, seconds].map((value, i) => sum[i] + value),
      );
    }
  }
  $('ledger').replaceChildren(
    ...(sums.size
      ? [
          el(
            'details',
            {},
            el('summary', {}, 'What all of it cost'),
            grid(
              ['phase', 'runs', 'epochs', 'images', 'MACs', 'time'],
              [...sums].map(([phase, [runs, epochs, images, macs, seconds]]) => [
                phase,
                runs.toLocaleString('en'),
                si(epochs),
                si(images),
                si(macs),
                duration(seconds),
              ]),
            ),
          ),
        ]
      : []),
  );
}
