import type { PickleValue } from '../formats/writePickle.js';
import { type NnunetReader, readerAxes } from '../models/nnunet/readerAxes.js';
import { spacingOf, toRas } from '../volume/affine.js';
import { mapGridAxes } from '../volume/orientation.js';
import { statedSpacing } from '../volume/statedSpacing.js';
import type { Affine, Grid, Vec3, Volume } from '../volume/volume.js';

/**
 * What nnU-Net saves beside probabilities (`CASE.pkl`), and reads when it ensembles them: the geometry of the
 * file and what was cropped. Lists are in the order of arrays, z first.
 *
 * @param image The image after preprocessing.
 */
export function nnunetProperties(
  { history, origin, size, affine }: Pick<Volume, 'size' | 'affine' | 'origin' | 'history'>,
  reader: NnunetReader,
): PickleValue {
  const file: Grid = history[0]?.from ?? { size, affine };
  const map = readerAxes(file.affine, reader);
  const stated = statedSpacing({ affine: file.affine, origin, history: [] });
  const spacing = map.axes.map((axis) => stated[axis]).reverse();
  const crop = history.find(({ step }) => step === 'cropOrPad');
  const zoom = history.find(({ step }) => step === 'zoom');
  const cropped = zoom?.from.size ?? size;
  const before = crop?.from.size ?? cropped;
  const start: Vec3 = crop?.step === 'cropOrPad' ? crop.start : [0, 0, 0];
  return new Map<string, PickleValue>([
    geometry(file, stated, reader),
    ['spacing', spacing],
    ['shape_before_cropping', { tuple: ints(before) }],
    ['bbox_used_for_cropping', ints(start).map((low, i) => [low, { int: low.int + ints(cropped)[i].int }])],
    ['shape_after_cropping_and_before_resampling', { tuple: ints(cropped) }],
  ]);
}

const ints = (size: Vec3) => [...size].reverse().map((int) => ({ int }));

/** The file's geometry, as the library that nnU-Net reads with has it. */
function geometry(file: Grid, spacing: Vec3, reader: NnunetReader): [string, PickleValue] {
  const rows = (matrix: Affine) => [0, 4, 8, 12].map((at) => matrix.slice(at, at + 4));
  if (reader !== 'SimpleITKIO') {
    const turned = mapGridAxes(file, readerAxes(file.affine, reader)).affine;
    const affines: [string, PickleValue][] = [['original_affine', { ndarray: rows(file.affine) }]];
    if (reader === 'NibabelIOWithReorient') affines.push(['reoriented_affine', { ndarray: rows(turned) }]);
    return ['nibabel_stuff', new Map(affines)];
  }
  // LPS and RAS differ by the same two signs in both directions.
  const lps = toRas(file.affine, 'LPS');
  const lengths = spacingOf(file.affine);
  const direction = [0, 1, 2].flatMap((row) => lengths.map((mm, axis) => lps[4 * row + axis] / mm));
  return [
    'sitk_stuff',
    new Map<string, PickleValue>([
      ['spacing', { tuple: spacing }],
      ['origin', { tuple: [lps[3], lps[7], lps[11]] }],
      ['direction', { tuple: direction }],
    ]),
  ];
}
