import { line as linePath } from 'd3-shape';
import { decimalsFor, showNumber } from '../text.js';
import { axisBelow, axisHeight, axisLeft, linearScale } from './scale.js';
import { chart, circle, digits, element, fullWidth, line, path, text } from './svg.js';

type Point = readonly [x: number, y: number];

/** A line of a curve chart. Points that are not finite leave a gap. */
export interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
}

/** What a curve chart shows. */
export interface CurveChart {
  readonly title: string;
  /** The title of the x axis, whose ticks are whole numbers. */
  readonly x: string;
  readonly curves: readonly Curve[];
  /** The lowest and the highest value that the y axis may reach. Default: any. */
  readonly limits?: readonly [number, number];
}

const [left, right] = [70, fullWidth - 20];
const plotHeight = 172;
const legendRow = 22;

/** Lines over a common axis. A legend names them if there are several. */
export function curveChart({ title, x: xTitle, curves, limits }: CurveChart): string {
  const legend = curves.length > 1 ? legendOf(curves) : { rows: 0, content: '' };
  const top = 34 + legend.rows * legendRow;
  const bottom = top + plotHeight;
  const points = curves.flatMap((curve) => curve.points.filter(isFinitePoint));
  const x = linearScale(
    points.map(([at]) => at),
    { range: [left, right], margin: 0, ticks: 8, whole: true },
  );
  const y = linearScale(
    points.map(([, value]) => value),
    { range: [bottom, top], limits, ticks: 5 },
  );
  const shape = linePath<Point>(
    ([at]) => x.at(at),
    ([, value]) => y.at(value),
  )
    .defined(isFinitePoint)
    .digits(digits);
  const lines = curves.map((curve, i) => {
    const last = lastPoint(curve);
    const end = last ? circle(x.at(last[0]), y.at(last[1]), 2.5, {}) : '';
    const drawn = path(shape(curve.points), { class: 'line' });
    return element('g', { 'data-curve': curve.name, class: curveClass(i) }, drawn, end);
  });
  return chart(
    { name: title, label: labelOf(title, curves), width: fullWidth, height: bottom + axisHeight },
    text(left, 18, 'start', title, { class: 'title' }),
    legend.content,
    axisLeft(y, left, right),
    axisBelow(x, bottom, xTitle),
    ...lines,
  );
}

const isFinitePoint = (point: Point) => point.every(Number.isFinite);
const lastPoint = ({ points }: Curve) => points.findLast(isFinitePoint);

/** Six colours, and then the same six as dashed lines; the page's style has them. */
const curveClass = (index: number) => `curve curve-${index % 6}${index % 12 < 6 ? '' : ' dashed'}`;

/** The names of the curves below the title, each after a piece of its line, in as many rows as they need. */
function legendOf(curves: readonly Curve[]): { rows: number; content: string } {
  const [mark, gap] = [22, 20];
  let [at, row] = [left, 0];
  const entries = curves.map(({ name }, i) => {
    // The text is laid out by the browser, so its width is a guess, on the safe side for most names.
    const width = mark + 6 + name.length * 7.4;
    if (at + width > right && at > left) [at, row] = [left, row + 1];
    const y = 18 + (row + 1) * legendRow;
    const entry = element(
      'g',
      { class: curveClass(i) },
      line(at, y - 4, at + mark, y - 4, { class: 'line' }),
      text(at + mark + 6, y, 'start', name, { class: 'tick' }),
    );
    at += width + gap;
    return entry;
  });
  return { rows: row + 1, content: entries.join('') };
}

function labelOf(title: string, curves: readonly Curve[]): string {
  const ends = curves.map((curve) => {
    const value = lastPoint(curve)?.[1];
    return value === undefined
      ? curve.name
      : `${curve.name} ends at ${showNumber(value, decimalsFor(Math.abs(value)))}`;
  });
  return `${title}: ${ends.join('; ')}`;
}
