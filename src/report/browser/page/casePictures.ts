import type { PageCase } from '../../browserData.js';
import { stack } from './stack.js';

/** Puts the axial slice of a case into each element that asks for it. */
export function addPictures(cases: readonly PageCase[]): void {
  for (const place of document.querySelectorAll<HTMLElement>('[data-picture]')) {
    const pictures = cases.find(({ id }) => id === place.dataset.picture)?.pictures;
    const axial = pictures?.planes.find(({ name }) => name === 'axial');
    if (pictures && axial) place.prepend(stack(pictures, axial, 'lazy'));
  }
}
