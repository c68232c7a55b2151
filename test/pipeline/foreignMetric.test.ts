import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { makeCase } from '#src/case.js';
import { compareRuns } from '#src/metrics/compare.js';
import { defineMetric, defineMetrics } from '#src/operators/defineMetric.js';
import { dice } from '#src/operators/dice.js';
import { evaluationTypes } from '#src/operators/evaluation.js';
import { warnOfReplaced } from '#src/pipeline/checkNeeds.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { readMetrics } from '#src/pipeline/readMetrics.js';
import { createRegistry, metricFinder, replacedBy } from '#src/pipeline/registry.js';
import { remakeReport } from '#src/pipeline/remakeReport.js';
import { runPipeline } from '#src/pipeline/run.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { dataset, pageDataOf } from '../report/dataset.js';

const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(() => runtime.close());

/** The share of the prediction that is wrong, in percent. Lower is better. */
const excess = defineMetric({
  name: 'excess',
  title: 'Excess',
  unit: '%',
  better: 'lower',
  range: [0, 100],
  measure: ({ labels }) =>
    labels.map(({ overlap }) => {
      const { predicted, both } = overlap ?? { predicted: 0, both: 0 };
      return (100 * (predicted - both)) / predicted;
    }),
});

/** A metric with an option in its name. */
const power = defineMetrics({
  name: 'power',
  summary: 'The overlap to a power.',
  options: { exponent: z.number().default(2).describe('The exponent'), ...evaluationTypes },
  example: { exponent: 3 },
  metrics: ({ exponent }) => [
    {
      name: `power${exponent}`,
      title: `Power ${exponent}`,
      range: [0, 1],
      mean: false,
      measure: ({ labels }) =>
        labels.map(({ overlap }) => ((overlap?.both ?? 0) / (overlap?.predicted ?? 1)) ** exponent),
    },
  ],
  optionsFor: (name) => (name.startsWith('power') ? { exponent: Number(name.slice(5)) } : undefined),
});

const registry = createRegistry({ metrics: [excess, power] });

async function runWith(shift: number) {
  const { text, output, items } = await dataset(['a', 'b'], {
    steps: '[load, dice, excess, { power: { exponent: 3 } }]',
    sinks: '[metricsCsv, summary, report]',
    shift: (i) => shift + i,
  });
  const result = await runPipeline(parsePipeline(text, 'p.yaml', { registry }), { runtime });
  assert.equal(result.failures, []);
  return { output, items, result };
}

const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

test('a metric is an operator of the same name that also has the common options of all metrics', async () => {
  const row = (text: string) =>
    makeVolume({ data: Uint8Array.from(text, Number), size: [text.length, 1, 1], kind: 'label' });
  const subject = makeCase({ id: 'a', volumes: { mine: row('0112'), label: row('0100') } });
  const { metrics } = await lastValueFrom(of(subject).pipe(excess({ pred: 'mine', labels: [1] })));
  assert.equal(
    metrics.map(({ metric, label, value }) => [metric.title, label, value]),
    [['Excess', '1', 50]],
  );
  assert.is(registry.operators.get('excess'), excess);
  assert.is(registry.metrics.get('power'), power);
  assert.throws(() => excess({ pred: '' }), /pred/);
});

test('the metrics of an operator are found by name, together with their options', () => {
  assert.is(metricFinder(registry)('power3')?.title, 'Power 3');
  assert.equal(registry.metrics.get('power')?.find('power3')?.options, { exponent: 3 });
  assert.is(metricFinder(registry)('powerful'), undefined);
  assert.is(metricFinder(createRegistry())('excess'), undefined);
});

test('an operator with the name of a built-in metric replaces it', () => {
  const other = defineMetric({ name: 'dice', title: 'Other', measure: ({ labels }) => labels.map(() => 1) });
  const { operators, metrics } = createRegistry({ metrics: [other] });
  assert.is(operators.get('dice'), other);
  assert.is(metrics.get('dice'), other);
  assert.is(createRegistry().metrics.get('dice'), dice);
});

test('a run warns of built-in definitions that a package replaces', () => {
  const own = defineMetric({ name: 'own', title: 'Own', measure: () => [] });
  const other = defineMetric({ name: 'dice', title: 'Other', measure: () => [] });
  assert.equal(replacedBy({ metrics: [own] }), []);
  const replaces = replacedBy({ metrics: [own, other], operators: [other] });
  assert.equal(replaces, ['operator dice', 'metric dice']);
  const warnings: string[] = [];
  const packages = [
    { use: 'mine', sha256: '', replaces },
    { use: 'harmless', sha256: '' },
  ];
  warnOfReplaced(packages, (message) => warnings.push(message));
  assert.equal(warnings, ['mine (--use) replaces what is built in: operator dice and metric dice.']);
});

test('a metric of another package has its title, unit and direction in summary, comparison and report', async () => {
  const [first, second] = [await runWith(1), await runWith(2)];
  const summary = read(join(first.output, 'summary.json'));
  const { columns } = summary;
  assert.equal(Object.keys(columns), ['dice_1', 'excess_1', 'power3_1']);
  assert.equal(columns.excess_1, {
    metric: 'excess',
    label: '1',
    title: 'Excess',
    unit: '%',
    better: 'lower',
    range: [0, 100],
    mean: true,
  });
  assert.equal(read(join(first.output, 'run.json')).columns, columns);
  assert.is(summary.metrics.excess_1.maxCase, 'b');

  const runs = [await readMetrics(first.output), await readMetrics(second.output)];
  const { metrics } = compareRuns(runs[0], runs[1]);
  assert.equal([metrics.excess_1.betterIs, metrics.power3_1.betterIs], ['lower', null]);
  assert.equal(
    metrics.excess_1.worstMovers.map((mover) => mover.case),
    ['a', 'b'],
  );

  const page = () => pageDataOf(readFileSync(join(first.output, 'report/index.html'), 'utf8'));
  const [, column] = page().columns;
  assert.equal([column.title, column.better, column.label], ['Excess, %', 'lower', '1']);
  const before = page();
  await remakeReport(first.output, runtime);
  assert.equal(page().columns, before.columns);
});

test('a resumed run restores the metrics of the cases that an earlier run finished', async () => {
  const { text, output } = await dataset(['a', 'b'], {
    steps: '[load, excess]',
    sinks: '[metricsCsv, summary]',
  });
  const pipeline = parsePipeline(text, 'p.yaml', { registry });
  const first = await runPipeline(pipeline, { runtime });
  const before = read(join(output, 'summary.json'));
  const again = await runPipeline(pipeline, { runtime, resume: true });
  assert.is(again.skipped, 2);
  assert.equal(again.metrics, first.metrics);
  assert.equal(read(join(output, 'summary.json')), before);
});

test('a metrics file without descriptions is read with the metrics of the registry', async () => {
  const { output } = await runWith(1);
  writeFileSync(join(output, 'run.json'), '{}');
  const about = async (...args: Parameters<typeof readMetrics>) => {
    const [{ metrics }] = await readMetrics(...args);
    return metrics.map(({ metric, label }) => [metric.name, label]);
  };
  assert.equal(await about(output, registry), [
    ['dice', '1'],
    ['excess', '1'],
    ['power3', '1'],
  ]);
  assert.equal(await about(output), [
    ['dice', '1'],
    ['excess_1', null],
    ['power3_1', null],
  ]);
});

test('labels named ref_kidney and mean are measured; ambiguous columns are rejected', async () => {
  const labels = { 1: 'kidney', 2: 'ref_kidney', 3: 'mean' };
  const row = (text: string) =>
    makeVolume({ data: Uint8Array.from(text, Number), size: [text.length, 1, 1], kind: 'label' });
  const volumes = { pred: row('01122'), label: row('01112') };
  const run = (metric: string, names: Record<number, string>) => {
    const definition = createRegistry().operators.get(metric)!;
    const { built } = definition.configure({});
    const subject = makeCase({ id: 'a', volumes, labelNames: names });
    return lastValueFrom(of(subject).pipe(built!.create({ id: metric, runtime })));
  };
  const { metrics } = await run('volume', { 2: 'ref_kidney' });
  assert.equal(
    metrics.slice(0, 2).map(({ metric, label, value }) => [metric.name, label, value]),
    [
      ['volume_ml', 'ref_kidney', 0.002],
      ['volume_ml_ref', 'ref_kidney', 0.001],
    ],
  );
  const failed = await run('volume', labels).catch((error: Error) => error.message);
  assert.match(
    String(failed),
    /volume_ml_ref_kidney would stand for two things: volume_ml of the label "ref_kidney"/,
  );
  const means = await run('dice', labels).catch((error: Error) => error.message);
  assert.match(String(means), /dice_mean would stand for two things/);
});

test.run();
