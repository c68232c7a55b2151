import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';

/** A dataset and a pipeline that take next to no time. */
export interface CheapRun {
  /** The pipeline file: it evaluates and copies label maps. */
  readonly pipeline: string;
  /** The folder of the label maps, `CASE.nii`. */
  readonly predictions: string;
}

/**
 * Makes `count` label maps of 6 x 5 x 4 voxels with references, and a pipeline that evaluates them. Every
 * tenth case fails: its label map is cut off. Labels differ between cases, so that columns do.
 */
export async function cheapRun(count: number, { sinks = '' } = {}): Promise<CheapRun> {
  const root = temporaryFolder();
  const predictions = join(root, 'pred');
  const references = join(root, 'label');
  for (const folder of [predictions, references]) mkdirSync(folder);
  const size = [6, 5, 4] as const;
  for (let at = 0; at < count; at++) {
    const name = `ct_${String(at).padStart(3, '0')}.nii`;
    for (const [folder, step] of [
      [predictions, 7],
      [references, 5],
    ] as const) {
      const most = at % 3 === 0 ? 3 : 2;
      const data = Uint8Array.from({ length: 120 }, (_, i) => ((i * step + at) % 11) % most);
      await writeNifti(join(folder, name), makeVolume({ data, size, kind: 'label' }));
    }
    if (at % 10 === 4) {
      const whole = readFileSync(join(predictions, name));
      writeFileSync(join(predictions, name), whole.subarray(0, whole.length - 9));
    }
  }
  const pipeline = join(root, 'cheap.yaml');
  writeFileSync(
    pipeline,
    `source: { pairs: { pred: '${predictions}', label: '${references}' } }
steps:
  - { id: loadLabel, load: { keys: label } }
  - { id: loadPred, load: { keys: pred } }
  - dice
  - volume
sinks: [nifti, metricsCsv, summary${sinks}]
`,
  );
  return { pipeline, predictions };
}

/** The tables and volumes of a run by name, to compare runs byte by byte. */
export function resultsIn(folder: string): Record<string, string> {
  const wanted = /\.nii\.gz$|^(metrics\.csv|summary\.json|failures\.csv)$/;
  const files = readdirSync(folder).filter((name) => wanted.test(name));
  return Object.fromEntries(files.sort().map((name) => [name, readFileSync(join(folder, name), 'base64')]));
}
