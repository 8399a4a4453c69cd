// The selection as a CSV file.
// Spreadsheets compute what starts like a formula: such cells get an apostrophe in front.
const csvCell = value => {
  const text = String(value ?? '');
  const safe = /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
function downloadCsv() {
  const cells = sorted(visible(), columnsFor(visible())),
    names = protocols(cells);
  const head = [
    'dataset',
    'model',
    'method',
    'budget',
    'kind',
    'verdict',
    ...Object.keys(GAPS).flatMap(name => [`gap ${name}`, 'low', 'high']),
    'macs',
    'params',
    ...names.flatMap(name => [name, 'std', 'n']),
  ];
  const lines = cells.map(({row, table}) => [
    table.dataset,
    table.model,
    row.method,
    row.budget,
    row.kind,
    row.says,
    ...Object.keys(GAPS).flatMap(name => (row.gaps[name] || [null, null, null]).slice(0, 3)),
    row.macs && row.macs[0],
    row.params && row.params[0],
    ...names.flatMap(name => {
      const entry = row.entries[name] || {};
      return [entry.mean, entry.std, entry.n];
    }),
  ]);
  const url = URL.createObjectURL(new Blob([[head, ...lines].map(line => line.map(csvCell).join(',')).join('\r\n') + '\r\n'], {type: 'text/csv'}));
  el('a', {href: url, download: 'benchbase.csv'}).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
