import { deviation, mean } from 'd3-array';
import { decimalsFor, showNumber } from '../text.js';
import { axisBelow, axisHeight, axisLeft, gridColumns, linearScale } from './scale.js';
import { chart, dots, halfWidth, line, text, uprightText } from './svg.js';

/** The predicted and the reference volume of a label in a case, in mL. */
export interface VolumePair {
  readonly case: number;
  readonly prediction: number;
  readonly reference: number;
  readonly outlier?: boolean;
}

const [left, top, bottom] = [66, 10, 296];
const size = { width: halfWidth, height: bottom + axisHeight };
const positive = [0, Number.POSITIVE_INFINITY] as const;

/** Predicted against reference volume, with the line on which they are equal. */
export function volumeChart(name: string, pairs: readonly VolumePair[]): string {
  return pairedChart(
    name,
    pairs.map(({ prediction, reference, ...point }) => ({ ...point, x: reference, y: prediction })),
    {
      label: 'Predicted volume against reference volume in mL, one point per case',
      titles: ['reference, mL', 'prediction, mL'],
      limits: positive,
    },
  );
}

/** Two measurements of a case. */
export interface PairedPoint {
  readonly case: number;
  readonly x: number;
  readonly y: number;
  readonly outlier?: boolean;
}

/** What a chart of pairs says, and the limits of both axes. */
export interface PairedChart {
  readonly label: string;
  readonly titles: readonly [x: string, y: string];
  readonly limits: readonly [number, number];
}

/** Two measurements of each case against each other, with the line on which they are equal. */
export function pairedChart(
  name: string,
  points: readonly PairedPoint[],
  { label, titles, limits }: PairedChart,
): string {
  const right = halfWidth - 10;
  const values = points.flatMap((point) => [point.x, point.y]);
  const x = linearScale(values, { range: [left, right], limits, ticks: 4 });
  const y = linearScale(values, { range: [bottom, top], limits });
  const [low, high] = x.domain;
  return chart(
    { name, label, ...size },
    gridColumns(x, top, bottom),
    axisBelow(x, bottom, titles[0]),
    axisLeft(y, left, right),
    uprightText(12, (top + bottom) / 2, titles[1], { class: 'axis' }),
    line(x.at(low), y.at(low), x.at(high), y.at(high), { class: 'equal' }),
    dots(points.map((point) => ({ ...point, value: point.y, x: x.at(point.x), y: y.at(point.y) }))),
  );
}

/** The mean of the differences between two measurements, and the limits of agreement around it. */
export interface Agreement {
  readonly bias: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Bias and limits of agreement: the mean difference, and 1.96 sample standard deviations below and above it.
 * Undefined for fewer than two pairs.
 *
 * Source: Bland and Altman, Lancet 1986.
 */
export function agreementOf(pairs: readonly VolumePair[]): Agreement | undefined {
  const differences = pairs.map(differenceOf);
  const [bias, std] = [mean(differences), deviation(differences)];
  if (bias === undefined || std === undefined) return undefined;
  return { bias, low: bias - 1.96 * std, high: bias + 1.96 * std };
}

const differenceOf = ({ prediction, reference }: VolumePair) => prediction - reference;
const meanOf = ({ prediction, reference }: VolumePair) => (prediction + reference) / 2;

/**
 * Bland and Altman's plot: the difference of the two volumes against their mean, with bias and limits of
 * agreement.
 */
export function blandAltmanChart(name: string, pairs: readonly VolumePair[]): string {
  // The values of the limits stand to the right of the plot.
  const right = halfWidth - 62;
  const agreement = agreementOf(pairs);
  const marks = agreement ? [agreement.low, agreement.bias, agreement.high] : [];
  const x = linearScale(pairs.map(meanOf), { range: [left, right], limits: positive, ticks: 4 });
  const y = linearScale([...pairs.map(differenceOf), ...marks, 0], { range: [bottom, top] });
  const decimals = decimalsFor(Math.max(...marks.map(Math.abs), 0));
  const label =
    'Difference of predicted and reference volume against their mean in mL, with mean difference and limits of agreement (mean ± 1.96 SD)';
  return chart(
    { name, label, ...size },
    gridColumns(x, top, bottom),
    axisBelow(x, bottom, 'mean of both, mL'),
    axisLeft(y, left, right),
    uprightText(12, (top + bottom) / 2, 'prediction − reference, mL', { class: 'axis' }),
    line(left, y.at(0), right, y.at(0), { class: 'zero' }),
    ...marks.map((value) => {
      const kind = value === agreement!.bias ? 'bias' : 'limit';
      const number = text(right + 5, y.at(value) + 4, 'start', showNumber(value, decimals), {
        class: 'tick',
      });
      return line(left, y.at(value), right, y.at(value), { class: kind }) + number;
    }),
    dots(
      pairs.map((pair) => {
        const value = differenceOf(pair);
        return { case: pair.case, value, outlier: pair.outlier, x: x.at(meanOf(pair)), y: y.at(value) };
      }),
    ),
  );
}
