import type { PagePictures } from '../../browserData.js';
import { make } from '../dom.js';

/** A slice with the contours over it. Lazy pictures are loaded when they come into view. */
export function stack(
  pictures: Pick<PagePictures, 'folder' | 'masks' | 'grey'>,
  { name, mm }: { readonly name: string; readonly mm: readonly [number, number] },
  loading: 'lazy' | 'eager',
): HTMLElement {
  const element = make('span', { class: 'stack' }, ...layers(pictures, name, loading));
  element.style.aspectRatio = `${mm[0]} / ${mm[1]}`;
  return element;
}

/** The pictures that lie over each other in a slice. */
export function layers(
  { folder, masks, grey }: Pick<PagePictures, 'folder' | 'masks' | 'grey'>,
  name: string,
  loading: 'lazy' | 'eager',
): HTMLImageElement[] {
  const picture = (file: string, mask?: string) =>
    make('img', {
      ...{ src: `${folder}/${file}`, alt: '', loading, draggable: 'false' },
      'data-mask': mask ?? false,
    });
  // The reference's contour is wider, so it lies below the prediction's.
  const contours = masks.toReversed().map((mask) => picture(`${name}-${mask}.svg`, mask));
  return [...(grey ? [picture(`${name}.png`)] : []), ...contours];
}

/**
 * A small slice. The contours of several masks and labels would cover it, so it then has those of one mask.
 */
export function thumbnail(pictures: PagePictures, plane: PagePictures['planes'][number]): HTMLElement {
  const masks = pictures.labels.length > 1 ? pictures.masks.slice(0, 1) : pictures.masks;
  return stack({ ...pictures, masks }, plane, 'lazy');
}
