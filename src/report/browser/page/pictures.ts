import type { PagePictures } from '../../browserData.js';
import { showNumber } from '../../text.js';
import { make } from '../dom.js';

type Plane = PagePictures['planes'][number];

/** The sides of the patient in a slice; `volume/slices.ts` turns slices this way. */
const sides = {
  axial: { left: 'R', right: 'L', top: 'A', bottom: 'P' },
  coronal: { left: 'R', right: 'L', top: 'S', bottom: 'I' },
  sagittal: { left: 'A', right: 'P', top: 'S', bottom: 'I' },
} as const;

/** Contours that are switched off. They stay off when another case is opened. */
const hiddenMasks = new Set<string>();

/** A slice with the contours over it. Lazy pictures are loaded when they come into view. */
export function stack(pictures: PagePictures, plane: Plane, loading: 'lazy' | 'eager'): HTMLElement {
  const picture = (file: string, mask?: string) =>
    make('img', {
      src: `${pictures.folder}/${plane.name}${file}`,
      alt: '',
      loading,
      draggable: 'false',
      'data-mask': mask ?? false,
    });
  // The reference's contour is wider, so it lies below the prediction's.
  const contours = pictures.masks.toReversed().map((mask) => picture(`-${mask}.svg`, mask));
  const image = pictures.grey ? [picture('.png')] : [];
  const element = make('span', { class: 'stack' }, ...image, ...contours);
  element.style.aspectRatio = `${plane.mm[0]} / ${plane.mm[1]}`;
  return element;
}

/** The slices of a case with a legend that switches contours on and off. */
export function pictureView(pictures: PagePictures): HTMLElement[] {
  const row = make('div', { class: 'pictures' });
  // One scale for all slices: each takes as many shares of the width as it has mm.
  const tallest = Math.max(...pictures.planes.map(({ mm }) => mm[1]));
  const wide = pictures.planes.reduce((sum, { mm }) => sum + mm[0], 0);
  row.style.maxWidth = `calc(62vh * ${wide / tallest})`;
  row.append(...pictures.planes.map((plane) => planeButton(pictures, plane)));
  return [legendOf(pictures, row), row];
}

/** A slice with the letters of its sides; a click enlarges it. */
function planeButton(pictures: PagePictures, plane: Plane): HTMLElement {
  const frame = stack(pictures, plane, 'eager');
  for (const [side, letter] of Object.entries(sides[plane.name])) {
    frame.append(make('span', { class: `side ${side}` }, letter));
  }
  const label = `Enlarge the ${plane.name} slice`;
  const attributes = { type: 'button', 'aria-pressed': 'false', 'aria-label': label };
  const button = make('button', attributes, frame, plane.name);
  button.style.flexGrow = String(plane.mm[0]);
  button.addEventListener('click', () => {
    const large = button.classList.toggle('large');
    button.setAttribute('aria-pressed', String(large));
    frame.style.maxWidth = large ? `calc(82vh * ${plane.mm[0] / plane.mm[1]})` : '';
  });
  return button;
}

function legendOf(pictures: PagePictures, row: HTMLElement): HTMLElement {
  const hideContours = () => {
    for (const layer of row.querySelectorAll<HTMLElement>('[data-mask]')) {
      layer.hidden = hiddenMasks.has(layer.dataset.mask!);
    }
  };
  hideContours();
  const legend = make('div', { class: 'legend' });
  for (const mask of pictures.masks) {
    const box = make('input', { type: 'checkbox', checked: !hiddenMasks.has(mask) });
    box.addEventListener('change', () => {
      if (box.checked) hiddenMasks.delete(mask);
      else hiddenMasks.add(mask);
      hideContours();
    });
    legend.append(make('label', {}, box, make('i', { class: mask }), mask));
  }
  if (pictures.window) {
    const [low, high] = pictures.window.map((value) => showNumber(Number(value.toPrecision(4)), 0));
    legend.append(make('span', {}, `shown from ${low} (black) to ${high} (white)`));
  }
  return legend;
}
