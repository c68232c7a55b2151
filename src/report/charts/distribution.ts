import { quantileOf } from '../../volume/quantile.js';
import { escapeHtml } from '../html.js';
import { axisBelow, axisHeight, gridColumns, linearScale, type Scale } from './scale.js';
import { type ChartPoint, chart, dots, element, fullWidth, line, rect, text } from './svg.js';

/** A row of a distribution chart. */
export interface DistributionRow {
  readonly name: string;
  readonly points: readonly ChartPoint[];
  /** Lines of text at the end of the row, at most two. */
  readonly notes?: readonly string[];
}

/**
 * In rows with more points, or charts with more of them in all rows, only those beyond the whiskers are
 * drawn: the box shows the others, and the page stays small.
 */
const mostPoints = { row: 300, chart: 1500 };

/** The most characters of a row's name that fit beside its box. */
const nameLength = 22;

const rowHeight = 36;
const [left, right, top] = [168, fullWidth - 152, 8];

/**
 * Distributions as horizontal box plots with their points, one row each. The box goes from the 25th to the
 * 75th percentile, with a line at the median; the whiskers reach to the outermost values within 1.5 box
 * lengths (Tukey 1977). Values that are not finite are left out. The axis stays within `limits`. A chart of
 * more than `most` points shows only those beyond the whiskers.
 */
export function distributionChart(
  name: string,
  title: string,
  rows: readonly DistributionRow[],
  limits?: readonly [number, number],
  most: number = mostPoints.chart,
): string {
  const bottom = top + rows.length * rowHeight;
  const finite = rows.map(({ points }) => points.filter(({ value }) => Number.isFinite(value)));
  const values = finite.flat().map(({ value }) => value);
  const scale = linearScale(values, { range: [left, right], limits });
  const crowded = values.length > most;
  const body = rows.map((row, i) => {
    const middle = top + (i + 0.5) * rowHeight;
    return element(
      'g',
      { 'data-row': row.name },
      element('title', {}, escapeHtml(row.name)),
      text(left - 12, middle + 4, 'end', shortName(row.name), { class: 'name' }),
      boxPlot(finite[i], scale, middle, crowded || finite[i].length > mostPoints.row),
      notesBeside(row.notes ?? [], middle),
    );
  });
  const label = `${title}, one row each for ${rows.map((row) => row.name).join(', ')}`;
  const size = { width: fullWidth, height: bottom + axisHeight };
  return chart(
    { name, label, ...size },
    gridColumns(scale, top, bottom),
    axisBelow(scale, bottom, title),
    ...body,
  );
}

/** Lines of text to the right of the plot, centred at a height. */
const notesBeside = (notes: readonly string[], middle: number) =>
  notes
    .map((note, i) =>
      text(right + 12, middle + 4 + 15 * (i - (notes.length - 1) / 2), 'start', note, { class: 'tick' }),
    )
    .join('');

const shortName = (name: string) => (name.length > nameLength ? `${name.slice(0, nameLength - 1)}…` : name);

function boxPlot(points: readonly ChartPoint[], scale: Scale, middle: number, onlyOutliers: boolean): string {
  if (points.length === 0) return '';
  const sorted = Float64Array.from(points, ({ value }) => value).sort();
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((q) => quantileOf(sorted, q));
  const reach = 1.5 * (q3 - q1);
  const low = sorted.find((value) => value >= q1 - reach)!;
  const high = sorted.findLast((value) => value <= q3 + reach)!;
  const x = scale.at;
  const box =
    line(x(low), middle, x(q1), middle, { class: 'whisker' }) +
    line(x(q3), middle, x(high), middle, { class: 'whisker' }) +
    rect(x(q1), middle - 11, x(q3) - x(q1), 22, { class: 'box', rx: 2 });
  const drawn = onlyOutliers ? points.filter(({ value }) => value < low || value > high) : points;
  // Golden-ratio steps spread the points evenly over the row's height, and the same way each time.
  const placed = drawn.map((point, i) => ({
    ...point,
    x: x(point.value),
    y: middle + (((i * 0.618034 + 0.5) % 1) - 0.5) * 18,
  }));
  const medianLine = line(x(median), middle - 11, x(median), middle + 11, {
    class: 'median',
    'data-median': median,
  });
  // Two points have no box.
  return (points.length < 3 ? '' : box) + dots(placed) + medianLine;
}
