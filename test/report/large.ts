import type { ReportCase, ReportData } from '#src/report/read.js';
import { Random } from '#src/volume/random.js';
import { valuesNamed } from '../metrics/values.js';

const bounded = ['dice', 'iou', 'nsd', 'sensitivity', 'precision', 'specificity'];
const distances = ['hd', 'hd95', 'assd'];

/** The names of labels in a large report. */
export const largeLabels = Array.from({ length: 20 }, (_, i) => `organ_number_${i + 1}`);

/**
 * The data of a report of `count` cases with 20 labels and all metrics. In every 40th case, the first label
 * is missed: its Dice is 0 and its distances are infinite.
 */
export function largeReport(count = 200): ReportData {
  const random = new Random(1);
  const cases = Array.from({ length: count }, (_, i): ReportCase => {
    const missed = i % 40 === 7;
    const values: Record<string, number> = {};
    const labels = largeLabels.map((name, k) => {
      const empty = missed && k === 0;
      const share = () => Math.max(0, Math.min(1, random.normal(0.85, 0.08)));
      for (const metric of bounded) values[`${metric}_${name}`] = empty ? 0 : share();
      for (const metric of distances) {
        values[`${metric}_${name}`] = empty ? Number.POSITIVE_INFINITY : Math.abs(random.normal(8, 4));
      }
      const reference = 20 + 300 * random.uniform();
      const prediction = empty ? 0 : reference * random.uniform(0.9, 1.1);
      values[`volume_ml_${name}`] = prediction;
      values[`volume_ml_ref_${name}`] = reference;
      return { value: k + 1, name, prediction, reference, worst: k };
    });
    const id = `study_${String(i).padStart(4, '0')}_with_a_name`;
    const planes = (['axial', 'coronal', 'sagittal'] as const).map((name) => ({
      name,
      mm: [400, 400] as const,
    }));
    return {
      id,
      metrics: [
        ...valuesNamed(values),
        ...valuesNamed({ dice_x: random.uniform() }).map((value) => ({ ...value, label: null })),
      ],
      timings: {
        load: random.uniform(1, 2),
        spacing: random.uniform(1, 3),
        inference: random.uniform(10, 20),
      },
      note: {
        case: id,
        planes,
        image: `/data/a_dataset_of_large_studies/imagesTs/${id}_0000.nii.gz`,
        grey: false,
        masks: ['prediction', 'reference'],
        slices: { of: 240, numbers: Array.from({ length: 20 }, (_, n) => 100 + 4 * n), middle: 10, worst: 3 },
        window: null,
        labels,
      },
    };
  });
  return {
    cases,
    failures: [],
    run: { started: '2026-01-01T10:00:00Z', seconds: 4000, pipeline: { name: 'large' } },
  };
}
