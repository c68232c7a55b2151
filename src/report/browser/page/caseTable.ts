import type { PageCase, PageColumn, PageData } from '../../browserData.js';
import { byId, make } from '../dom.js';
import type { CaseNotes } from './caseNotes.js';
import { copy, csvOf } from './csv.js';
import { download, fileNamePart, flash } from './download.js';
import { type Mark, parseFilter } from './filter.js';
import { inOrder, type Order, orderAfterClick, type SortKey, worstFirst } from './order.js';
import { thumbnail } from './stack.js';
import { valueCell } from './valueCell.js';

/** More columns beside the name of the case do not fit on a printed page. */
const mostPrinted = 13;

/**
 * The table of cases with its tools: label, filter, order and CSV. A page without finished cases has no
 * table.
 */
export class CaseTable {
  readonly #table = byId<HTMLTableElement>('table');
  readonly #filter = byId<HTMLInputElement>('filter');
  readonly #count = byId('count');
  readonly #worst = document.getElementById('worst');
  /** Whether the time of any case is known. */
  readonly #timed: boolean;
  #label: string;
  #order: Order | undefined;
  #shown: readonly PageCase[];

  constructor(
    readonly data: PageData,
    readonly notes: CaseNotes,
    readonly onOpen: (item: PageCase) => void,
  ) {
    this.#timed = data.cases.some(({ seconds }) => seconds > 0);
    this.#label = data.labels[0] ?? '';
    this.#shown = data.cases;
    this.#filter.addEventListener('input', () => this.#refresh());
    this.#worst?.addEventListener('click', () => {
      this.#order = this.#order?.worst ? undefined : worstFirst(data.columns, this.#columns());
      this.#refresh();
    });
    this.#addLabelChoice();
    this.#addCsvButtons();
    notes.onChange(() => this.#refresh());
    this.#refresh();
  }

  /** The cases that the table shows, in its order. */
  get shown(): readonly PageCase[] {
    return this.#shown;
  }

  /** The columns of the chosen label, and those that belong to no label. */
  #columns(): PageColumn[] {
    return this.data.columns.filter(({ label }) => label === this.#label || label === '');
  }

  #refresh(): void {
    let passes: (item: PageCase) => boolean;
    try {
      const { columns, groups } = this.data;
      const hasMark = (item: PageCase, mark: Mark) => this.#marks(item)[mark];
      passes = parseFilter(this.#filter.value, { columns, groups, label: this.#label, hasMark });
    } catch (error) {
      this.#count.textContent = (error as Error).message;
      this.#count.classList.add('fault');
      return;
    }
    this.#shown = inOrder(this.data.cases.filter(passes), this.#order);
    this.#count.textContent = `${this.#shown.length} of ${this.data.cases.length} cases`;
    this.#count.classList.remove('fault');
    this.#worst?.setAttribute('aria-pressed', String(this.#order?.worst === true));
    this.#tellUnprinted();
    this.#table.tHead!.replaceChildren(this.#headRow());
    this.#table.tBodies[0].replaceChildren(...this.#shown.map((item) => this.#bodyRow(item)));
  }

  /** How many columns of values fit on a printed page. */
  get #printed(): number {
    return Math.max(1, mostPrinted - this.data.groups.length - Number(this.#timed));
  }

  /** Leaves a cell out of a printed page if its column does not fit. */
  #printedOrNot(cell: HTMLElement, at: number): HTMLElement {
    cell.classList.toggle('unprinted', at >= this.#printed);
    return cell;
  }

  #tellUnprinted(): void {
    const left = this.#columns().slice(this.#printed);
    byId('unprinted').textContent =
      left.length > 0
        ? `Not printed, but on the page and in its CSV: ${left.map(({ title }) => title).join('; ')}.`
        : '';
  }

  #marks({ id, outliers = [] }: PageCase): Record<Mark, boolean> {
    const { flagged, text } = this.notes.of(id);
    return { flagged, noted: text !== '', outlier: outliers.length > 0 };
  }

  #headRow(): HTMLElement {
    const columns = this.#columns().map((column, at) =>
      this.#printedOrNot(this.#head(column.title, this.data.columns.indexOf(column)), at),
    );
    const groups = this.data.groups.map((name) => make('th', { scope: 'col', class: 'group' }, name));
    const seconds = this.#timed ? [this.#head('Seconds', 'seconds')] : [];
    return make('tr', {}, this.#head('Case', 'case'), ...groups, ...columns, ...seconds);
  }

  #head(title: string, by: SortKey): HTMLElement {
    const order = this.#order;
    const button = make('button', { type: 'button', 'data-by': String(by) }, title);
    button.addEventListener('click', () => {
      this.#order = orderAfterClick(order, by, this.data.columns);
      this.#refresh();
      // The button was replaced; its successor gets the focus.
      this.#table.tHead!.querySelector<HTMLElement>(`[data-by="${by}"]`)?.focus();
    });
    const sorted = order?.by === by && (order.down ? 'descending' : 'ascending');
    return make('th', { scope: 'col', 'aria-sort': sorted }, button);
  }

  #bodyRow(item: PageCase): HTMLElement {
    const name = make('span', { class: 'case-name' });
    const axial = item.pictures?.planes.find((plane) => plane.name === 'axial');
    if (item.pictures && axial) name.append(thumbnail(item.pictures, axial));
    name.append(make('button', { type: 'button', class: 'link' }, item.id));
    const { flagged, noted } = this.#marks(item);
    if (flagged || noted) {
      const title = [...(flagged ? ['flagged'] : []), ...(noted ? [this.notes.of(item.id).text] : [])].join(
        ': ',
      );
      name.append(
        make('span', { class: 'mark', role: 'img', 'aria-label': title, title }, flagged ? '⚑' : '✎'),
      );
    }
    const groups = (item.groups ?? []).map((group) => make('td', { class: 'group' }, group || '–'));
    const cells = this.#columns().map((column, at) => {
      const index = this.data.columns.indexOf(column);
      return this.#printedOrNot(valueCell(item, index, column), at);
    });
    const seconds = this.#timed ? [make('td', {}, item.seconds.toFixed(1))] : [];
    const row = make('tr', {}, make('th', { scope: 'row' }, name), ...groups, ...cells, ...seconds);
    row.addEventListener('click', () => this.onOpen(item));
    return row;
  }

  /** A few labels are tabs, many are a list; see `labelChoice` in `sections/cases.ts`. */
  #addLabelChoice(): void {
    const choose = (label: string) => {
      this.#label = label;
      // The columns of the earlier label are gone.
      if (typeof this.#order?.by === 'number') this.#order = undefined;
      this.#refresh();
    };
    const list = document.getElementById('label') as HTMLSelectElement | null;
    list?.addEventListener('change', () => choose(list.value));
    const tabs = document.querySelectorAll<HTMLElement>('button[data-label]');
    for (const tab of tabs) {
      tab.addEventListener('click', () => {
        for (const other of tabs) other.setAttribute('aria-pressed', String(other === tab));
        choose(tab.dataset.label!);
      });
    }
  }

  #addCsvButtons(): void {
    const csv = () => csvOf(this.#shown, this.data.columns);
    const button = byId('copy');
    button.addEventListener('click', async () => {
      flash(button, (await copy(csv())) ? 'Copied' : 'Not allowed here');
    });
    byId('save-csv').addEventListener('click', () => {
      download(`${fileNamePart(this.data.name)}-cases.csv`, new Blob([csv()], { type: 'text/csv' }));
    });
  }
}
