import { join } from 'node:path';
import { writeNifti } from '#src/formats/writeNifti.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';
import type { RunOptions } from '#src/pipeline/runOptions.js';
import { type Affine, makeVolume, type Vec3 } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';

// An LPS grid of 20 x 16 x 10 voxels of 1 x 1 x 2 mm.
const size: Vec3 = [20, 16, 10];
const affine: Affine = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];

/** A block of label 1 whose first voxel is `start` and which has 10 x 8 x 5 voxels: 0.8 mL. */
export function block([x, y, z]: Vec3) {
  const data = new Uint8Array(3200);
  data.forEach((_, i) => {
    const [a, b, c] = [(i % 20) - x, (Math.floor(i / 20) % 16) - y, Math.floor(i / 320) - z];
    if (a >= 0 && a < 10 && b >= 0 && b < 8 && c >= 0 && c < 5) data[i] = 1;
  });
  return makeVolume({ data, size, affine, kind: 'label' });
}

/** What a test's dataset and pipeline are like; each has a default. */
interface Settings {
  readonly steps?: string;
  readonly sinks?: string;
  /**
   * How many voxels in x the prediction of a case is off, at most 6: its Dice is 1 - shift / 10. Default: 1.
   */
  readonly shift?: (index: number) => number;
  /** Keys that cases have. Default: `image`, `label` and `pred`. */
  readonly keys?: readonly ('image' | 'label' | 'pred')[];
}

/** A dataset of `ids` whose predictions are off by some voxels, and a run over it. */
export async function dataset(ids: readonly string[], settings: Settings = {}) {
  const { steps = '[load, dice]', sinks = '[report]', shift = () => 1 } = settings;
  const { keys = ['image', 'label', 'pred'] } = settings;
  const folder = temporaryFolder();
  const items: Record<string, string>[] = [];
  for (const [i, id] of ids.entries()) {
    const files = Object.fromEntries(keys.map((key) => [key, join(folder, `${i}_${key}.nii.gz`)]));
    const data = Int16Array.from({ length: 3200 }, (_, k) => (k % 20 < 10 ? -1000 : 40));
    if (files.image) await writeNifti(files.image, makeVolume({ data, size, affine }));
    if (files.label) await writeNifti(files.label, block([4, 4, 2]));
    if (files.pred) await writeNifti(files.pred, block([4 + shift(i), 4, 2]));
    items.push({ id, ...files });
  }
  const output = join(folder, 'out');
  const text = `{ name: blocks, source: { datalist: { items: ${JSON.stringify(items)} } }, steps: ${steps}, sinks: ${sinks}, output: '${output}' }`;
  const run = (options: RunOptions = {}) => runPipeline(parsePipeline(text, 'p.yaml'), options);
  return { run, folder, output, items, text };
}

/** The data that lies in a report's page. */
export function pageDataOf(html: string) {
  return JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]);
}
