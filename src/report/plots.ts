import { quantileOf } from '../volume/quantile.js';
import type { LaneSamples } from './lanes.js';
import { decimalsFor, escapeHtml, niceTicks, showNumber } from './text.js';

/** A value of a plot, and the number of its case in the report. */
export interface PlotPoint {
  readonly value: number;
  readonly case: number;
}

/** A row of a distribution plot. */
export interface PlotRow {
  readonly name: string;
  readonly points: readonly PlotPoint[];
  /** What stands at the end of the row. */
  readonly note?: string;
}

const width = 720;

/** Rows with more points show only those beyond the whiskers: the box says the rest better, and the page stays small. */
const mostPoints = 300;

const fixed = (value: number) => String(Number(value.toFixed(1)));

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  readonly decimals: number;
  readonly at: (value: number) => number;
}

/** A linear scale from `from` to `to` (pixels), its ends on round numbers but inside `bounds`. */
function scaleOf(
  values: readonly number[],
  [from, to]: readonly [number, number],
  bounds: readonly [number, number],
): Scale {
  let low = values.length > 0 ? values.reduce((a, b) => Math.min(a, b)) : 0;
  let high = values.length > 0 ? values.reduce((a, b) => Math.max(a, b)) : 1;
  if (high - low < 1e-9 * Math.max(1, Math.abs(high))) {
    low -= Math.abs(low) * 0.05 || 0.5;
    high += Math.abs(high) * 0.05 || 0.5;
  }
  const margin = (high - low) * 0.04;
  low = Math.max(bounds[0], low - margin);
  high = Math.min(bounds[1], high + margin);
  const ticks = niceTicks(low, high, 6);
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  return {
    low,
    high,
    ticks,
    decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)),
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
  };
}

function svg(height: number, name: string, label: string, content: string, wide = width): string {
  return (
    `<svg class="plot" data-plot="${escapeHtml(name)}" viewBox="0 0 ${wide} ${height}" width="${wide}" height="${height}" ` +
    `role="img" aria-label="${escapeHtml(label)}">${content}</svg>`
  );
}

const text = (x: number, y: number, content: string, extra = '') =>
  `<text x="${fixed(x)}" y="${fixed(y)}"${extra}>${escapeHtml(content)}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, kind: string) =>
  `<line class="${kind}" x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}"/>`;

const dot = (x: number, y: number, { case: index, value }: PlotPoint) =>
  `<circle class="dot" cx="${fixed(x)}" cy="${fixed(y)}" r="3.5" data-case="${index}" data-value="${value}"/>`;

/** The vertical grid lines of a scale and its numbers below them. */
function axisBelow(scale: Scale, top: number, bottom: number, title: string, middle: number): string {
  const ticks = scale.ticks.map(
    (tick) =>
      line(scale.at(tick), top, scale.at(tick), bottom, 'grid') +
      text(
        scale.at(tick),
        bottom + 16,
        showNumber(tick, scale.decimals),
        ' class="tick" text-anchor="middle"',
      ),
  );
  return ticks.join('') + text(middle, bottom + 34, title, ' class="axis" text-anchor="middle"');
}

/** The horizontal grid lines of a scale and its numbers to their left. */
function axisLeft(scale: Scale, left: number, right: number): string {
  const ticks = scale.ticks.map(
    (tick) =>
      line(left, scale.at(tick), right, scale.at(tick), 'grid') +
      text(left - 8, scale.at(tick) + 4, showNumber(tick, scale.decimals), ' class="tick" text-anchor="end"'),
  );
  return ticks.join('');
}

/** The most characters of a row's name that fit beside its plot. */
const nameLength = 22;

/**
 * Distributions as horizontal box plots with their points, one row each: the box from the 25th to the 75th percentile with
 * the median, whiskers to the outermost values within 1.5 box lengths (Tukey 1977). Values that are not finite are
 * left out. `bounds` limits the axis to values that can be.
 */
export function distributionPlot(
  name: string,
  title: string,
  rows: readonly PlotRow[],
  bounds: readonly [number, number] = [-Infinity, Infinity],
): string {
  const rowHeight = 36;
  const [left, right, top] = [168, width - 132, 8];
  const bottom = top + rows.length * rowHeight;
  const finite = rows.map(({ points }) => points.filter(({ value }) => Number.isFinite(value)));
  const scale = scaleOf(
    finite.flat().map(({ value }) => value),
    [left, right],
    bounds,
  );
  const body = rows.map((row, i) => {
    const middle = top + (i + 0.5) * rowHeight;
    const shown = row.name.length > nameLength ? `${row.name.slice(0, nameLength - 1)}…` : row.name;
    return (
      `<g data-row="${escapeHtml(row.name)}"><title>${escapeHtml(row.name)}</title>` +
      text(left - 12, middle + 4, shown, ' class="name" text-anchor="end"') +
      box(finite[i], scale, middle) +
      (row.note ? text(right + 12, middle + 4, row.note, ' class="tick"') : '') +
      '</g>'
    );
  });
  const axis = axisBelow(scale, top, bottom, title, (left + right) / 2);
  return svg(
    bottom + 44,
    name,
    `${title}, one row each for ${rows.map((row) => row.name).join(', ')}`,
    axis + body.join(''),
  );
}

function box(points: readonly PlotPoint[], scale: Scale, middle: number): string {
  if (points.length === 0) return '';
  const sorted = Float64Array.from(points, ({ value }) => value).sort();
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((q) => quantileOf(sorted, q));
  const reach = 1.5 * (q3 - q1);
  const low = sorted.find((value) => value >= q1 - reach)!;
  const high = sorted.findLast((value) => value <= q3 + reach)!;
  const x = (value: number) => fixed(scale.at(value));
  const drawn =
    points.length > mostPoints ? points.filter(({ value }) => value < low || value > high) : points;
  // Spread evenly over the row's height, the same way each time.
  const dots = drawn.map((point, i) =>
    dot(scale.at(point.value), middle + (((i * 0.618034 + 0.5) % 1) - 0.5) * 18, point),
  );
  const shape =
    points.length < 3
      ? ''
      : line(scale.at(low), middle, scale.at(q1), middle, 'whisker') +
        line(scale.at(q3), middle, scale.at(high), middle, 'whisker') +
        `<rect class="box" x="${x(q1)}" y="${middle - 11}" width="${fixed(scale.at(q3) - scale.at(q1))}" height="22" rx="2"/>`;
  return (
    shape +
    dots.join('') +
    `<line class="median" data-median="${median}" x1="${x(median)}" x2="${x(median)}" y1="${middle - 11}" y2="${middle + 11}"/>`
  );
}

/** A case's predicted and reference volume of a label, in mL. */
export interface VolumePair {
  readonly case: number;
  readonly prediction: number;
  readonly reference: number;
}

const half = 356;

/** Predicted against reference volume, with the line on which they are equal. */
export function volumePlot(name: string, pairs: readonly VolumePair[]): string {
  const [left, right, top, bottom] = [58, half - 10, 10, 296];
  const values = pairs.flatMap(({ prediction, reference }) => [prediction, reference]);
  const x = scaleOf(values, [left, right], [0, Infinity]);
  const y = scaleOf(values, [bottom, top], [0, Infinity]);
  const dots = pairs.map((pair) =>
    dot(x.at(pair.reference), y.at(pair.prediction), { case: pair.case, value: pair.prediction }),
  );
  return svg(
    bottom + 44,
    name,
    'Predicted volume against reference volume in mL, one point per case',
    axisBelow(x, top, bottom, 'reference, mL', (left + right) / 2) +
      axisLeft(y, left, right) +
      verticalTitle('prediction, mL', (top + bottom) / 2) +
      line(x.at(x.low), y.at(y.low), x.at(x.high), y.at(y.high), 'equal') +
      dots.join(''),
    half,
  );
}

/** The mean of the differences between two measurements, and the limits within which 95 % of differences lie. */
export interface Agreement {
  readonly bias: number;
  readonly low: number;
  readonly high: number;
}

/** Bias and limits of agreement, mean -/+ 1.96 standard deviations (with n - 1), after Bland and Altman (Lancet 1986). */
export function agreementOf(pairs: readonly VolumePair[]): Agreement {
  const differences = pairs.map(({ prediction, reference }) => prediction - reference);
  const bias = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const squares = differences.reduce((sum, value) => sum + (value - bias) ** 2, 0);
  const reach = 1.96 * Math.sqrt(squares / (differences.length - 1));
  return { bias, low: bias - reach, high: bias + reach };
}

/** The plot of Bland and Altman: the difference of the two volumes against their mean, with bias and limits of agreement. */
export function blandAltmanPlot(name: string, pairs: readonly VolumePair[]): string {
  const [left, right, top, bottom] = [58, half - 62, 10, 296];
  const agreement = agreementOf(pairs);
  const lines = pairs.length > 1 ? [agreement.low, agreement.bias, agreement.high] : [];
  const means = pairs.map(({ prediction, reference }) => (prediction + reference) / 2);
  const differences = pairs.map(({ prediction, reference }) => prediction - reference);
  const x = scaleOf(means, [left, right], [0, Infinity]);
  const y = scaleOf([...differences, ...lines, 0], [bottom, top], [-Infinity, Infinity]);
  const decimals = decimalsFor(Math.max(...lines.map(Math.abs), 0));
  const marks = lines.map(
    (value, i) =>
      line(left, y.at(value), right, y.at(value), i === 1 ? 'bias' : 'limit') +
      text(right + 5, y.at(value) + 4, showNumber(value, decimals), ' class="tick"'),
  );
  const dots = pairs.map((pair, i) =>
    dot(x.at(means[i]), y.at(differences[i]), { case: pair.case, value: differences[i] }),
  );
  return svg(
    bottom + 44,
    name,
    'Difference of predicted and reference volume against their mean in mL, with bias and 95 % limits of agreement',
    axisBelow(x, top, bottom, 'mean of both, mL', (left + right) / 2) +
      axisLeft(y, left, right) +
      verticalTitle('prediction − reference, mL', (top + bottom) / 2) +
      line(left, y.at(0), right, y.at(0), 'zero') +
      marks.join('') +
      dots.join(''),
    half,
  );
}

function verticalTitle(title: string, middle: number): string {
  return `<text class="axis" text-anchor="middle" transform="translate(14 ${fixed(middle)}) rotate(-90)">${escapeHtml(title)}</text>`;
}

/** How busy each lane was over time: a row each, from nothing to all of its places. */
export function lanesPlot(name: string, { seconds, busy }: LaneSamples): string {
  const rowHeight = 64;
  const [left, right, top] = [168, width - 132, 8];
  const rows = Object.entries(busy);
  const bottom = top + rows.length * rowHeight;
  const length = Math.max(...rows.map(([, values]) => values.length)) * seconds;
  const scale = scaleOf([0, length], [left, right], [0, length]);
  const body = rows.map(([lane, values], i) => {
    const base = top + (i + 1) * rowHeight - 8;
    const y = (share: number) => fixed(base - share * (rowHeight - 20));
    const steps = values.map(
      (share, k) =>
        `L${fixed(scale.at(k * seconds))} ${y(share)}L${fixed(scale.at((k + 1) * seconds))} ${y(share)}`,
    );
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return (
      `<g data-row="${escapeHtml(lane)}" data-mean="${mean}">` +
      `<path class="area" d="M${fixed(scale.at(0))} ${base}${steps.join('')}L${fixed(scale.at(values.length * seconds))} ${base}Z"/>` +
      line(left, base, right, base, 'grid') +
      text(left - 12, base - rowHeight / 2 + 18, lane, ' class="name" text-anchor="end"') +
      text(right + 12, base - rowHeight / 2 + 18, `${Math.round(mean * 100)} % busy`, ' class="tick"') +
      '</g>'
    );
  });
  const axis = axisBelow(scale, top, bottom, 'seconds since the start', (left + right) / 2);
  return svg(bottom + 44, name, 'Share of busy places of each lane over time', axis + body.join(''));
}
