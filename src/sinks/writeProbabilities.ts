import { writeFileAside } from '../formats/files.js';
import { writeNpz } from '../formats/npz.js';
import { type PickleValue, pickle } from '../formats/writePickle.js';
import { type NnunetReader, readerAxes } from '../models/nnunet/readerAxes.js';
import { isIdentity } from '../volume/orientation.js';
import { mapAxes } from '../volume/reorient.js';
import type { Volume } from '../volume/volume.js';

/** Writes `STEM.npz` and `STEM.pkl`; see the sink `nnunetProbabilities`. */
export async function writeProbabilities(
  stem: string,
  volume: Volume,
  reader: NnunetReader,
  properties: PickleValue,
): Promise<void> {
  const map = readerAxes(volume.affine, reader);
  const { data, channels, size } = isIdentity(map) ? volume : mapAxes(volume, map);
  const [nx, ny, nz] = size;
  const array = { shape: [channels, nz, ny, nx], data: data as Float32Array };
  await writeNpz(`${stem}.npz`, 'probabilities', array);
  await writeFileAside(`${stem}.pkl`, pickle(properties));
}
