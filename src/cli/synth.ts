import { type Command, InvalidArgumentError, Option } from 'commander';
import { show } from '../errors.js';
import { synthDataset } from '../synth/dataset.js';
import type { PhantomLabels } from '../synth/phantom.js';
import type { Triple, Vec3 } from '../volume/volume.js';

interface SynthFlags {
  readonly cases: number;
  readonly test: number;
  readonly seed: number;
  readonly size: Vec3;
  readonly spacing?: Vec3;
  readonly labels: PhantomLabels;
}

/** Adds `voxstream synth DIR`, which writes a dataset of phantoms; see `synthDataset`. */
export function addSynthCommand(program: Command): void {
  program
    .command('synth')
    .summary('write a synthetic CT dataset')
    .description(
      'Writes a synthetic CT dataset in Decathlon layout (imagesTr, labelsTr, imagesTs, dataset.json): ' +
        'artificial abdomens whose organs vary in position, size, shape and HU, with the spleen as ' +
        'label 1.',
    )
    .argument(
      '<dir>',
      'output folder: a new or empty folder, or an earlier synthetic dataset, which is replaced',
    )
    .option('--cases <n>', 'number of training cases, with labels', parseNumber, 8)
    .option('--test <n>', 'number of test cases, without labels', parseNumber, 2)
    .option('--seed <n>', 'integer; the same seed gives the same dataset', parseNumber, 0)
    .option('--size <x,y,z>', 'size of each image in voxels', parseTriple, [128, 128, 64])
    .option('--spacing <x,y,z>', 'voxel size in mm (default: varies from case to case)', parseTriple)
    .addOption(
      new Option('--labels <which>', 'label only the spleen, or several organs with the spleen first')
        .choices(['spleen', 'organs'])
        .default('spleen'),
    )
    .action(async (folder: string, flags: SynthFlags) => {
      const { test: testCases, ...options } = flags;
      const live = process.stderr.isTTY;
      const { training, test } = await synthDataset(folder, {
        ...options,
        testCases,
        onCase: (id, done, total) => {
          process.stderr.write(live ? `\r${done} of ${total} cases` : `${id} (${done} of ${total})\n`);
        },
      });
      if (live) process.stderr.write('\n');
      process.stderr.write(
        `Wrote ${training.length} training and ${test.length} test cases to ${folder}.\n` +
          `Next: voxstream run pipelines/demo.yaml --set dataset=${show(folder)}\n`,
      );
    });
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}

function parseTriple(text: string): Vec3 {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (values.length === 3 && !values.some(Number.isNaN)) return values as Triple;
  throw new InvalidArgumentError('It must be three numbers separated by commas, e.g. 128,128,64.');
}
