import type { PageCase, PageData } from '../../browserData.js';
import { byId, make } from '../dom.js';
import { caseFiles } from './caseFiles.js';
import { caseMetrics } from './caseMetrics.js';
import type { CaseNotes } from './caseNotes.js';
import { noteFields } from './noteControls.js';
import { pictureView } from './pictures.js';

/** The dialog that shows one case: its slices, its metrics, and the way to the previous and the next case. */
export class CaseDialog {
  readonly #dialog = byId<HTMLDialogElement>('case');
  /**
   * The address of the 3D views; the server adds it to the page. A page that is opened as a file has none.
   */
  readonly #viewer = document.querySelector<HTMLMetaElement>('meta[name="voxstream-viewer"]')?.content;
  #item: PageCase | undefined;

  /**
   * @param sequence The cases that Previous and Next step through: those that the table shows, in its order.
   */
  constructor(
    readonly data: PageData,
    readonly notes: CaseNotes,
    readonly sequence: () => readonly PageCase[],
  ) {
    this.#dialog.addEventListener('close', () => {
      history.replaceState(null, '', location.pathname + location.search);
    });
    this.#dialog.addEventListener('click', (event) => {
      // The dialog itself is only hit beside its content: on the backdrop.
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#dialog.addEventListener('keydown', (event) => {
      // In text and on sliders, keys have their usual meaning.
      if ((event.target as Element).matches('textarea, input[type="range"]')) return;
      if (event.key === 'o') this.#dialog.querySelector<HTMLElement>('[data-key="o"]')?.click();
      if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
      const target = this.#neighbour(event.key === 'ArrowLeft' ? -1 : 1);
      if (!target) return;
      event.preventDefault();
      this.open(target);
    });
  }

  open(item: PageCase): void {
    this.#item = item;
    const bar = this.#bar(item);
    this.#dialog.replaceChildren(bar, make('div', { class: 'case-body' }, ...this.#content(item)));
    if (!this.#dialog.open) this.#dialog.showModal();
    bar.scrollIntoView();
    history.replaceState(null, '', `#case=${encodeURIComponent(item.id)}`);
  }

  /** Opens the case that the page's address names, if it names one. */
  openLinked(): void {
    const linked = /^#case=(.+)$/.exec(location.hash)?.[1];
    const item = this.data.cases.find(({ id }) => encodeURIComponent(id) === linked);
    if (item) this.open(item);
  }

  #neighbour(step: number): PageCase | undefined {
    const sequence = this.sequence();
    const place = this.#item ? sequence.indexOf(this.#item) : -1;
    return place < 0 ? undefined : sequence[place + step];
  }

  #bar(item: PageCase): HTMLElement {
    const viewer = item.pictures?.volumes ? this.#viewer : undefined;
    const link = viewer && make('a', { href: `${viewer}?case=${encodeURIComponent(item.id)}` }, '3D view');
    const close = make('button', { type: 'button' }, 'Close');
    close.addEventListener('click', () => this.#dialog.close());
    return make(
      'div',
      { class: 'case-bar' },
      make('h2', { id: 'case-title' }, item.id),
      ...(link ? [link] : []),
      this.#stepButton('Previous', -1, 'ArrowLeft'),
      this.#stepButton('Next', 1, 'ArrowRight'),
      close,
    );
  }

  #stepButton(title: string, step: number, key: string): HTMLElement {
    const target = this.#neighbour(step);
    const button = make('button', { type: 'button', disabled: !target, 'aria-keyshortcuts': key }, title);
    if (target) button.addEventListener('click', () => this.open(target));
    return button;
  }

  #content(item: PageCase): HTMLElement[] {
    const { pictures, unpictured } = item;
    const note = (text: string) => make('p', { class: 'note' }, text);
    return [
      ...(pictures
        ? pictureView(pictures, this.data.maskLabels)
        : [note('There are no pictures of this case.')]),
      ...(unpictured ? [note(unpictured)] : []),
      noteFields(item.id, this.notes),
      caseMetrics(item, this.data.columns),
      ...(pictures ? [caseFiles(pictures)] : []),
      ...(pictures?.volumes && !this.#viewer
        ? [note(`To look at this case in 3D, run: ${this.data.command} --open`)]
        : []),
    ];
  }
}
