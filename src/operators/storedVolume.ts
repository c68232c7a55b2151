import type { Case } from '../case.js';
import { DataError, listNames } from '../errors.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Volume } from '../volume/volume.js';
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
    const { labelNames } = volume;
    reading = runtime.run(readVolumeTask, file, { kind: 'label' }).then((read) => ({ ...read, labelNames }));
    storedVolumes.set(volume, reading);
  }
  return reading;
}
