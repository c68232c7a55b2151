import { curvePlot } from './curves.js';
import { pageHead } from './head.js';
import { decimalsFor, escapeHtml, showNumber, showSeconds } from './text.js';

/** An epoch as the page of a training shows it. Epoch 0 is the validation before the first one. */
export interface TrainingEpoch {
  readonly epoch: number;
  readonly step: number;
  readonly loss?: number;
  readonly learningRate?: number;
  readonly seconds?: number;
  readonly patchesPerSecond?: number;
  readonly metrics?: Readonly<Record<string, number>>;
}

/** The learning curves of a training: the loss, the metrics of validation by kind, and the learning rate. */
export function trainingCurves(epochs: readonly TrainingEpoch[], metric = 'dice'): string[] {
  const trained = epochs.filter(({ loss }) => loss !== undefined);
  const columns = [...new Set(epochs.flatMap(({ metrics }) => Object.keys(metrics ?? {})))];
  const kinds = new Map<string, string[]>();
  for (const column of columns) {
    const kind = column.startsWith(metric) ? metric : column.replace(/_.*$/, '');
    kinds.set(kind, [...(kinds.get(kind) ?? []), column]);
  }
  const curve = (name: string, value: (epoch: TrainingEpoch) => number | undefined) => ({
    name,
    points: epochs.flatMap((epoch): [number, number][] => {
      const found = value(epoch);
      return found === undefined ? [] : [[epoch.epoch, found]];
    }),
  });
  const plots = [{ title: 'training loss', x: 'epoch', curves: [curve('loss', ({ loss }) => loss)] }];
  for (const [kind, names] of kinds) {
    const curves = names.map((name) => curve(name, ({ metrics }) => metrics?.[name]));
    plots.push({ title: `validation: ${names.length > 1 ? kind : names[0]}`, x: 'epoch', curves });
  }
  plots.push({
    title: 'learning rate',
    x: 'epoch',
    curves: [curve('learning rate', ({ learningRate }) => learningRate)],
  });
  return trained.length + columns.length === 0 ? [] : plots.map(curvePlot);
}

/** The page of a training: one HTML file with its learning curves and a row per epoch. It runs no script and fetches nothing. */
export function trainingPage(name: string, epochs: readonly TrainingEpoch[], metric?: string): string {
  const columns = [...new Set(epochs.flatMap(({ metrics }) => Object.keys(metrics ?? {})))];
  const last = epochs.at(-1);
  const seconds = epochs.reduce((sum, epoch) => sum + (epoch.seconds ?? 0), 0);
  const figure = (title: string, value: string) =>
    `<div class="figure"><dt>${title}</dt><dd>${escapeHtml(value)}</dd></div>`;
  const number = (value: number | undefined) => showNumber(value, decimalsFor(Math.abs(value ?? 0)));
  const cells = (row: readonly string[], tag = 'td') =>
    row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('');
  const head = ['epoch', 'step', 'loss', 'learning rate', 'seconds', 'patches/s', ...columns];
  const body = [...epochs].reverse().map((epoch) => {
    const row = [
      String(epoch.step),
      number(epoch.loss),
      epoch.learningRate?.toPrecision(3) ?? '–',
      number(epoch.seconds),
      number(epoch.patchesPerSecond),
      ...columns.map((column) => number(epoch.metrics?.[column])),
    ];
    return `<tr><th scope="row">${epoch.epoch}</th>${cells(row)}</tr>`;
  });
  const figures = [
    figure('epochs', String(last?.epoch ?? 0)),
    figure('steps', String(last?.step ?? 0)),
    figure('loss of the last epoch', number(last?.loss)),
    figure('time in training', showSeconds(seconds)),
    ...(metric ? columns.filter((column) => column.startsWith(metric)) : [])
      .slice(0, 3)
      .map((column) =>
        figure(
          `${escapeHtml(column)}, last`,
          number(epochs.findLast(({ metrics }) => metrics && column in metrics)?.metrics?.[column]),
        ),
      ),
  ];
  return `<!doctype html>
<html lang="en">
${pageHead(`${name} – voxstream training`, ['img-src data:']).html}
<body>
<header><div class="bar"><p class="brand">voxstream</p></div></header>
<main>
<h1>${escapeHtml(name)}</h1>
<section><h2>Training</h2><dl class="figures">${figures.join('')}</dl></section>
<section><h2>Learning curves</h2><div class="plots">${trainingCurves(epochs, metric)
    .map((plot) => `<figure class="card">${plot}</figure>`)
    .join('')}</div></section>
<section><h2>Epochs</h2><div class="scroll tall"><table class="numbers"><thead><tr>${cells(head, 'th')}</tr></thead>
<tbody>${body.join('\n')}</tbody></table></div>
<p class="note">Epoch 0 is the validation before the first step. train.csv has all digits, the folder tensorboard every step.</p></section>
</main>
</body>
</html>
`;
}
