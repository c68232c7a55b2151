import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listNames, OptionError, show } from '../errors.js';
import { readFault, writeAside, writeFault } from '../formats/aside.js';
import { writeNifti } from '../formats/writeNifti.js';
import type { Vec3 } from '../volume/volume.js';
import { makePhantom, type PhantomLabels, phantomLabelNames } from './phantom.js';

export interface SynthOptions {
  /** Training cases: image and label. Default: 8. */
  readonly cases?: number;
  /** Test cases: image only. Default: 2. */
  readonly testCases?: number;
  /** Whole number, 0 or more. A case's voxels depend on the seed and the case's number only. Default: 0. */
  readonly seed?: number;
  /** Voxels in x, y and z of every case. Default: 128, 128, 64. */
  readonly size?: Vec3;
  /** Voxel size in mm of every case. Default: varies from case to case; see `makePhantom`. */
  readonly spacing?: Vec3;
  /** What labels hold. Default: `spleen`. */
  readonly labels?: PhantomLabels;
  /** Called after a case was written. */
  readonly onCase?: (id: string, done: number, total: number) => void;
}

/** What was written. */
export interface SynthDataset {
  /** Ids of the training cases, in order. */
  readonly training: readonly string[];
  /** Ids of the test cases, in order. */
  readonly test: readonly string[];
}

const folders = ['imagesTr', 'labelsTr', 'imagesTs'] as const;
const listFile = 'dataset.json';
/** The most cases of each kind. */
const mostCases = 100_000;
/** The names of images that are written here, including unfinished ones of a killed process. */
const caseFile = /^synth_\d{3,}\.nii\.gz(\..*\.partial)?$/;

/**
 * Writes a dataset of phantoms in the layout of the Medical Segmentation Decathlon: `imagesTr`, `labelsTr`,
 * `imagesTs` and `dataset.json`. Test cases are numbered after the training cases. An earlier dataset of
 * phantoms is replaced.
 *
 * @throws OptionError if an option is out of range, or the folder holds other files; nothing is written then.
 * @throws DataError if a file cannot be written.
 */
export async function synthDataset(folder: string, options: SynthOptions = {}): Promise<SynthDataset> {
  const { cases = 8, testCases = 2, seed = 0, size = [128, 128, 64], spacing, labels = 'spleen' } = options;
  checkOptions({ cases, testCases, seed, size, spacing, labels });
  await clear(folder);
  const total = cases + testCases;
  const ids = Array.from({ length: total }, (_, i) => `synth_${String(i + 1).padStart(3, '0')}`);
  const split = { training: ids.slice(0, cases), test: ids.slice(cases) };
  for (const [index, id] of ids.entries()) {
    const { image, label } = makePhantom({ seed, index, size, spacing, labels });
    const [images, labelFolder] = index < cases ? ['imagesTr', 'labelsTr'] : ['imagesTs', undefined];
    await writeNifti(join(folder, images, `${id}.nii.gz`), image, { dtype: 'int16' });
    if (labelFolder) await writeNifti(join(folder, labelFolder, `${id}.nii.gz`), label, { dtype: 'uint8' });
    options.onCase?.(id, index + 1, total);
  }
  const description = {
    name: 'Synth',
    description: 'Phantoms made by voxstream synth: made-up contrast-enhanced CTs of the upper abdomen.',
    licence: 'CC0-1.0',
    release: '1.0',
    tensorImageSize: '3D',
    modality: { 0: 'CT' },
    labels: { 0: 'background', ...phantomLabelNames(labels) },
    numTraining: cases,
    numTest: testCases,
    training: split.training.map((id) => ({
      image: `./imagesTr/${id}.nii.gz`,
      label: `./labelsTr/${id}.nii.gz`,
    })),
    test: split.test.map((id) => `./imagesTs/${id}.nii.gz`),
    synth: { seed, size, spacing: spacing ?? 'varied', labels },
  };
  await writeAside(join(folder, listFile), (temporary) =>
    writeFile(temporary, `${JSON.stringify(description, null, 2)}\n`),
  );
  return split;
}

function checkOptions(
  options: Required<Omit<SynthOptions, 'spacing' | 'onCase'>> & Pick<SynthOptions, 'spacing'>,
): void {
  const faults: string[] = [];
  const demand = (met: boolean, name: keyof typeof options, wish: string) => {
    if (!met) faults.push(`synth: ${name} must be ${wish}, but it is ${show(options[name])}.`);
  };
  const whole = (value: number, least: number, most = Number.MAX_SAFE_INTEGER) =>
    Number.isSafeInteger(value) && value >= least && value <= most;
  const { cases, testCases, seed, size, spacing, labels } = options;
  demand(whole(cases, 0, mostCases), 'cases', `a whole number from 0 to ${mostCases}`);
  demand(whole(testCases, 0, mostCases), 'testCases', `a whole number from 0 to ${mostCases}`);
  demand(whole(seed, 0), 'seed', 'a whole number from 0 on');
  const sizeFits = size.length === 3 && size.every((n) => whole(n, 8) && n <= 1024);
  demand(sizeFits, 'size', 'three whole numbers of voxels from 8 to 1024');
  const spacingFits =
    spacing === undefined || (spacing.length === 3 && spacing.every((mm) => mm > 0 && mm <= 50));
  demand(spacingFits, 'spacing', 'three positive numbers in mm, of at most 50');
  demand(labels === 'spleen' || labels === 'organs', 'labels', '"spleen" or "organs"');
  if (cases === 0 && testCases === 0)
    faults.push('synth: cases and testCases are both 0: there is nothing to write.');
  if (faults.length > 0) throw new OptionError(faults.join('\n'));
}

/** Removes an earlier dataset of phantoms. Throws OptionError if the folder holds other files. */
async function clear(folder: string): Promise<void> {
  const ours: string[] = [];
  const others: string[] = [];
  const isOurList = await listsPhantoms(join(folder, listFile));
  for (const name of await entries(folder)) {
    if (name === listFile && isOurList) ours.unshift(name);
    else if ((folders as readonly string[]).includes(name)) {
      for (const inner of await entries(join(folder, name))) {
        (caseFile.test(inner) ? ours : others).push(join(name, inner));
      }
    } else if (!isOurList && !name.startsWith('.')) others.push(name);
  }
  if (others.length > 0) {
    const some = listNames(others.slice(0, 3).map((name) => show(name)));
    throw new OptionError(
      `${folder} holds other files than phantoms (${some}${others.length > 3 ? ', …' : ''}), so nothing ` +
        'was written there. Choose a folder that is new or empty.',
    );
  }
  // The list goes first, so that an interrupted run does not leave a list of missing files.
  for (const name of ours) {
    await rm(join(folder, name)).catch((error) => {
      throw writeFault(join(folder, name), error);
    });
  }
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR')
      throw new OptionError(`${folder} is a file, but a folder is needed. Choose another name.`);
    throw readFault(folder, error);
  }
}

/** True if a file is the list of a dataset of phantoms. */
async function listsPhantoms(file: string): Promise<boolean> {
  try {
    return 'synth' in JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return false;
  }
}
