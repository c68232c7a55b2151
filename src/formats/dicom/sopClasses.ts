/** The Manufacturer of objects that voxstream writes. */
export const manufacturer = 'voxstream';

/** The SOP class of segmentations (SEG). */
export const segmentationClass = '1.2.840.10008.5.1.4.1.1.66.4';

/** What objects are that hold no image of a volume, by SOP class. PS3.4, annex B.5. */
const others: readonly (readonly [prefix: string, what: string])[] = [
  ['1.2.840.10008.1.3.10', 'a DICOMDIR'],
  [segmentationClass, 'a segmentation (SEG)'],
  ['1.2.840.10008.5.1.4.1.1.66', 'a registration, a surface or raw data'],
  ['1.2.840.10008.5.1.4.1.1.88', 'a structured report (SR)'],
  ['1.2.840.10008.5.1.4.1.1.481.1', 'an RT image'],
  ['1.2.840.10008.5.1.4.1.1.481.2', 'an RT dose'],
  ['1.2.840.10008.5.1.4.1.1.481.3', 'contours (RTSTRUCT)'],
  ['1.2.840.10008.5.1.4.1.1.481', 'an RT plan or record'],
  ['1.2.840.10008.5.1.4.1.1.104', 'an encapsulated document'],
  ['1.2.840.10008.5.1.4.1.1.11', 'a presentation state'],
  ['1.2.840.10008.5.1.4.1.1.9', 'a waveform'],
  ['1.2.840.10008.5.1.4.1.1.1', 'a projection image'],
  ['1.2.840.10008.5.1.4.1.1.12', 'a projection image'],
  ['1.2.840.10008.5.1.4.1.1.7', 'a secondary capture'],
  ['1.2.840.10008.5.1.4.1.1.77.1', 'a photograph or a microscopic image'],
];

/** True for images of a volume; for other objects what they are, as a noun phrase. */
export function isImageClass(uid: string): true | string {
  const found = others.find(([prefix]) => uid === prefix || uid.startsWith(`${prefix}.`));
  return found?.[1] ?? true;
}
