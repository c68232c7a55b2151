import { stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { escapePath, glob as findFiles, isDynamicPattern } from 'tinyglobby';
import { z } from 'zod';
import { isAddress, nameOf, shownPlace } from '../address.js';
import { listNames, OptionError } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import { readStart, withFile } from '../formats/openFile.js';
import { placeType } from '../optionTypes.js';
import { globAddress, partOf } from '../storage/glob.js';
import { statPlace } from '../storage/places.js';
import { type RefusedCase, type SourceItem, source, storedPath } from './define.js';
import { distinctIds } from './distinctIds.js';

/** The placeholder for a case's id in patterns. */
export const hole = '{case}';

/**
 * All images that match a pattern, sorted by path. A case's id is the text at the position of `{case}`.
 * Without
 * `{case}` it is the file name without extensions, or the folder's name if several files have the same name.
 * Hidden folders are skipped, unless the pattern names them.
 *
 * @throws OptionError if no image matches.
 */
export const glob = source({
  name: 'glob',
  summary: 'All images that match a pattern, with further volumes by patterns with {case}.',
  options: {
    image: placeType.describe('Pattern of the images, e.g. in/*.nii.gz or in/{case}/ct.nii.gz'),
    ifMissing: z
      .enum(['refuse', 'leaveOut'])
      .default('refuse')
      .describe(
        'What to do if a further volume of a case is missing: refuse the case, or leave out the volume',
      ),
  },
  rest: placeType.describe('Pattern of a further volume, with {case} for the case id, e.g. gt/{case}.nii.gz'),
  check: ({ image, ifMissing: _, ...others }) => [
    ...(image.split(hole).length > 2 ? [`image holds {case} more than once: "${image}"`] : []),
    ...(image.split(hole)[1]?.includes('**') ? [`image has ** after {case}: "${image}"`] : []),
    ...Object.entries(others)
      .filter(([, pattern]) => !pattern.includes(hole))
      .map(
        ([key, pattern]) => `${key} is "${pattern}", but must contain {case}, which stands for the case id`,
      ),
  ],
  example: { image: 'in/*.nii.gz', label: 'gt/{case}.nii.gz' },
  async *open({ image, ifMissing, ...others }) {
    const images = await filesOfPattern(image);
    if (images.length === 0) throw await nothingFound(image);
    for (const { id, file } of images) yield await toCase(id, file, others, ifMissing === 'leaveOut');
  },
});

async function nothingFound(pattern: string): Promise<OptionError> {
  const folder = await stat(pattern).catch(() => undefined);
  if (folder?.isDirectory()) {
    return new OptionError(
      `${pattern} (source.image) is a folder, but a pattern was expected. Give ${join(pattern, '*')} for the images in ` +
        `it, or ${join(pattern, '**', '*.nii.gz')} for those in its folders too.`,
    );
  }
  const found = await matches(pattern.replace(hole, '*'));
  const shown = shownPlace(pattern);
  const others = found.length > 0 ? `; it matches ${found.length} other file(s), e.g. ${found[0]}` : '';
  const advice = (await isDicom(found[0]))
    ? 'That is a DICOM file: read series with the source "dicom".'
    : isAddress(pattern)
      ? 'Check the address.'
      : 'Paths are relative to the working directory.';
  return new OptionError(`No image matches ${shown} (source.image)${others}. ${advice}`);
}

/** Whether a file begins as DICOM files do. */
async function isDicom(file: string | undefined): Promise<boolean> {
  if (!file) return false;
  const start = await withFile(file, (open) => readStart(open, 132)).catch(() => undefined);
  return start?.toString('latin1', 128, 132) === 'DICM';
}

/** The images that match a pattern, sorted by path, each with its case's id. */
export async function filesOfPattern(pattern: string): Promise<{ id: string; file: string }[]> {
  const found = (await matches(pattern.replace(hole, '*'))).filter((path) => isImageFile(nameOf(path)));
  const ids = pattern.includes(hole) ? found.map((path) => idOf(path, pattern)) : distinctIds(found);
  return found.map((file, i) => ({ id: ids[i], file }));
}

async function toCase(
  id: string,
  image: string,
  others: Readonly<Record<string, string>>,
  leaveOut: boolean,
): Promise<SourceItem> {
  const files: Record<string, string> = { image };
  for (const [key, pattern] of Object.entries(others)) {
    let found = await fileOfCase(id, pattern);
    if (leaveOut && found.length === 1 && !(await statPlace(found[0]))) found = [];
    if (found.length === 0 && leaveOut) continue;
    if (found.length !== 1) return refusedFile(id, key, pattern, found);
    files[key] = found[0];
  }
  return { id, files, volumes: {}, metrics: [], timings: {} };
}

/**
 * The files that a pattern with `{case}` stands for. Without wildcards, that is one file, which may be
 * missing.
 */
export async function fileOfCase(id: string, pattern: string): Promise<string[]> {
  if (!isDynamicPattern(pattern.replaceAll(hole, 'x'))) {
    const file = pattern.replaceAll(hole, id);
    return [isAddress(file) ? file : storedPath(file)];
  }
  // The file system may hold the name composed (NFC) or decomposed (NFD).
  const names = new Set([id, id.normalize('NFD')]);
  const all = await Promise.all(
    [...names].map((name) => matches(pattern.replaceAll(hole, escapePath(name)))),
  );
  return all.flat();
}

/** The refusal of a case for which a pattern does not mean exactly one file. */
export function refusedFile(id: string, key: string, pattern: string, found: readonly string[]): RefusedCase {
  return {
    id,
    refused:
      `The ${key} of case ${id} must be one file, but ${pattern.replaceAll(hole, id)} matches ${found.length}: ` +
      `${listNames(found.slice(0, 5))}.`,
  };
}

async function matches(pattern: string): Promise<string[]> {
  if (isAddress(pattern)) return globAddress(pattern);
  const posix = sep === '\\' ? pattern.replaceAll('\\', '/') : pattern;
  const found = await findFiles(posix, { onlyFiles: true, expandDirectories: false });
  return found.sort();
}

/** The text at the position of `{case}`, counted from the end of the path. */
function idOf(path: string, pattern: string): string {
  const wanted = pattern.split('/');
  const at = wanted.findIndex((segment) => segment.includes(hole));
  const segment = path.split('/').at(at - wanted.length) ?? '';
  const [before, after] = wanted[at].split(hole).map(partOf);
  const id = new RegExp(`^${before}(.+)${after}$`).exec(segment)?.[1] ?? stripImageExtension(segment);
  return id.normalize('NFC');
}
