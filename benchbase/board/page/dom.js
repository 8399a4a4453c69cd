// Elements, numbers and the tooltip. Text reaches the page as text nodes and attributes only.
const SVG = 'http://www.w3.org/2000/svg';
const NOTHING = '–';
const $ = id => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'at') for (const [side, where] of Object.entries(value)) node.style[side] = where;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(
    ...children
      .flat(9)
      .filter(child => child !== null && child !== undefined && child !== false)
      .map(child => (child.nodeType ? child : String(child))),
  );
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const minus = text => text.replace('-', '−');
const num = (x, digits = 2) => (x === null || x === undefined ? NOTHING : minus(x.toFixed(digits)));
const signed = x => (Math.abs(x) < 0.005 ? '0.00' : (x > 0 ? '+' : '') + num(x));
const percent = x => `${+(100 * x).toFixed(1)} %`;
const known = x => x !== null && x !== undefined;

function si(x) {
  if (!known(x)) return NOTHING;
  for (const [factor, unit] of [
    [1, ''],
    [1e3, 'k'],
    [1e6, 'M'],
    [1e9, 'G'],
    [1e12, 'T'],
    [1e15, 'P'],
    [1e18, 'E'],
  ]) {
    const scaled = x / factor;
    const text = unit || scaled !== Math.trunc(scaled) ? scaled.toFixed(scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2) : String(scaled);
    if (+text < 1000) return text + unit;
  }
  return x.toExponential(1);
}
const range = spread => (!spread ? NOTHING : si(spread[1]) === si(spread[2]) ? si(spread[0]) : `${si(spread[1])}–${si(spread[2])}`);
const interval = ([mean, low, high]) => (known(low) ? `${signed(mean)} [${signed(low)}, ${signed(high)}]` : `${signed(mean)} (one seed)`);
const crossed = gap => (known(gap[4]) ? `[${signed(gap[4])}, ${signed(gap[5])}]` : '');
const accuracy = entry => (entry && known(entry.mean) ? num(entry.mean) + (known(entry.std) ? ` ± ${num(entry.std)}` : '') : NOTHING);
const span = pair => (!pair ? NOTHING : pair[0] === pair[1] ? String(pair[0]) : `${pair[0]}–${pair[1]}`);
function duration(s) {
  return s < 100 ? `${s.toFixed(1)} s` : s < 6000 ? `${(s / 60).toFixed(1)} min` : `${(s / 3600).toFixed(1)} h`;
}
const count = (n, noun) => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

// A tooltip for the mouse and for the keyboard: `text` is a function, asked when it is shown.
function tip(node, text) {
  const show = event => {
    const box = $('tip'),
      at = node.getBoundingClientRect();
    box.textContent = text();
    box.hidden = false;
    const x = event.type === 'focus' || !event.clientX ? at.left + at.width / 2 : event.clientX;
    const y = event.type === 'focus' || !event.clientY ? at.bottom : event.clientY;
    const room = box.getBoundingClientRect();
    box.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - room.width - 6))}px`;
    box.style.top = `${y + 16 + room.height > innerHeight ? Math.max(6, y - room.height - 12) : y + 16}px`;
  };
  const hide = () => {
    $('tip').hidden = true;
  };
  node.setAttribute('aria-describedby', 'tip');
  for (const name of ['mouseenter', 'mousemove', 'focus']) node.addEventListener(name, show);
  for (const name of ['mouseleave', 'blur']) node.addEventListener(name, hide);
  return node;
}

function copyButton(text) {
  const button = el(
    'button',
    {
      class: 'quiet copy',
      type: 'button',
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(text);
          button.textContent = 'Copied';
        } catch {
          getSelection().selectAllChildren(button.nextSibling);
          button.textContent = 'Selected';
        }
        setTimeout(() => {
          button.textContent = 'Copy';
        }, 1500);
      },
    },
    'Copy',
  );
  return button;
}
