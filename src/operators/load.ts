import { z } from 'zod';
import { type Case, type CaseFile, type Keys, withNotes, withVolumes } from '../case.js';
import { DataError, listNames, show } from '../errors.js';
import { readVolume, withSpacing } from '../formats/index.js';
import { keysType, perAxis, voxelLength } from '../optionTypes.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { selectChannels } from '../volume/channels.js';
import type { Vec3, Volume } from '../volume/volume.js';
import { alignAxes, alignmentNote } from './alignAxes.js';
import { operator, type StepContext } from './define.js';
import { bytesOf, foresee, readAs } from './forecast.js';
import { mapCase } from './map.js';
import { gridFault } from './sameGrids.js';

const selectChannelsTask = task(new URL('../volume/channels.js', import.meta.url), selectChannels);

export const readVolumeTask = task(new URL('../formats/index.js', import.meta.url), readVolume);

/**
 * Reads the files of a case into volumes with the same keys.
 *
 * The size is [nx, ny, nz] with x fastest; a fourth dimension becomes channels. The affine maps voxel indices
 * to mm, RAS+. Integers keep their type and scaled voxels become float32; see `readVolume`. Label maps carry
 * the case's label names.
 *
 * Mirrors MONAI's `LoadImaged` with `EnsureChannelFirstd`. Differences: voxels become float only when a step
 * computes with them, labels must be integers, NaN and infinite voxels are rejected (unless `nonFinite` is
 * set). A label that is stored in another orientation than the image, at the same positions, is brought to
 * the image's orientation. A label whose grid differs otherwise (another size, or a position that is off by
 * more than a twentieth of a voxel) is rejected, unless a later `resampleToMatch` or, without metrics,
 * `spacing` brings them together.
 *
 * @throws DataError, on the stream, if a file is missing, damaged or not a 3D image, or if grids differ.
 */
export const load = operator({
  name: 'load',
  summary: "Reads a case's files (NIfTI, NRRD, MetaImage, MGH, DICOM, HDF5, MINC and others) into volumes.",
  mirrors:
    'LoadImaged with EnsureChannelFirstd; integers keep their type until a step computes with them, ' +
    'labels must be integers and are brought to the orientation of the image, NaN and infinite voxels are rejected',
  options: {
    keys: keysType('every file that the case has'),
    labelKeys: z
      .union([z.string().min(1), z.array(z.string().min(1))])
      .default(['label', 'pred'])
      .describe('Keys whose files are label maps: integers, never interpolated'),
    nonFinite: z.boolean().default(false).describe('Accept NaN and infinite voxels in images'),
    float64: z
      .boolean()
      .default(false)
      .describe('Read voxels that a header scales by fractions as float64 instead of float32'),
    firstChannel: z
      .boolean()
      .default(false)
      .describe(
        'Keep only the first channel of images (the first volume of a 4D file), and say so in a note',
      ),
    spacing: perAxis(voxelLength)
      .optional()
      .describe(
        'Voxel size in mm (columns, rows, slices) of files that state none (TIFF, LSM); other files keep theirs',
      ),
  },
  example: { keys: ['image', 'label'] },
  forecast:
    ({ keys, labelKeys, float64, firstChannel, spacing }) =>
    (subject) => {
      const wanted = [keys ?? Object.keys(subject.files)].flat().filter((key) => key in subject.files);
      const made = wanted.map((key) => {
        const kind = [labelKeys].flat().includes(key) ? 'label' : 'image';
        const stored = subject.files[key];
        const grid =
          float64 && kind === 'image' && stored.fractions ? { ...stored, bytesPerVoxel: 8 } : stored;
        const read = readAs(spacing && grid.unspaced ? withSpacing(grid, spacing) : grid, kind);
        return [key, firstChannel && kind === 'image' ? { ...read, channels: 1 } : read] as const;
      });
      const reading = wanted.map((key) => subject.files[key].bytesToRead - bytesOf(subject.files[key]));
      return foresee(subject, Object.fromEntries(made), Math.max(0, ...reading));
    },
  create: ({ keys, labelKeys, nonFinite, float64, firstChannel, spacing }, context) =>
    mapCase(context, 'io', async (given) => {
      const subject = spacing ? { ...given, files: withSpacings(given.files, spacing) } : given;
      const loaded: Record<string, Volume> = {};
      const left: string[] = [];
      for (const key of fileKeys(subject, keys)) {
        const kind = [labelKeys].flat().includes(key) ? 'label' : 'image';
        const volume = await context.runtime.run(readVolumeTask, subject.files[key], {
          kind,
          nonFinite,
          float64,
        });
        const several = firstChannel && kind === 'image' && volume.channels > 1;
        if (several) left.push(`Of the ${volume.channels} volumes of ${key}, only the first one is used.`);
        const image = several ? await context.runtime.run(selectChannelsTask, volume, [0]) : volume;
        loaded[key] = kind === 'label' ? withNames(volume, subject.labelNames) : image;
      }
      const aligned = await alignLabels(loaded, context.runtime);
      const grids = checkGrids(subject, loaded, context);
      const notes = [
        ...left,
        ...aligned,
        ...grids,
        ...Object.values(loaded).flatMap((volume) => volume.notes ?? []),
      ];
      return withNotes(withVolumes(subject, loaded), notes);
    }),
});

/** Files with the voxel size of those that state none, so that later steps read them in the same way. */
function withSpacings(files: Case['files'], spacing: Vec3): Case['files'] {
  const spaced = Object.entries(files).map(([key, file]): [string, CaseFile] => [
    key,
    typeof file === 'string' || 'channels' in file ? { file, spacing } : file,
  ]);
  return Object.fromEntries(spaced);
}

/** The keys of the files to read. Throws DataError if the case lacks one or has no files. */
function fileKeys(subject: Case, keys: Keys | undefined): readonly string[] {
  const present = Object.keys(subject.files);
  if (present.length === 0) {
    throw new DataError(`Case ${subject.id} has no files to load. Check the source.`);
  }
  const wanted = keys === undefined ? present : [keys].flat();
  const missing = wanted.filter((key) => !present.includes(key));
  if (missing.length === 0) return wanted;
  throw new DataError(
    `Case ${subject.id} has no file ${listNames(missing.map((key) => show(key)))} to load; it has ` +
      `${listNames(present)}. Check the source, or "keys" of load.`,
  );
}

/**
 * The label map with the dataset's label names. Names in its own file take precedence; a note lists those
 * that differ.
 */
function withNames(volume: Volume, names: Case['labelNames']): Volume {
  const own = volume.labelNames;
  if (!own) return { ...volume, labelNames: names };
  const differing = Object.keys(own).filter((label) => names?.[+label] && names[+label] !== own[+label]);
  const notes = differing.map(
    (label) =>
      `${volume.origin?.file} names label ${label} ${show(own[+label])}, but the dataset names it ` +
      `${show(names?.[+label])}; the file's name is used.`,
  );
  // A name that the file gives to another label is not the dataset's label of that name.
  const taken = new Set(Object.values(own));
  const others = Object.entries(names ?? {}).filter(([, name]) => !taken.has(name));
  const labelNames = { ...Object.fromEntries(others), ...own };
  return { ...volume, labelNames, notes: [...(volume.notes ?? []), ...notes] };
}

/**
 * Brings labels that are stored in another orientation than the image to that of the image. Returns notes
 * about it.
 */
async function alignLabels(loaded: Record<string, Volume>, runtime: Runtime): Promise<string[]> {
  const { image } = loaded;
  const notes: string[] = [];
  for (const [key, volume] of Object.entries(loaded)) {
    if (!image || volume.kind !== 'label') continue;
    loaded[key] = await alignAxes(volume, image, runtime);
    if (loaded[key] !== volume) notes.push(alignmentNote(key, volume, image));
  }
  return notes;
}

/**
 * Labels must be on the grid of the image, unless a later step brings them together. Returns a note then.
 *
 * @throws DataError otherwise.
 */
function checkGrids(
  subject: Case,
  loaded: Readonly<Record<string, Volume>>,
  { regridded }: StepContext,
): string[] {
  const fault = gridFault(subject, loaded);
  if (!fault) return [];
  if (regridded) return [`${fault} Later steps must bring them together.`];
  throw new DataError(
    `${fault} Check that they belong together. To bring them together by steps, use resampleToMatch, e.g. ` +
      'resampleToMatch: { keys: label, keyDst: image }.',
  );
}
