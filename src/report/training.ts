import { type Column, columnName, isNamed, tabulate } from '../metrics/columns.js';
import { type MetricValue, titleWithUnit } from '../metrics/metric.js';
import { type Curve, curveChart } from './charts/curves.js';
import { groupNotes, groupText } from './groupNotes.js';
import { pageHead } from './head.js';
import { type Html, html, raw, tableHead, tableRow } from './html.js';
import { labelOf } from './pageData.js';
import { scrollBox } from './scrollBox.js';
import { noteList } from './sections/notes.js';
import { decimalsFor, showNumber, showSeconds } from './text.js';

/** An epoch as the page of a training shows it. Epoch 0 is the validation before the first one. */
export interface TrainingEpoch {
  readonly epoch: number;
  readonly step: number;
  readonly loss?: number;
  readonly learningRate?: number;
  readonly seconds?: number;
  readonly patchesPerSecond?: number;
  /** The means of the validation over its cases; absent where there was none. */
  readonly metrics?: readonly MetricValue[];
}

/** The learning curves of a training: the loss, each metric of the validation, and the learning rate. */
export function trainingCurves(epochs: readonly TrainingEpoch[]): string[] {
  const columns = metricColumnsOf(epochs);
  if (columns.length === 0 && epochs.every(({ loss }) => loss === undefined)) return [];
  const x = 'epoch';
  const curve = (name: string, value: (epoch: TrainingEpoch) => number | undefined): Curve => ({
    name,
    points: epochs.flatMap((epoch) => {
      const found = value(epoch);
      return found === undefined ? [] : [[epoch.epoch, found] as const];
    }),
  });
  const ofMetrics = [...new Set(columns.map(({ metric }) => metric.name))].map((metric) => {
    const ofMetric = columns.filter((column) => column.metric.name === metric);
    const curves = ofMetric.map((column) =>
      curve(labelOf(column) || column.name, (epoch) => valueIn(epoch, column)),
    );
    const [first] = ofMetric;
    const only = ofMetric.length === 1 && labelOf(first) ? `, ${labelOf(first)}` : '';
    const title = `validation: ${titleWithUnit(first.metric)}${only}`;
    return curveChart({ title, x, curves, limits: first.metric.range });
  });
  const learningRate = curve('learning rate', (epoch) => epoch.learningRate);
  return [
    curveChart({ title: 'training loss', x, curves: [curve('loss', ({ loss }) => loss)] }),
    ...ofMetrics,
    curveChart({ title: 'learning rate', x, curves: [learningRate] }),
  ];
}

/** What the page of a training says besides its epochs. */
export interface TrainingRemarks {
  /** The metric of the validation that decides which model is best, or the name of its column. */
  readonly metric?: string | undefined;
  /** What was assumed about cases. */
  readonly notes?: readonly (readonly [id: string, text: string])[];
}

/**
 * The page of a training: one HTML file with its learning curves and a row per epoch. It has no script and
 * loads nothing.
 */
export function trainingPage(
  name: string,
  epochs: readonly TrainingEpoch[],
  { metric, notes = [] }: TrainingRemarks = {},
): string {
  const cards = trainingCurves(epochs).map(
    (chart) => html`<figure class="card" tabindex="0">${raw(chart)}</figure>`,
  );
  return `<!doctype html>\n${
    html`<html lang="en">
${pageHead(`${name} – voxstream training`, ['img-src data:'])}
<body>
<header><div class="bar"><p class="brand">voxstream training</p></div>
<h1>${name}</h1></header>
<main>
<section><h2>Summary</h2><dl class="figures">${figuresOf(epochs, metric)}</dl>${noteList(groupNotes(notes).map(groupText))}</section>
<section><h2>Learning curves</h2><div class="plots">${cards}</div></section>
<section><h2>Epochs</h2>${epochTable(epochs)}
<p class="note">Epoch 0 is the validation before the first step. train.csv has all digits, and the folder tensorboard has every step.</p></section>
</main>
</body>
</html>`.html
  }\n`;
}

function metricColumnsOf(epochs: readonly TrainingEpoch[]): readonly Column[] {
  return tabulate(epochs.map(({ epoch, metrics = [] }) => ({ case: String(epoch), metrics }))).columns;
}

const valueIn = ({ metrics }: TrainingEpoch, column: Column) =>
  metrics?.find((value) => columnName(value) === column.name)?.value;

const show = (value: number | undefined) => showNumber(value, decimalsFor(Math.abs(value ?? 0)));

function figuresOf(epochs: readonly TrainingEpoch[], metric: string | undefined): Html[] {
  const last = epochs.at(-1);
  const seconds = epochs.reduce((sum, epoch) => sum + (epoch.seconds ?? 0), 0);
  const deciding = metric ? metricColumnsOf(epochs).filter((column) => isNamed(column, metric)) : [];
  const figures: readonly (readonly [value: string, title: string])[] = [
    [String(last?.epoch ?? 0), 'epochs'],
    [String(last?.step ?? 0), 'steps'],
    [show(last?.loss), 'loss, last epoch'],
    [showSeconds(seconds), 'time in training'],
    ...deciding.slice(0, 3).map((column) => {
      const validated = epochs.findLast((epoch) => valueIn(epoch, column) !== undefined);
      return [show(validated && valueIn(validated, column)), `${column.name}, last`] as const;
    }),
  ];
  return figures.map(([value, title]) => html`<div class="figure"><dd>${value}</dd><dt>${title}</dt></div>`);
}

/** A row per epoch, the last one first. */
function epochTable(epochs: readonly TrainingEpoch[]): Html {
  const columns = metricColumnsOf(epochs);
  const head = tableHead([
    'epoch',
    'step',
    'loss',
    'learning rate',
    'seconds',
    'patches/s',
    ...columns.map(({ name }) => name),
  ]);
  const rows = epochs
    .toReversed()
    .map((epoch) =>
      tableRow([
        epoch.epoch,
        epoch.step,
        show(epoch.loss),
        epoch.learningRate?.toPrecision(3) ?? '–',
        show(epoch.seconds),
        show(epoch.patchesPerSecond),
        ...columns.map((column) => show(valueIn(epoch, column))),
      ]),
    );
  const table = html`<table class="numbers">${head}<tbody>${rows}</tbody></table>`;
  return scrollBox('Table of epochs', table, true);
}
