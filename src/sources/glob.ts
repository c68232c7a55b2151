import { basename, sep } from 'node:path';
import { escapePath, glob as findFiles, isDynamicPattern } from 'tinyglobby';
import { z } from 'zod';
import { listNames, OptionError } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import { type SourceItem, source } from './define.js';

/** The placeholder for a case's id in patterns. */
export const hole = '{case}';

/**
 * All images that match a pattern, sorted by path. A case's id is the file name without extensions, or the
 * text at the position of `{case}`.
 *
 * @throws OptionError if no image matches.
 */
export const glob = source({
  name: 'glob',
  summary: 'All images that match a pattern, with further volumes by patterns with {case}.',
  options: {
    image: z.string().min(1).describe('Pattern of the images, e.g. in/*.nii.gz or in/{case}/ct.nii.gz'),
  },
  rest: z
    .string()
    .min(1)
    .describe('Pattern of a further volume, with {case} for the case id, e.g. gt/{case}.nii.gz'),
  check: ({ image, ...others }) => [
    ...(image.split(hole).length > 2 ? [`image holds {case} more than once: "${image}"`] : []),
    ...(image.split(hole)[1]?.includes('**') ? [`image has ** after {case}: "${image}"`] : []),
    ...Object.entries(others)
      .filter(([, pattern]) => !pattern.includes(hole))
      .map(
        ([key, pattern]) => `${key} is "${pattern}", but must contain {case}, which stands for the case id`,
      ),
  ],
  example: { image: 'in/*.nii.gz', label: 'gt/{case}.nii.gz' },
  async *open({ image, ...others }) {
    const images = await filesOfPattern(image);
    if (images.length === 0) {
      const found = await matches(image.replace(hole, '*'));
      throw new OptionError(
        `No image matches ${image} ` +
          `(source.image)${found.length > 0 ? `; it matches ${found.length} other file(s), e.g. ${found[0]}` : ''}. ` +
          'Paths are relative to the working directory.',
      );
    }
    for (const { id, file } of images) yield await toCase(id, file, others);
  },
});

/** The images that match a pattern, sorted by path, each with its case's id. */
export async function filesOfPattern(pattern: string): Promise<{ id: string; file: string }[]> {
  const found = await matches(pattern.replace(hole, '*'));
  return found
    .filter((path) => isImageFile(basename(path)))
    .map((path) => ({ id: idOf(path, pattern), file: path }));
}

async function toCase(
  id: string,
  image: string,
  others: Readonly<Record<string, string>>,
): Promise<SourceItem> {
  const files: Record<string, string> = { image };
  for (const [key, pattern] of Object.entries(others)) {
    if (!isDynamicPattern(pattern.replaceAll(hole, 'x'))) {
      files[key] = pattern.replaceAll(hole, id);
      continue;
    }
    const found = await matches(pattern.replaceAll(hole, escapePath(id)));
    if (found.length !== 1) {
      return {
        id,
        refused: `The ${key} of case ${id} must be one file, but ${pattern.replaceAll(hole, id)} matches ${found.length}: ${listNames(found.slice(0, 5))}.`,
      };
    }
    files[key] = found[0];
  }
  return { id, files, volumes: {}, metrics: [], timings: {} };
}

async function matches(pattern: string): Promise<string[]> {
  const posix = sep === '\\' ? pattern.replaceAll('\\', '/') : pattern;
  const found = await findFiles(posix, { onlyFiles: true, expandDirectories: false, dot: true });
  return found.sort();
}

/**
 * The text at the position of `{case}`, counted from the end of the path. Without `{case}`, the file name.
 */
function idOf(path: string, pattern: string): string {
  const wanted = pattern.split('/');
  const at = wanted.findIndex((segment) => segment.includes(hole));
  if (at < 0) return stripImageExtension(basename(path));
  const segment = path.split('/').at(at - wanted.length) ?? '';
  const [before, after] = wanted[at].split(hole).map((text) =>
    text
      .split('*')
      .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*'),
  );
  return new RegExp(`^${before}(.+)${after}$`).exec(segment)?.[1] ?? stripImageExtension(segment);
}
