import type { Case, CaseFile } from '../case.js';
import { DataError, listNames } from '../errors.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Volume } from '../volume/volume.js';
import { alignAxes } from './alignAxes.js';
import { readVolumeTask } from './load.js';

const storedVolumes = new WeakMap<Volume, Promise<Volume>>();

/**
 * A volume as it is in its file: the volume itself, or if steps have changed it, read again.
 *
 * @throws DataError if steps have changed it and the case has no file for it.
 */
export function storedVolume(
  subject: Case,
  key: string,
  volume: Volume,
  runtime: Runtime,
): Promise<Volume> | Volume {
  if (volume.history.length === 0) return volume;
  const file = subject.files[key];
  if (!file) {
    throw new DataError(
      `Metrics compare with ${key} as it was stored, but steps changed it (${listNames(volume.history.map(({ step }) => step))}) ` +
        `and case ${subject.id} has no file to read it from again. Give these steps other "keys", or set stored: false.`,
    );
  }
  let reading = storedVolumes.get(volume);
  if (!reading) {
    reading = readAgain(volume, file, runtime);
    storedVolumes.set(volume, reading);
  }
  return reading;
}

/** `load` may have brought the volume to the orientation of the image. */
async function readAgain({ labelNames, history }: Volume, file: CaseFile, runtime: Runtime): Promise<Volume> {
  const read = await runtime.run(readVolumeTask, file, { kind: 'label' });
  return { ...(await alignAxes(read, history[0].from, runtime)), labelNames };
}
