/// <reference lib="dom" />
// What makes a report's page live, in the browser. It imports nothing at run time: its text becomes part of the page.
// Data reaches the page as text nodes and attributes only, so that no name in it is ever markup.
import type { PageCase, PageColumn, PageData, PageNumber, PagePictures } from './pageData.js';

const data = JSON.parse(byId('data').textContent ?? '') as PageData;
const root = document.documentElement;
const dialog = byId('case') as HTMLDialogElement;

function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}

type Child = Node | string;

/** A new element; attributes that are false are left out. */
function make(
  name: string,
  attributes: Readonly<Record<string, string | boolean>> = {},
  ...children: readonly Child[]
): HTMLElement {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

const numberOf = (value: PageNumber) =>
  value === null ? Number.NaN : typeof value === 'number' ? value : value === 'inf' ? Infinity : -Infinity;

function show(value: PageNumber, decimals: number): string {
  if (value === null) return '–';
  if (typeof value === 'string') return value === 'inf' ? '∞' : '−∞';
  return value.toFixed(decimals).replace('-', '−');
}

// The theme: the system's until the button is used, then remembered where the browser lets us.

const themeButton = byId('theme');
const darkSystem = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : darkSystem.matches);
const nameTheme = () => {
  themeButton.textContent = isDark() ? 'Light' : 'Dark';
};
try {
  const kept = localStorage.getItem('voxstream-theme');
  if (kept === 'light' || kept === 'dark') root.dataset.theme = kept;
} catch {
  // Pages opened as files may not be allowed to remember anything.
}
darkSystem.addEventListener('change', nameTheme);
nameTheme();
themeButton.addEventListener('click', () => {
  root.dataset.theme = isDark() ? 'light' : 'dark';
  nameTheme();
  try {
    localStorage.setItem('voxstream-theme', root.dataset.theme);
  } catch {
    // As above.
  }
});

// The table of cases.

interface Condition {
  readonly column: PageColumn;
  readonly holds: (value: number) => boolean;
}

/** What the table is sorted by: a column's number in `data.columns`, or one of the others. */
type SortKey = number | 'case' | 'seconds';

const table = document.getElementById('table');
let label = data.labels[0] ?? '';
let filter: { words: string[]; conditions: Condition[] } = { words: [], conditions: [] };
let sort: { by: SortKey; down: boolean; worst?: boolean } | undefined;
/** The cases that the table shows, in its order: what the dialog steps through. */
let shown: PageCase[] = data.cases.slice();

const shownColumns = () => data.columns.filter((column) => column.label === label || column.label === '');

const operators: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '=': (a, b) => a === b,
};

/** Takes a filter's text apart: conditions such as `dice<0.8`, and words that names must hold. Throws what is wrong. */
function parseFilter(text: string): typeof filter {
  const words: string[] = [];
  const conditions: Condition[] = [];
  const parts = text.replace(/\s*(<=|>=|<|>|=)\s*/g, '$1').split(/\s+/);
  for (const part of parts.filter(Boolean)) {
    const match = /^([^<>=]+)(<=|>=|<|>|=)([^<>=]*)$/.exec(part);
    if (!match) {
      words.push(part.toLowerCase());
      continue;
    }
    const [, name, sign, limit] = match;
    const column =
      data.columns.find((known) => known.name === name) ??
      shownColumns().find((known) => known.metric === name);
    // A name may hold such a sign as well.
    if (!column) {
      words.push(part.toLowerCase());
      continue;
    }
    const bound = limit === 'inf' ? Infinity : Number(limit);
    if (limit === '' || Number.isNaN(bound)) throw new Error(`${name}${sign} needs a number`);
    conditions.push({ column, holds: (value) => operators[sign](value, bound) });
  }
  return { words, conditions };
}

const metricOf = (item: PageCase, column: PageColumn) => numberOf(item.values[data.columns.indexOf(column)]);

function sortValue(item: PageCase, by: SortKey): number {
  if (by === 'case') return data.cases.indexOf(item);
  return by === 'seconds' ? item.seconds : numberOf(item.values[by]);
}

const byName = new Intl.Collator(undefined, { numeric: true });

function order(a: PageCase, b: PageCase): number {
  if (!sort) return data.cases.indexOf(a) - data.cases.indexOf(b);
  const sense = sort.down ? -1 : 1;
  if (sort.by === 'case') return sense * byName.compare(a.id, b.id);
  const [x, y] = [sortValue(a, sort.by), sortValue(b, sort.by)];
  // What is not defined comes last either way.
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  return x === y ? 0 : sense * (x < y ? -1 : 1);
}

function refresh(): void {
  if (!table) return;
  const count = byId('count');
  const text = (byId('filter') as HTMLInputElement).value;
  count.classList.remove('fault');
  try {
    filter = parseFilter(text);
  } catch (error) {
    count.textContent = (error as Error).message;
    count.classList.add('fault');
    return;
  }
  shown = data.cases
    .filter(
      (item) =>
        filter.words.every((word) => item.id.toLowerCase().includes(word)) &&
        filter.conditions.every(({ column, holds }) => holds(metricOf(item, column))),
    )
    .sort(order);
  count.textContent = `${shown.length} of ${data.cases.length} cases`;
  document.getElementById('worst')?.setAttribute('aria-pressed', String(sort?.worst === true));
  table.querySelector('thead')!.replaceChildren(headRow());
  table.querySelector('tbody')!.replaceChildren(...shown.map(bodyRow));
}

function headRow(): HTMLElement {
  const head = (title: string, by: SortKey) => {
    const button = make('button', { type: 'button' }, title);
    button.addEventListener('click', () => {
      // The first click sorts numbers the worse way, names from A; the second turns it round; the third ends it.
      const first = typeof by === 'number' ? data.columns[by].better === 'lower' : by === 'seconds';
      if (sort?.by !== by || sort.worst) sort = { by, down: first };
      else sort = sort.down === first ? { by, down: !first } : undefined;
      refresh();
      const again = [...table!.querySelectorAll<HTMLElement>('thead button')];
      again.find((other) => other.textContent === title)?.focus();
    });
    const state = sort?.by === by && (sort.down ? 'descending' : 'ascending');
    return make('th', { scope: 'col', 'aria-sort': state ?? false }, button);
  };
  return make(
    'tr',
    {},
    head('Case', 'case'),
    ...shownColumns().map((column) => head(column.title, data.columns.indexOf(column))),
    head('Seconds', 'seconds'),
  );
}

function bodyRow(item: PageCase): HTMLElement {
  const name = make('span', { class: 'case-name' });
  const axial = item.pictures?.planes.find((plane) => plane.name === 'axial');
  if (item.pictures && axial) name.append(stack(item.pictures, axial, 'lazy'));
  name.append(make('button', { type: 'button', class: 'link' }, item.id));
  const row = make(
    'tr',
    {},
    make('th', { scope: 'row' }, name),
    ...shownColumns().map((column) =>
      make('td', {}, show(item.values[data.columns.indexOf(column)], column.decimals)),
    ),
    make('td', {}, item.seconds.toFixed(1)),
  );
  row.addEventListener('click', () => open(item));
  return row;
}

/** A slice with the contours over it; lazy ones are fetched once they come into view. */
function stack(
  pictures: PagePictures,
  plane: PagePictures['planes'][number],
  loading: 'lazy' | 'eager' = 'eager',
): HTMLElement {
  const image = (file: string, mask?: string) =>
    make('img', {
      src: `${pictures.folder}/${plane.name}${file}`,
      alt: '',
      loading,
      draggable: 'false',
      'data-mask': mask ?? false,
    });
  // The reference's contour is the wider one, so it lies below.
  const masks = pictures.masks.slice().reverse();
  const layers = masks.map((mask) => image(`-${mask}.svg`, mask));
  const element = make('span', { class: 'stack' }, ...(pictures.grey ? [image('.png')] : []), ...layers);
  element.style.aspectRatio = `${plane.mm[0]} / ${plane.mm[1]}`;
  return element;
}

// One case, in a dialog.

function open(item: PageCase): void {
  const place = shown.indexOf(item);
  const step = (title: string, target: PageCase | undefined, key: string) => {
    const button = make('button', { type: 'button', disabled: !target, 'aria-keyshortcuts': key }, title);
    if (target) button.addEventListener('click', () => open(target));
    return button;
  };
  const close = make('button', { type: 'button' }, 'Close');
  close.addEventListener('click', () => dialog.close());
  const viewer = document.querySelector('meta[name="voxstream-viewer"]')?.getAttribute('content');
  const bar = make(
    'div',
    { class: 'case-bar' },
    make('h2', { id: 'case-title' }, item.id),
    ...(viewer && item.pictures?.volumes
      ? [make('a', { href: `${viewer}?case=${encodeURIComponent(item.id)}` }, '3D view')]
      : []),
    step('Previous', shown[place - 1], 'ArrowLeft'),
    step('Next', shown[place + 1], 'ArrowRight'),
    close,
  );
  const body = make(
    'div',
    { class: 'case-body' },
    ...(item.pictures
      ? pictureView(item.pictures)
      : [make('p', { class: 'note' }, 'There are no pictures of it.')]),
    ...(item.unpictured ? [make('p', { class: 'note' }, item.unpictured)] : []),
    caseTable(item),
    ...(item.pictures?.volumes && !viewer
      ? [make('p', { class: 'note' }, 'To look at it in 3D: voxstream report FOLDER --open')]
      : []),
  );
  dialog.replaceChildren(bar, body);
  if (!dialog.open) dialog.showModal();
  bar.scrollIntoView();
  history.replaceState(null, '', `#case=${encodeURIComponent(item.id)}`);
}

dialog.addEventListener('close', () => history.replaceState(null, '', location.pathname + location.search));
dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener('keydown', (event) => {
  const place = shown.findIndex(({ id }) => id === byId('case-title').textContent);
  const target = event.key === 'ArrowLeft' ? place - 1 : event.key === 'ArrowRight' ? place + 1 : -1;
  if (place >= 0 && shown[target]) {
    event.preventDefault();
    open(shown[target]);
  }
});

/** Where the patient's sides are in a slice; see `Plane`. */
const sides = {
  axial: { left: 'R', right: 'L', top: 'A', bottom: 'P' },
  coronal: { left: 'R', right: 'L', top: 'S', bottom: 'I' },
  sagittal: { left: 'A', right: 'P', top: 'S', bottom: 'I' },
} as const;

/** Contours that are switched off stay so from case to case. */
const off = new Set<string>();

function pictureView(pictures: PagePictures): HTMLElement[] {
  const row = make('div', { class: 'pictures' });
  const paint = () => {
    for (const layer of row.querySelectorAll<HTMLElement>('[data-mask]')) {
      layer.hidden = off.has(layer.dataset.mask!);
    }
  };
  // One scale for all: the width of each is as many shares as it has mm.
  const tallest = Math.max(...pictures.planes.map(({ mm }) => mm[1]));
  row.style.maxWidth = `calc(62vh * ${pictures.planes.reduce((sum, { mm }) => sum + mm[0], 0) / tallest})`;
  for (const plane of pictures.planes) {
    const frame = stack(pictures, plane);
    for (const [place, letter] of Object.entries(sides[plane.name])) {
      frame.append(make('span', { class: `side ${place}` }, letter));
    }
    const button = make(
      'button',
      { type: 'button', 'aria-pressed': 'false', 'aria-label': `Enlarge the ${plane.name} slice` },
      frame,
      plane.name,
    );
    button.style.flexGrow = String(plane.mm[0]);
    button.addEventListener('click', () => {
      const large = button.classList.toggle('large');
      button.setAttribute('aria-pressed', String(large));
      frame.style.maxWidth = large ? `calc(82vh * ${plane.mm[0] / plane.mm[1]})` : '';
    });
    row.append(button);
  }
  const legend = make('div', { class: 'legend' });
  for (const mask of pictures.masks) {
    const box = make('input', { type: 'checkbox', checked: !off.has(mask) }) as HTMLInputElement;
    box.addEventListener('change', () => {
      if (box.checked) off.delete(mask);
      else off.add(mask);
      paint();
    });
    legend.append(make('label', {}, box, make('i', { class: mask }), mask));
  }
  if (pictures.window) {
    const [low, high] = pictures.window.map((value) => show(Number(value.toPrecision(4)), 0));
    legend.append(make('span', {}, `shown from ${low} (black) to ${high} (white)`));
  }
  paint();
  return [legend, row];
}

/** A case's metrics, a row for each label. */
function caseTable(item: PageCase): HTMLElement {
  const metrics = data.columns.filter(
    (column, i) => data.columns.findIndex((other) => other.metric === column.metric) === i,
  );
  const labels = [...new Set(data.columns.map((column) => column.label))];
  const rows = labels.map((name) => {
    const cells = metrics.map(({ metric }) => {
      const column = data.columns.find((other) => other.metric === metric && other.label === name);
      return column ? show(item.values[data.columns.indexOf(column)], column.decimals) : '';
    });
    return make(
      'tr',
      {},
      make('th', { scope: 'row' }, name || '–'),
      ...cells.map((cell) => make('td', {}, cell)),
    );
  });
  if (rows.length === 0) return make('p', { class: 'note' }, 'No metrics were computed for it.');
  const heads = ['Label', ...metrics.map(({ title }) => title)];
  const head = make('tr', {}, ...heads.map((title) => make('th', { scope: 'col' }, title)));
  return make(
    'div',
    { class: 'scroll' },
    make('table', { class: 'numbers' }, make('thead', {}, head), make('tbody', {}, ...rows)),
  );
}

// Plots: which one is shown, what a point is, and its case on a click.

for (const list of document.querySelectorAll<HTMLSelectElement>('select[data-choose]')) {
  list.addEventListener('change', () => {
    const panes = document.querySelectorAll<HTMLElement>(`[data-choice="${list.dataset.choose}"]`);
    panes.forEach((pane, i) => {
      pane.hidden = i !== Number(list.value);
    });
  });
}

const tip = byId('tip');
const pointOf = (event: Event) => {
  const point = event.target instanceof SVGElement ? event.target.dataset : {};
  return point.case === undefined
    ? undefined
    : { item: data.cases[Number(point.case)], value: Number(point.value) };
};
document.addEventListener('pointerover', (event) => {
  const point = pointOf(event);
  tip.hidden = !point;
  if (!point) return;
  tip.textContent = `${point.item.id}: ${Number(point.value.toPrecision(4))}`.replace('-', '−');
  tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY + 14}px`;
});
document.addEventListener('click', (event) => {
  const point = pointOf(event);
  const name = event.target instanceof HTMLElement ? event.target.dataset.open : undefined;
  const item = point?.item ?? data.cases.find(({ id }) => id === name);
  if (item) open(item);
});

// The tools above the table.

/** The cases that the table shows, in its order, with all columns, as `metrics.csv` has them (RFC 4180). */
function shownCsv(): string {
  const field = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = shown.map(({ id, values }) => [
    id,
    ...values.map((value) => (value === null ? '' : String(value))),
  ]);
  const lines = [['case', ...data.columns.map(({ name }) => name)], ...rows];
  return lines.map((line) => `${line.map(field).join(',')}\r\n`).join('');
}

/** Puts a text on the clipboard; false when the browser does not let us. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The newer way is for pages of servers alone in some browsers.
    const area = make('textarea') as HTMLTextAreaElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

document.getElementById('filter')?.addEventListener('input', refresh);
const chooseLabel = (name: string) => {
  label = name;
  if (typeof sort?.by === 'number') sort = undefined;
  refresh();
};
document.getElementById('label')?.addEventListener('change', (event) => {
  chooseLabel((event.target as HTMLSelectElement).value);
});
const tabs = document.querySelectorAll<HTMLElement>('button[data-label]');
for (const tab of tabs) {
  tab.addEventListener('click', () => {
    for (const other of tabs) other.setAttribute('aria-pressed', String(other === tab));
    chooseLabel(tab.dataset.label!);
  });
}
document.getElementById('copy')?.addEventListener('click', async (event) => {
  const button = event.target as HTMLElement;
  const copied = await copy(shownCsv());
  button.textContent = copied ? 'Copied' : 'Not allowed here';
  setTimeout(() => (button.textContent = 'Copy CSV'), 1500);
});
document.getElementById('worst')?.addEventListener('click', () => {
  const column = shownColumns().find(({ better }) => better);
  if (column && !sort?.worst) {
    sort = { by: data.columns.indexOf(column), down: column.better === 'lower', worst: true };
  } else sort = undefined;
  refresh();
});
refresh();

const linked = /^#case=(.+)$/.exec(location.hash)?.[1];
const first = data.cases.find(({ id }) => encodeURIComponent(id) === linked);
if (first) open(first);
