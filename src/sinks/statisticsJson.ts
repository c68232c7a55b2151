import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Case, fileNameOf } from '../case.js';
import { makeFolder } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { extraMetrics, statisticsMetrics } from '../metrics/labelStatistics.js';
import type { MetricDescription } from '../metrics/metric.js';
import type { OptionValues } from '../options.js';
import { sink } from './define.js';

const options = {
  dir: z
    .string()
    .default('')
    .describe("Folder of the files, relative to the run's folder. Default: the run's folder"),
  separateFolder: z
    .boolean()
    .default(false)
    .describe('Write CASE/statistics.json instead of CASE_statistics.json'),
};

type Options = OptionValues<typeof options>;

/**
 * A sink that writes what `labelStatistics` measured as TotalSegmentator's `statistics.json`, a file for each
 * case: by label, `volume` in mm³ and `intensity`, and with `extra` its further fields.
 */
export const statisticsJsonSink = sink({
  name: 'statisticsJson',
  summary: "Writes what labelStatistics measured as TotalSegmentator's statistics.json.",
  options,
  example: { separateFolder: true },
  targets: (given, output) => ({ ofCase: (subject) => [fileOf(given, output, subject)] }),
  open: async (given, { output }) => ({
    async write(subject) {
      const file = fileOf(given, output, subject);
      await makeFolder(join(file, '..'));
      await writeFileAside(file, `${JSON.stringify(statisticsOf(subject), null, 2)}\n`);
    },
    files: (subject) => [fileOf(given, output, subject)],
  }),
});

function fileOf({ dir, separateFolder }: Options, output: string, { id }: Pick<Case, 'id'>): string {
  const name = fileNameOf(id);
  const folder = resolve(output, dir);
  return separateFolder ? join(folder, name, 'statistics.json') : join(folder, `${name}_statistics.json`);
}

/** The content of the file, by label. */
function statisticsOf({ metrics }: Pick<Case, 'metrics'>): Record<string, unknown> {
  const labels = new Map<string, Map<string, number>>();
  for (const { metric, label, value } of metrics) {
    if (label === null) continue;
    const values = labels.get(label) ?? new Map<string, number>();
    labels.set(label, values.set(metric.name, value));
  }
  const { volume, intensity } = statisticsMetrics;
  const { voxels, std, min, max, centroid, low, high } = extraMetrics;
  const measured = [...labels].filter(([, values]) => values.has(volume.name));
  return Object.fromEntries(
    measured.map(([label, values]) => {
      const of = ({ name }: MetricDescription) => values.get(name) as number;
      const basic = { volume: of(volume), intensity: of(intensity) };
      if (!values.has(voxels.name)) return [label, basic];
      const isMissing = Number.isNaN(of(centroid[0]));
      return [
        label,
        {
          ...basic,
          n_voxels: of(voxels),
          intensity_std: of(std),
          intensity_min: of(min),
          intensity_max: of(max),
          centroid_vox: isMissing ? null : centroid.map(of),
          bbox_vox: isMissing ? null : low.map((first, axis) => [of(first), of(high[axis])]),
        },
      ];
    }),
  );
}
