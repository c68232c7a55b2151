import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { synthDataset } from '#src/synth/dataset.js';
import { testNeeding } from '../needs.js';
import { type Action, actAtEvents } from './actAtEvents.js';
import { bandModel, type Ended, temporaryFolder, voxstream } from './harness.js';

/** Makes a Decathlon dataset of `count` small phantoms. They are copies of `different` phantoms. */
export async function phantoms(count: number, different = 3): Promise<string> {
  const root = temporaryFolder();
  const made = join(root, 'made');
  await synthDataset(made, {
    cases: different,
    testCases: 0,
    seed: 5,
    size: [32, 32, 24],
    labels: 'spleen',
  });
  const names = readdirSync(join(made, 'imagesTr')).sort();
  const training = Array.from({ length: count }, (_, i) => {
    const name = `ct_${String(i).padStart(2, '0')}.nii.gz`;
    for (const folder of ['imagesTr', 'labelsTr']) {
      mkdirSync(join(root, 'data', folder), { recursive: true });
      copyFileSync(join(made, folder, names[i % different]), join(root, 'data', folder, name));
    }
    return { image: `./imagesTr/${name}`, label: `./labelsTr/${name}` };
  });
  const dataset = { labels: { 0: 'background', 1: 'spleen' }, training, test: [] };
  writeFileSync(join(root, 'data/dataset.json'), JSON.stringify(dataset));
  return join(root, 'data');
}

/**
 * What the tests add to the pipeline. With such coarse voxels the model finds nothing, so that without the
 * images the results of all cases would be the same.
 */
const extra = join(temporaryFolder(), 'extra.json');
writeFileSync(
  extra,
  JSON.stringify({
    steps: ['volume'],
    sinks: [{ nifti: { keys: ['pred', 'image'], postfix: { pred: 'seg', image: 'image' } } }],
  }),
);

/** The arguments that segment and evaluate a dataset of `phantoms`. */
export function evaluateArgs(dataset: string, output: string, ...more: string[]): string[] {
  const set = [
    `dataset=${dataset}`,
    'source={decathlon: {split: train, validation: 0}}',
    `source.root=${dataset}`,
    `model=${bandModel}`,
    'inference.roiSize=[24, 24, 16]',
    'inference.overlap=0',
    // About the spacing of the phantoms: small volumes make the tests fast.
    'spacing.pixdim=[10, 10, 12]',
    'runtime.device=cpu',
    `output=${output}`,
  ];
  return ['run', 'pipelines/spleen-evaluate.yaml', extra, ...set.flatMap((one) => ['--set', one]), ...more];
}

/** The events that a run with `--json` printed. */
export function eventsOf(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Runs the real command line with `--json`; the process acts at some of its events. */
export function voxstreamActing(args: readonly string[], actions: readonly Action[]): Promise<Ended> {
  return voxstream([...args, '--json'], actAtEvents(actions));
}

/** The SHA-256 of each file with results in a folder, by name, and the names of all files. */
export function fingerprints(folder: string): { results: Record<string, string>; all: string[] } {
  const all = readdirSync(folder, { recursive: true }).map(String).sort();
  const wanted = all.filter((name) => /\.nii\.gz$|metrics\.csv$|summary\.json$|failures\.csv$/.test(name));
  const results = wanted.map((name) => [
    name,
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex'),
  ]);
  return { results: Object.fromEntries(results), all };
}

/** Mounts a tmpfs until the tests end. Undefined where mounting is not allowed. */
export function mountTmpfs(mebibytes: number): string | undefined {
  const folder = join(temporaryFolder(), 'disk');
  mkdirSync(folder);
  const { status } = spawnSync('mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${mebibytes}m`,
    'voxstream-test',
    folder,
  ]);
  if (status !== 0) return undefined;
  process.prependListener('exit', () => execFileSync('umount', ['-l', folder]));
  return folder;
}

/** A test on a small disk, a tmpfs that only this test uses. */
export function diskTest(name: string, mebibytes: number, run: (disk: string) => Promise<void>): void {
  const disk = process.platform === 'linux' ? mountTmpfs(mebibytes) : undefined;
  testNeeding(disk ? undefined : 'the right to mount a tmpfs: root on Linux', name, () =>
    run(disk as string),
  );
}
