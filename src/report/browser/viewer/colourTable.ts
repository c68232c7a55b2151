import type { ViewerData } from '../../browserData.js';
import { labelColour } from '../../labelColours.js';
import { belongs } from './labelMaps.js';

/** The labels that a mask can show: channel 0 is one, and label 0 is the background. */
export function shownLabels({
  labels,
  channels,
}: Pick<ViewerData, 'labels' | 'channels'>): ViewerData['labels'] {
  return labels.filter(({ value }) => value > 0 || (channels && value === 0));
}

/** The colour of a label where there is one mask only, so that colours need not tell masks apart. */
export function colourOfLabel(data: ViewerData, value: number): string {
  return labelColour(
    value,
    shownLabels(data).map((label) => label.value),
  );
}

/** With more channels, there would be too many combinations of them. */
const mostChannels = 12;

/**
 * The numbers that voxels have, each with its label, which gives the colour. With channels, these are all
 * combinations of channels, each with the last of them, or with `shown` where it is one of them.
 */
function numbersOf(data: ViewerData, shown: number | undefined): { value: number; label: number }[] {
  const labels = shownLabels(data).map(({ value }) => value);
  if (!data.channels) return labels.map((label) => ({ value: label, label }));
  const used = labels.filter((label) => label < mostChannels);
  const combinations = 2 ** (Math.max(-1, ...used) + 1);
  return Array.from({ length: combinations - 1 }, (_, i) => i + 1).map((value) => {
    const inside = used.filter((label) => belongs(value, label, true));
    const label = shown !== undefined && inside.includes(shown) ? shown : (inside.at(-1) ?? -1);
    return { value, label };
  });
}

/**
 * Colours of values as NiiVue takes them: value `I[i]` has the colour `R[i]`, `G[i]`, `B[i]`, `A[i]`, 0 to
 * 255.
 */
export interface ColourTable {
  readonly R: number[];
  readonly G: number[];
  readonly B: number[];
  readonly A: number[];
  readonly I: number[];
}

/** The colours of a mask's labels. If `shown` is given, all other labels are transparent. */
export function colourTable(data: ViewerData, maskColour: string, shown: number | undefined): ColourTable {
  const rows = [[0, 0, 0, 0, 0]];
  for (const { value, label } of numbersOf(data, shown)) {
    const hex = data.masks.length > 1 ? maskColour : colourOfLabel(data, label);
    const rgb = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    rows.push([...rgb, shown === undefined || shown === label ? 255 : 0, value]);
  }
  const column = (at: number) => rows.map((row) => row[at]);
  return { R: column(0), G: column(1), B: column(2), A: column(3), I: column(4) };
}
