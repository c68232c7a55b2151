import { ModelError } from '../../errors.js';

/** The labels of a dataset, as the network's output gives them. */
export interface NnunetLabels {
  /** Channels of the network's output. */
  readonly outputs: number;
  /** With regions: the label of each output channel, in order. */
  readonly regions?: readonly number[];
  /** Names of the label values that the label map may have. */
  readonly names: Readonly<Record<number, string>>;
}

interface DatasetLabels {
  readonly labels: Readonly<Record<string, number | readonly number[]>>;
  readonly regions_class_order?: readonly number[];
}

/**
 * Reads the labels of `dataset.json`. A label `ignore` has no output. A dataset has regions if any label
 * combines several values; then all labels but the background are outputs, in the order of the file.
 *
 * @param file Named in messages.
 * @throws ModelError if the regions have no order, or one of another length.
 */
export function readLabels(
  { labels, regions_class_order: order }: DatasetLabels,
  file: string,
): NnunetLabels {
  const entries = Object.entries(labels).filter(([name]) => name !== 'ignore');
  const valuesOf = (value: number | readonly number[]) => [value].flat();
  const regions = entries.filter(([, value]) => !valuesOf(value).every((one) => one === 0));
  if (!Object.values(labels).some((value) => valuesOf(value).length > 1)) {
    const values = new Set(entries.flatMap(([, value]) => valuesOf(value)));
    const names = Object.fromEntries(entries.map(([name, value]) => [valuesOf(value)[0], name]));
    if ([...values].some((value) => value < 0 || value >= values.size)) {
      throw new ModelError(
        `${file}: the labels must be consecutive numbers from 0, as nnU-Net trains them, but they are ` +
          `${[...values].sort((a, b) => a - b).join(', ')}.`,
      );
    }
    return { outputs: values.size, names };
  }
  if (order?.length !== regions.length) {
    throw new ModelError(
      `${file} has ${regions.length} regions, but regions_class_order ${order ? `has ${order.length} entries` : 'is missing'}. It must ` +
        'have a label for each region.',
    );
  }
  const names = Object.fromEntries(regions.map(([name], i) => [order[i], name]));
  return { outputs: regions.length, regions: order, names: { 0: 'background', ...names } };
}
