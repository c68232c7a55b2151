import { type AxisMap, axisMap, orientationOf, parseAxcodes } from '../../volume/orientation.js';
import type { Affine } from '../../volume/volume.js';
import type { NnunetCard } from './card.js';

/** The readers of nnU-Net that are known here. */
export type NnunetReader = NnunetCard['reader'];

/** How a reader turns the axes of a file with this affine: to RAS, or not at all. */
export function readerAxes(affine: Affine, reader: NnunetReader): AxisMap {
  const from = orientationOf(affine);
  return axisMap(from, reader === 'NibabelIOWithReorient' ? parseAxcodes('RAS') : from);
}
