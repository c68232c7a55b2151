import { DataError } from '../../errors.js';
import { readNpz } from '../../formats/npz.js';
import { addTo_, divideBy_ } from '../../volume/ensemble.js';
import { inverseAxisMap, mapGridAxes } from '../../volume/orientation.js';
import { mapAxes } from '../../volume/reorient.js';
import { allocate, type Grid, type Volume } from '../../volume/volume.js';
import { type NnunetReader, readerAxes } from './readerAxes.js';

/**
 * The mean of the probabilities that nnU-Net saved in several `.npz` files, on the grid of the image's file.
 *
 * @throws DataError if a file cannot be read, or its probabilities are not on the grid.
 */
export async function readProbabilities(
  files: readonly string[],
  { size, affine }: Grid,
  reader: NnunetReader,
): Promise<Volume> {
  const map = readerAxes(affine, reader);
  const turned = mapGridAxes({ size, affine }, map);
  const [nx, ny, nz] = turned.size;
  let sum: Float32Array | undefined;
  let classes = 0;
  for (const file of files) {
    const { shape, data } = await readNpz(file, 'probabilities');
    const expected = [classes || shape[0], nz, ny, nx];
    if (shape.length !== 4 || expected.some((n, axis) => n !== shape[axis])) {
      throw new DataError(
        `${file} has probabilities of the shape (${shape.join(', ')}), but (${expected.join(', ')}) was expected: ` +
          'they belong to another image or model.',
      );
    }
    if (sum) addTo_(sum, data);
    else {
      [classes] = shape;
      sum = allocate('float32', data.length);
      sum.set(data);
    }
  }
  if (!sum) throw new RangeError('There is no file to read.');
  divideBy_(sum, files.length);
  const mean: Volume = { ...turned, data: sum, channels: classes, kind: 'probability', history: [] };
  return { ...mapAxes(mean, inverseAxisMap(map)), size, affine };
}
