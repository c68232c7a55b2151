import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { isAddress, joinPlace } from '../address.js';
import { listNames, OptionError } from '../errors.js';
import { placeType } from '../optionTypes.js';
import { namesInFolder } from '../storage/places.js';
import { caseInside, type SourceItem, source } from './define.js';
import { channelsByCase } from './nnunetRaw.js';

/**
 * The images in a folder as nnU-Net's prediction takes it: `CASE_0000.nii.gz`, `CASE_0001.nii.gz`, …, one
 * file for each channel. The channels of a case become the channels of one volume. A case that lacks a
 * channel is refused.
 *
 * @throws OptionError if the folder cannot be read or has no such file.
 */
export const nnunetImages = source({
  name: 'nnunetImages',
  summary: "A folder of images with nnU-Net's names: CASE_0000.nii.gz, CASE_0001.nii.gz and so on.",
  options: {
    dir: placeType.describe('The folder with the images'),
    channels: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('Channels that each case must have. Default: any number'),
    fileEnding: z.string().min(1).default('.nii.gz').describe('How the names of files end'),
  },
  example: { dir: 'imagesTs' },
  async *open({ dir, channels, fileEnding }) {
    const names = isAddress(dir)
      ? await namesInFolder(dir)
      : await readdir(dir).catch(() => {
          throw new OptionError(`${dir} (source.dir) is not a folder that can be read.`);
        });
    const cases = channelsByCase(names, fileEnding);
    if (cases.size === 0) {
      const found = names.length > 0 ? `it has ${listNames(names.slice(0, 3))}` : 'it is empty';
      throw new OptionError(
        `${dir} (source.dir) has no file CASE_0000${fileEnding}, as nnU-Net names images; ${found}. To read images with ` +
          'other names, use the source "glob".',
      );
    }
    for (const [id, files] of cases) yield checked(id, dir, files, channels, fileEnding);
  },
});

function checked(
  id: string,
  dir: string,
  files: readonly string[],
  channels: number | undefined,
  ending: string,
): SourceItem {
  const wanted = channels ?? files.length;
  const expected = Array.from({ length: wanted }, (_, i) => `${id}_${String(i).padStart(4, '0')}${ending}`);
  const missing = expected.filter((name) => !files.includes(name));
  const extra = files.filter((name) => !expected.includes(name));
  const name = id.normalize('NFC');
  if (missing.length > 0 || extra.length > 0) {
    const wrong =
      missing.length > 0
        ? `there is no ${joinPlace(dir, missing[0])}`
        : `${joinPlace(dir, extra[0])} is a channel too many`;
    return {
      id: name,
      refused: `Case ${name} must have ${wanted} channel(s), ${listNames(expected)}, but ${wrong}.`,
    };
  }
  return caseInside(name, dir, { image: files });
}
