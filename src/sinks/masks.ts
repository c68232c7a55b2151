import { join } from 'node:path';
import { fileNameOf } from '../case.js';
import { DataError, show } from '../errors.js';
import { occurringLabels, writeMask } from '../formats/writeMask.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import type { Volume, VoxelType } from '../volume/volume.js';

const occurringLabelsTask = task(new URL('../formats/writeMask.js', import.meta.url), occurringLabels);
const writeMaskTask = task(new URL('../formats/writeMask.js', import.meta.url), writeMask);

/** More labels without a name than this are taken for an image. */
const mostUnnamed = 256;

/** Where masks of a volume are written, and how. */
export interface MasksRequest {
  readonly runtime: Runtime;
  readonly folder: string;
  /** The key of the volume. */
  readonly key: string;
  readonly dtype: 'auto' | VoxelType;
  /** The labels of other volumes with masks, by their files in lower case. Those of this one are added. */
  readonly taken: Map<string, string>;
}

/**
 * Writes a mask for each label of a volume that has a name or occurs, into a folder. Returns the files.
 *
 * @throws DataError if the volume has no labels, or two of them would have the same file.
 */
export async function writeMasks(
  { runtime, folder, key, dtype, taken }: MasksRequest,
  volume: Volume,
): Promise<string[]> {
  if (volume.kind !== 'label') {
    throw new DataError(
      `nifti: perLabel writes a mask for each label, but ${key} holds ${volume.kind} values. Put asDiscrete before it, ` +
        'or leave perLabel out.',
    );
  }
  const names = volume.channels > 1 ? channelNames(volume) : await labelNames(runtime, key, volume);
  for (const name of names.values()) {
    const file = join(folder, `${name}.nii.gz`).toLowerCase();
    const other = taken.get(file);
    if (other !== undefined) {
      throw new DataError(
        `nifti: two labels of ${key}, ${show(other)} and ${show(name)}, would both be written to ` +
          `${join(folder, `${name}.nii.gz`)}. Give them other names, or leave perLabel out.`,
      );
    }
    taken.set(file, name);
  }
  return Promise.all(
    [...names].map(async ([label, name]) => {
      const file = join(folder, `${name}.nii.gz`);
      await runtime.run(writeMaskTask, file, volume, label, dtype);
      return file;
    }),
  );
}

/** The file names of labels: those with a name, and those that occur. */
async function labelNames(runtime: Runtime, key: string, volume: Volume): Promise<Map<number, string>> {
  const names = volume.labelNames ?? {};
  const occurring = await runtime.run(occurringLabelsTask, volume);
  const unnamed = occurring.filter((label) => names[label] === undefined);
  if (unnamed.length > mostUnnamed) {
    throw new DataError(
      `nifti: ${key} has ${unnamed.length} labels without a name, so it is probably an image. perLabel writes a file for ` +
        'each label.',
    );
  }
  const labels = [...Object.keys(names).map(Number), ...unnamed].filter((label) => label !== 0);
  return new Map(
    labels.sort((a, b) => a - b).map((label) => [label, fileNameOf(names[label] ?? `label_${label}`)]),
  );
}

/**
 * The file names of channels, which are masks. If there is one name less than channels, the first one is the
 * background and is left out.
 */
function channelNames({ channels, labelNames: names }: Volume): Map<number, string> {
  const foreground = Object.entries(names ?? {}).flatMap(([label, name]) =>
    Number(label) === 0 ? [] : [name],
  );
  const first = foreground.length === channels - 1 ? 1 : 0;
  const fits = foreground.length === channels - first;
  return new Map(
    Array.from({ length: channels - first }, (_, i) => [
      first + i,
      fits ? fileNameOf(foreground[i]) : `channel_${first + i}`,
    ]),
  );
}
