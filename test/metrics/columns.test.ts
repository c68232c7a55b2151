import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '#src/errors.js';
import { Columns, columnName, nameValues, tabulate, unknownColumn } from '#src/metrics/columns.js';
import { describeColumns, readColumns } from '#src/metrics/describeColumns.js';
import { valuesFromJson, valuesToJson } from '#src/metrics/valuesAsJson.js';
import { predictedVolume, referenceVolume } from '#src/metrics/volumes.js';
import { rowsNamed, valuesNamed } from './values.js';

const [{ metric: dice }] = valuesNamed({ dice_a: 1 });

const messageOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    assert.instance(error, DataError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};

test('nameValues names values by metric and label, and the mean over labels by "mean"', () => {
  const values = [
    { metric: dice, label: 'left kidney', value: 0.5 },
    { metric: dice, label: '2', value: 1 },
    { metric: dice, label: null, value: 0.75 },
    { metric: unknownColumn('seconds').metric, label: null, value: 3 },
  ];
  assert.equal(nameValues(values), { 'dice_left kidney': 0.5, dice_2: 1, dice_mean: 0.75, seconds: 3 });
});

test('nameValues refuses a name that would stand for two things', () => {
  const kidneys = [
    { metric: referenceVolume, label: 'kidney', value: 1 },
    { metric: predictedVolume, label: 'ref_kidney', value: 2 },
  ];
  assert.is(
    messageOf(() => nameValues(kidneys)),
    'The column volume_ml_ref_kidney would stand for two things: volume_ml_ref of the label "kidney", and volume_ml of the ' +
      'label "ref_kidney". Rename the label in the dataset, or choose the labels to measure with "labels".',
  );
  const means = [
    { metric: dice, label: 'mean', value: 1 },
    { metric: dice, label: null, value: 1 },
  ];
  assert.match(
    messageOf(() => nameValues(means)),
    /dice_mean would stand for two things: dice of the label "mean", and the mean of dice over labels/,
  );
  assert.match(
    messageOf(() => nameValues([...valuesNamed({ dice_a: 1 }), ...valuesNamed({ dice_a: 0 })])),
    /two values for the column dice_a, both dice of the label "a"\. Remove one of the steps/,
  );
});

test('a label may be named ref_kidney or mean if nothing else has the name of its column', () => {
  const values = [
    { metric: predictedVolume, label: 'ref_kidney', value: 2 },
    { metric: dice, label: 'mean', value: 1 },
  ];
  const { columns, rows } = tabulate([{ case: 'a', metrics: values }]);
  assert.equal(rows[0].values, { volume_ml_ref_kidney: 2, dice_mean: 1 });
  const read = [...readColumns(JSON.parse(JSON.stringify(describeColumns(columns)))).values()];
  assert.equal(read, columns);
  assert.equal(
    read.map(({ metric, label }) => [metric.name, label]),
    [
      ['volume_ml', 'ref_kidney'],
      ['dice', 'mean'],
    ],
  );
});

test('Columns refuses a name that stands for something else in another case', () => {
  const columns = new Columns();
  columns.add([{ metric: referenceVolume, label: 'kidney', value: 1 }]);
  assert.match(
    messageOf(() => columns.add([{ metric: predictedVolume, label: 'ref_kidney', value: 1 }])),
    /volume_ml_ref_kidney would stand for two things/,
  );
});

test('a column that is unknown in one row is known from another', () => {
  const unknown = { ...unknownColumn('dice_a'), value: 0.5 };
  for (const order of [
    [unknown, ...valuesNamed({ dice_a: 1 })],
    [...valuesNamed({ dice_a: 1 }), unknown],
  ]) {
    const { columns } = tabulate(order.map((value, i) => ({ case: `${i}`, metrics: [value] })));
    assert.equal(
      columns.map(({ name, metric, label }) => [name, metric.better, label]),
      [['dice_a', 'higher', 'a']],
    );
  }
});

test('tabulate lists columns in the order in which they appear; rows may lack some', () => {
  const { columns, rows } = tabulate(rowsNamed({ x: { dice_a: 1 }, y: { hd_a: 2, dice_a: 0 } }));
  assert.equal(columns.map(columnName), ['dice_a', 'hd_a']);
  assert.equal(
    rows.map(({ values }) => values),
    [{ dice_a: 1 }, { hd_a: 2, dice_a: 0 }],
  );
});

test('columns and values survive JSON, infinities and NaN included', () => {
  const values = valuesNamed({ hd95_a: Number.POSITIVE_INFINITY, dice_a: Number.NaN, dice_mean: 0.5, x: -1 });
  const { columns } = tabulate([{ case: 'a', metrics: values }]);
  const text = JSON.stringify({
    values: valuesToJson(nameValues(values)),
    columns: describeColumns(columns),
  });
  const read = JSON.parse(text);
  const described = readColumns(read.columns);
  assert.equal(
    valuesFromJson(read.values, (name) => described.get(name)!),
    values,
  );
});

test('damaged descriptions of columns are ignored', () => {
  assert.is(readColumns(undefined).size, 0);
  assert.is(readColumns('columns').size, 0);
  const good = describeColumns(tabulate(rowsNamed({ x: { dice_a: 1 } })).columns);
  const found = readColumns({ ...good, hd_a: { metric: 'hd' }, iou_a: null });
  assert.equal([...found.keys()], ['dice_a']);
});

test.run();
