import type { PageLabel, PagePictures } from '../../browserData.js';
import { type MaskName, maskTitles } from '../../caseNote.js';
import { showNumber } from '../../text.js';
import { make } from '../dom.js';
import { labelPicker } from './labelPicker.js';
import { sliceSlider } from './sliceSlider.js';
import { stack } from './stack.js';

type Plane = PagePictures['planes'][number];

/** The sides of the patient in a slice; `volume/slices.ts` turns slices this way. */
const sides = {
  axial: { left: 'R', right: 'L', top: 'A', bottom: 'P' },
  coronal: { left: 'R', right: 'L', top: 'S', bottom: 'I' },
  sagittal: { left: 'A', right: 'P', top: 'S', bottom: 'I' },
} as const;

/** What is shown of the pictures. It stays the same when another case is opened. */
const shown = {
  hiddenMasks: new Set<MaskName>(),
  /** Whether there are any contours. */
  overlay: true,
  /** The name of the only label that is shown; undefined for all. */
  label: undefined as string | undefined,
};

/**
 * The slices of a case, with controls: which label and which contours are shown, and which axial slice.
 *
 * @param all The labels of all cases.
 */
export function pictureView(pictures: PagePictures, all: readonly PageLabel[]): HTMLElement[] {
  const row = make('div', { class: 'pictures' });
  // One scale for all slices: each takes as many shares of the width as it has mm.
  const tallest = Math.max(...pictures.planes.map(({ mm }) => mm[1]));
  const wide = pictures.planes.reduce((sum, { mm }) => sum + mm[0], 0);
  row.style.maxWidth = `calc(62vh * ${wide / tallest})`;
  const labels = pictures.labels.map(([label, worst]) => ({ ...all[label], worst }));
  // The colours of two predictions that are compared tell them apart, so they do not stand for labels.
  const byLabel = labels.length > 1 && !pictures.masks.includes('a');
  const chosen = () => labels.find(({ name }) => name === shown.label);

  const frames = pictures.planes.map((plane) => planeFrame(pictures, plane));
  row.append(...frames.map(({ element }) => element));
  const axial = frames[pictures.planes.findIndex(({ name }) => name === 'axial')];
  const slider = pictures.slices && axial && sliceSlider(pictures, pictures.slices, axial.frame);
  if (slider) axial.element.append(slider.element);
  slider?.goTo(chosen()?.worst ?? pictures.slices!.middle);

  const apply = () => {
    legend.classList.toggle('labels', byLabel && !chosen());
    showContours(row, chosen());
  };
  const legend = legendOf(pictures, apply);
  const picker =
    labels.length > 1
      ? [
          labelPicker(labels, byLabel, chosen()?.name, (label) => {
            shown.label = label?.name;
            apply();
            if (label?.worst != null) slider?.goTo(label.worst);
          }),
        ]
      : [];
  if (slider) {
    const title = pictures.masks.includes('a') ? 'Largest difference' : 'Largest error';
    const worst = make('button', { type: 'button' }, title);
    worst.addEventListener('click', () => slider.goTo(chosen()?.worst ?? pictures.slices!.worst));
    slider.element.append(worst);
  }
  apply();
  return [...picker, legend, row];
}

/** Shows the contours that are switched on, of one label or of all. */
function showContours(row: HTMLElement, label: PageLabel | undefined): void {
  for (const layer of row.querySelectorAll<HTMLImageElement>('img[data-mask]')) {
    const mask = layer.dataset.mask as MaskName;
    layer.hidden = !shown.overlay || shown.hiddenMasks.has(mask);
    const [address] = layer.getAttribute('src')!.split('#');
    const source = label ? `${address}#label-${label.value}` : address;
    if (layer.getAttribute('src') !== source) layer.setAttribute('src', source);
  }
}

/** A slice with the letters of its sides; a click enlarges it. */
function planeFrame(pictures: PagePictures, plane: Plane): { element: HTMLElement; frame: HTMLElement } {
  const frame = stack(pictures, plane, 'eager');
  for (const [side, letter] of Object.entries(sides[plane.name])) {
    frame.append(make('span', { class: `side ${side}`, 'aria-hidden': 'true' }, letter));
  }
  const label = make('span', { class: 'for-screen-readers' }, `Enlarge the ${plane.name} slice`);
  const button = make('button', { type: 'button', 'aria-pressed': 'false' }, frame, label);
  const element = make('div', { class: 'plane' }, button, make('span', { class: 'plane-name' }, plane.name));
  element.style.flexGrow = String(plane.mm[0]);
  button.addEventListener('click', () => {
    const large = element.classList.toggle('large');
    button.setAttribute('aria-pressed', String(large));
    frame.style.maxWidth = large ? `calc(82vh * ${plane.mm[0] / plane.mm[1]})` : '';
  });
  return { element, frame };
}

/** Switches for the contours, all or of one mask, and what the greys mean. */
function legendOf(pictures: PagePictures, apply: () => void): HTMLElement {
  const legend = make('div', { class: 'legend' });
  const checkbox = (title: string, checked: boolean, onChange: (on: boolean) => void, mark?: HTMLElement) => {
    const box = make('input', { type: 'checkbox', checked });
    box.addEventListener('change', () => {
      onChange(box.checked);
      apply();
    });
    const label = make('label', {}, box, ...(mark ? [mark] : []), title);
    legend.append(label);
    return box;
  };
  if (pictures.masks.length > 0) {
    const overlay = checkbox('contours', shown.overlay, (on) => {
      shown.overlay = on;
    });
    overlay.dataset.key = 'o';
    overlay.setAttribute('aria-keyshortcuts', 'o');
  }
  for (const mask of pictures.masks) {
    const setMask = (on: boolean) => {
      if (on) shown.hiddenMasks.delete(mask);
      else shown.hiddenMasks.add(mask);
    };
    checkbox(maskTitles[mask], !shown.hiddenMasks.has(mask), setMask, make('i', { class: mask }));
  }
  if (pictures.window) {
    const [low, high] = pictures.window.map((value) => showNumber(Number(value.toPrecision(4)), 0));
    legend.append(make('span', {}, `shown from ${low} (black) to ${high} (white)`));
  }
  return legend;
}
