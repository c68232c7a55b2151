import type { PagePictures } from '../../browserData.js';
import type { CaseSlices } from '../../caseNote.js';
import { make } from '../dom.js';
import { layers } from './stack.js';

/** A slider that pages through axial slices. */
export interface SliceSlider {
  readonly element: HTMLElement;
  /** Shows the slice at a place in `CaseSlices.numbers`. */
  goTo(place: number): void;
}

/**
 * Pages through the axial slices of a case in `frame`. The middle one is there already, at full resolution.
 * The others are parts of one picture, which is loaded when the first of them is shown.
 */
export function sliceSlider(pictures: PagePictures, slices: CaseSlices, frame: HTMLElement): SliceSlider {
  const { numbers, of, middle } = slices;
  const middleLayers = [...frame.querySelectorAll('img')];
  let strip: HTMLImageElement[] = [];
  const range = make('input', {
    ...{ type: 'range', min: '0', max: String(numbers.length - 1), step: '1' },
    'aria-label': 'Axial slice',
  });
  const position = make('span', { class: 'position' });
  const show = (place: number) => {
    range.value = String(place);
    position.textContent = `slice ${numbers[place]} of ${of}`;
    range.setAttribute('aria-valuetext', position.textContent);
    if (place !== middle && strip.length === 0) {
      strip = layers(pictures, 'axial-slices', 'eager');
      strip.forEach((layer, i) => {
        // The layers of the middle slice know which contours are shown.
        const other = middleLayers[i];
        layer.hidden = other.hidden;
        layer.src += /#.*/.exec(other.src)?.[0] ?? '';
        layer.style.height = `${100 * numbers.length}%`;
      });
      frame.prepend(...strip);
    }
    for (const layer of middleLayers) layer.style.visibility = place === middle ? '' : 'hidden';
    for (const layer of strip) {
      layer.style.visibility = place === middle ? 'hidden' : '';
      layer.style.top = `${-100 * place}%`;
    }
  };
  range.addEventListener('input', () => show(Number(range.value)));
  return { element: make('div', { class: 'slider' }, range, position), goTo: show };
}
