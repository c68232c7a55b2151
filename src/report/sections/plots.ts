import { columnName, tabulate } from '../../metrics/columns.js';
import { titleWithUnit } from '../../metrics/metric.js';
import { predictedVolume } from '../../metrics/volumes.js';
import type { PageData } from '../browserData.js';
import { type DistributionRow, distributionChart } from '../charts/distribution.js';
import { lanesChart } from '../charts/lanes.js';
import { blandAltmanChart, type VolumePair, volumeChart } from '../charts/volumes.js';
import { type Html, html, nothing, raw } from '../html.js';
import { labelOf } from '../pageData.js';
import { metricsRows, type ReportData } from '../read.js';
import { showSeconds } from '../text.js';

/** The charts of a report, each in a card; nothing if there is nothing to draw. */
export function plotsSection(data: ReportData, page: PageData): Html {
  const isOutlier = outlierTest(page);
  const cards = [metricCard(data, isOutlier), volumeCard(data, isOutlier), stepCard(data), laneCard(data)];
  const drawn = cards.filter((card) => card !== nothing);
  return drawn.length > 0 ? html`<div class="plots">${drawn}</div>` : nothing;
}

/** Whether a case is an outlier in a column. */
type OutlierTest = (index: number, column: string) => boolean;

function outlierTest({ cases, columns }: PageData): OutlierTest {
  const marked = cases.map(({ outliers = [] }) => new Set(outliers.map((k) => columns[k].name)));
  return (index, column) => marked[index].has(column);
}

/** A chart, and its name in the list of charts to choose from. */
export type NamedChart = readonly [name: string, chart: Html];

/**
 * A card with one chart, or with several of which one is chosen from a list. `what` is the label of that
 * list.
 */
export function card(
  id: string,
  title: string,
  what: string,
  charts: readonly NamedChart[],
  note?: string,
): Html {
  const names = charts.map(([name], i) => html`<option value="${i}">${name}</option>`);
  const list = html`<label>${what} <select data-choose="${id}">${names}</select></label>`;
  const panes = charts.map(([, chart], i) =>
    i === 0
      ? html`<div data-choice="${id}">${chart}</div>`
      : html`<div data-choice="${id}" hidden><template>${chart}</template></div>`,
  );
  return html`<figure class="card"><figcaption><h3>${title}</h3>${charts.length > 1 ? list : nothing}</figcaption>${panes}${note ? html`<p class="note">${note}</p>` : nothing}</figure>`;
}

/** The distribution of each metric, a row per label. */
function metricCard({ cases }: ReportData, isOutlier: OutlierTest): Html {
  const { columns, rows } = tabulate(metricsRows(cases));
  const metrics = new Map(columns.map(({ metric }) => [metric.name, metric]));
  if (metrics.size === 0) return nothing;
  const charts = [...metrics.values()].map((metric): NamedChart => {
    const ofMetric = columns.filter((column) => column.metric.name === metric.name);
    const distributions = ofMetric.map((column): DistributionRow => {
      const points = rows.flatMap(({ values }, i) =>
        column.name in values
          ? [{ value: values[column.name], case: i, outlier: isOutlier(i, column.name) }]
          : [],
      );
      const notes = countNotes(points.map(({ value }) => value));
      return { name: labelOf(column) || column.name, points, notes };
    });
    const title = titleWithUnit(metric);
    return [title, raw(distributionChart(`metric-${metric.name}`, title, distributions, metric.range))];
  });
  return card('metric', 'Distribution per label', 'Metric', charts);
}

/** How many values a row shows, and how many it cannot show. */
function countNotes(values: readonly number[]): string[] {
  const finite = values.filter(Number.isFinite).length;
  const undefinedValues = values.filter(Number.isNaN).length;
  const infinite = values.length - finite - undefinedValues;
  const others = [
    ...(undefinedValues > 0 ? [`${undefinedValues} undefined`] : []),
    ...(infinite > 0 ? [`${infinite} infinite`] : []),
  ];
  return [`n = ${finite}`, ...(others.length > 0 ? [others.join(', ')] : [])];
}

/**
 * Predicted and reference volume, by label. They were measured for the pictures, so no metric is needed for
 * them.
 */
function volumeCard(data: ReportData, isOutlier: OutlierTest): Html {
  const byLabel = [...volumePairs(data, isOutlier)];
  if (byLabel.length === 0) return nothing;
  const charts = byLabel.map(([label, pairs]): NamedChart => {
    const both = volumeChart(`volume-${label}`, pairs) + blandAltmanChart(`agreement-${label}`, pairs);
    return [label, html`<div class="pair">${raw(both)}</div>`];
  });
  const label = byLabel.length === 1 ? `, ${byLabel[0][0]}` : '';
  const note =
    'First plot: prediction against reference; they are equal on the dashed line. Second plot: their difference against their mean ' +
    '(Bland and Altman); the solid line is the mean difference, and the dashed lines are at the mean ± 1.96 SD (limits of agreement).';
  return card('volume', `Volumes, prediction against reference${label}`, 'Label', charts, note);
}

function volumePairs({ cases }: ReportData, isOutlier: OutlierTest): Map<string, VolumePair[]> {
  const byLabel = new Map<string, VolumePair[]>();
  cases.forEach(({ note }, i) => {
    for (const { name, prediction, reference } of note?.labels ?? []) {
      if (prediction === null || reference === null) continue;
      const pairs = byLabel.get(name) ?? [];
      const outlier = isOutlier(i, columnName({ metric: predictedVolume, label: name }));
      byLabel.set(name, [...pairs, { case: i, prediction, reference, outlier }]);
    }
  });
  return byLabel;
}

function stepCard({ cases }: ReportData): Html {
  const steps = [...new Set(cases.flatMap(({ timings }) => Object.keys(timings)))];
  if (steps.length === 0) return nothing;
  const totals = steps.map((step) => cases.reduce((sum, { timings }) => sum + (timings[step] ?? 0), 0));
  const all = totals.reduce((sum, total) => sum + total, 0);
  const rows = steps.map((step, k): DistributionRow => {
    const points = cases.flatMap(({ timings }, i) =>
      step in timings ? [{ value: timings[step], case: i }] : [],
    );
    const share = all > 0 ? ` (${Math.round((100 * totals[k]) / all)} %)` : '';
    return { name: step, points, notes: [`${showSeconds(totals[k])}${share}`] };
  });
  const title = 'seconds per case, without waiting';
  const chart = distributionChart('steps', title, rows, [0, Number.POSITIVE_INFINITY]);
  const note = 'On the right: the total over all cases, and its share of all steps.';
  return card('steps', 'Seconds per step', '', [['', raw(chart)]], note);
}

function laneCard({ lanes, run }: ReportData): Html {
  if (!lanes || Object.keys(lanes.busy).length === 0) return nothing;
  return card('lanes', 'Lanes over time', '', [['', raw(lanesChart('lanes', lanes, run.lanes))]]);
}
