import type { Case, CaseFile } from '../case.js';
import { show } from '../errors.js';
import { showFile } from '../formats/inputFiles.js';
import { sameGrid } from '../volume/affine.js';
import type { Volume } from '../volume/volume.js';

/**
 * The sentence that says which label is not on the grid of the image or, without an image, of the first
 * label; undefined if all are.
 */
export function gridFault(
  subject: Pick<Case, 'id' | 'files'>,
  volumes: Readonly<Record<string, Volume>>,
): string | undefined {
  const labels = Object.entries(volumes).filter(([, volume]) => volume.kind === 'label');
  const [key, reference] = volumes['image'] ? ['image', volumes['image']] : (labels[0] ?? []);
  if (!key || !reference) return undefined;
  const odd = labels.find(([, label]) => !sameGrid(label, reference));
  if (!odd) return undefined;
  const [labelKey, label] = odd;
  const sizesDiffer = label.size.some((n, axis) => n !== reference.size[axis]);
  const tell = (name: string, volume: Volume) => {
    const file: CaseFile | undefined = subject.files[name];
    const grid = sizesDiffer ? `${volume.size.join(' x ')} voxels` : `the affine ${show(rows(volume), 400)}`;
    return `${file === undefined ? name : showFile(file)} has ${grid}`;
  };
  return (
    `The ${labelKey} and the ${key} of case ${subject.id} are on different grids: ${tell(labelKey, label)}, but ` +
    `${tell(key, reference)}.`
  );
}

function rows({ affine }: Volume): readonly (readonly number[])[] {
  return [0, 4, 8].map((row) => affine.slice(row, row + 4).map((value) => Number(value.toPrecision(6))));
}
