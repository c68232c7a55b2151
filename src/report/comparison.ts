import { tabulate } from '../metrics/columns.js';
import {
  type Better,
  type MetricDescription,
  type MetricsRow,
  type MetricValue,
  titleWithUnit,
} from '../metrics/metric.js';
import type { ReportCase } from './read.js';

/** A case that got worse in a label, by the first metric that has a better end. */
export interface LabelMover {
  readonly case: string;
  readonly label: string | null;
  /** The title of the metric. */
  readonly metric: string;
  readonly a: number;
  readonly b: number;
}

/** The values of a case that both runs have. */
interface Pair {
  readonly a: MetricValue;
  readonly b: MetricValue;
}

/** By case: the values that both runs have, in the order of A. */
function pairsOf(a: readonly MetricsRow[], b: readonly MetricsRow[]): Map<string, Pair[]> {
  // Throws if a name stands for two things.
  tabulate([...a, ...b]);
  const inB = new Map(b.map(({ case: id, metrics }) => [id, metrics]));
  return new Map(
    a.flatMap(({ case: id, metrics }) => {
      const others = inB.get(id);
      if (!others) return [];
      const pairs = metrics.flatMap((value) => {
        const other = others.find(
          ({ metric, label }) => metric.name === value.metric.name && label === value.label,
        );
        return other ? [{ a: value, b: other }] : [];
      });
      return [[id, pairs] as const];
    }),
  );
}

/**
 * The cases that got worse the most, each with its worst label, by the first metric that has a better end: at
 * most `most`, the largest change first. Values that are not finite are left out.
 */
export function worstLabelMovers(
  a: readonly MetricsRow[],
  b: readonly MetricsRow[],
  most: number,
): LabelMover[] {
  const all = [...pairsOf(a, b)].flatMap(([id, pairs]) => pairs.map((pair) => ({ id, ...pair })));
  const main = all.find((pair) => pair.a.metric.better)?.a.metric;
  if (!main) return [];
  const ofMain = all.filter((pair) => pair.a.metric.name === main.name);
  const labelled = ofMain.filter((pair) => pair.a.label !== null);
  const worst = new Set<string>();
  return (labelled.length > 0 ? labelled : ofMain)
    .map((pair) => ({
      case: pair.id,
      label: pair.a.label,
      metric: main.title,
      a: pair.a.value,
      b: pair.b.value,
      worse: worsening(pair, main.better!),
    }))
    .filter(({ worse }) => Number.isFinite(worse) && worse > 0)
    .sort((x, y) => y.worse - x.worse)
    .filter((mover) => !worst.has(mover.case) && worst.add(mover.case))
    .slice(0, most)
    .map(({ worse: _, ...mover }) => mover);
}

const worsening = ({ a, b }: Pair, better: Better) =>
  better === 'higher' ? a.value - b.value : b.value - a.value;

/**
 * The cases of both runs as those of a report. Each metric with a better end becomes three: that of A, that
 * of B, and the difference B - A. Only the difference has a better end, so that tables sort by it.
 */
export function comparedCases(a: readonly MetricsRow[], b: readonly MetricsRow[]): ReportCase[] {
  return [...pairsOf(a, b)].map(([id, pairs]) => ({
    id,
    timings: {},
    metrics: pairs
      .filter((pair) => pair.a.metric.better)
      .flatMap((pair) => {
        const { metric, label } = pair.a;
        return [
          { metric: variant(metric, 'a', 'A'), label, value: pair.a.value },
          { metric: variant(metric, 'b', 'B'), label, value: pair.b.value },
          { metric: differenceOf(metric), label, value: pair.b.value - pair.a.value },
        ];
      }),
  }));
}

function variant({ name, title, unit, range, mean }: MetricDescription, suffix: string, run: string) {
  return { name: `${name}_${suffix}`, title: `${titleWithUnit({ title, unit })}: ${run}`, range, mean };
}

function differenceOf(metric: MetricDescription): MetricDescription {
  return {
    ...variant(metric, 'diff', 'B − A'),
    better: metric.better!,
    range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  };
}
