import type { DataSet } from 'dicom-parser';
import type { Vec3 } from '../../volume/volume.js';

// dicom-parser throws where a damaged length makes a value reach beyond the file; such a value counts as
// missing.

/** The text of an element; undefined if it is missing, empty or damaged. */
export function textOf(set: DataSet, tag: string): string | undefined {
  try {
    return set.string(tag) || undefined;
  } catch {
    return undefined;
  }
}

/**
 * The numbers of an element of decimal or integer strings; undefined unless all of them are finite numbers.
 */
export function numbersOf(set: DataSet, tag: string): readonly number[] | undefined {
  const text = textOf(set, tag);
  if (text === undefined) return undefined;
  const parts = text.split('\\').map((part) => part.trim());
  const numbers = parts.map(Number);
  return parts.every((part) => part !== '') && numbers.every(Number.isFinite) ? numbers : undefined;
}

/** The first number of an element of decimal or integer strings. */
export function numberOf(set: DataSet, tag: string): number | undefined {
  return numbersOf(set, tag)?.[0];
}

/** Three numbers, e.g. a position; undefined unless there are exactly three. */
export function vectorOf(set: DataSet, tag: string): Vec3 | undefined {
  const numbers = numbersOf(set, tag);
  return numbers?.length === 3 ? [numbers[0], numbers[1], numbers[2]] : undefined;
}

/** An unsigned 16-bit number. */
export function uint16Of(set: DataSet, tag: string): number | undefined {
  return guarded(() => set.uint16(tag));
}

/** An unsigned 32-bit number. */
export function uint32Of(set: DataSet, tag: string): number | undefined {
  return guarded(() => set.uint32(tag));
}

/** A 64-bit real number. */
export function doubleOf(set: DataSet, tag: string): number | undefined {
  const value = guarded(() => set.double(tag));
  return Number.isFinite(value) ? value : undefined;
}

/** The data sets of a sequence's items. */
export function itemsOf(set: DataSet | undefined, tag: string): readonly DataSet[] {
  const items = set?.elements[tag]?.items ?? [];
  return items.flatMap(({ dataSet }) => (dataSet ? [dataSet] : []));
}

function guarded(read: () => number | undefined): number | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
