import type { ViewerData } from '../../browserData.js';
import { labelColour } from '../../labelColours.js';

/** The colour of a label where there is one mask only, so that colours need not tell masks apart. */
export function colourOfLabel({ labels }: ViewerData, value: number): string {
  return labelColour(
    value,
    labels.map((label) => label.value).filter((other) => other > 0),
  );
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
  for (const { value } of data.labels) {
    if (value <= 0) continue;
    const hex = data.masks.length > 1 ? maskColour : colourOfLabel(data, value);
    const rgb = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    rows.push([...rgb, shown === undefined || shown === value ? 255 : 0, value]);
  }
  const column = (at: number) => rows.map((row) => row[at]);
  return { R: column(0), G: column(1), B: column(2), A: column(3), I: column(4) };
}
