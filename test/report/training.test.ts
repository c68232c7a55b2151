import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { curvePlot } from '#src/report/curves.js';
import { trainingCurves, trainingPage } from '#src/report/training.js';

const epochs = [
  { epoch: 0, step: 0, metrics: { dice_spleen: 0.1, dice_liver: 0.2, hd95_spleen: 40 } },
  { epoch: 1, step: 4, loss: 1.5, learningRate: 0.01, seconds: 2, patchesPerSecond: 4 },
  {
    epoch: 2,
    step: 8,
    loss: 0.75,
    learningRate: 0.005,
    metrics: { dice_spleen: 0.8, dice_liver: 0.9, hd95_spleen: 5 },
  },
];

test('a curve runs through its points, with a gap where one is not finite', () => {
  const svg = curvePlot({
    title: 'loss',
    x: 'epoch',
    curves: [
      {
        name: 'a',
        points: [
          [0, 0],
          [1, 1],
          [2, Number.NaN],
          [3, 0],
          [4, 1],
        ],
      },
    ],
    bounds: [0, 1],
  });
  const [, path] = /<path d="([^"]+)"/.exec(svg) as RegExpExecArray;
  // 62 to 700 pixels wide, 206 up to 34 high.
  assert.is(path, 'M62 206L221.5 34M540.5 206L700 34');
  assert.match(svg, /aria-label="loss: a ends at 1\.000"/);
});

test('a curve of one value, or of none, is drawn all the same', () => {
  for (const points of [[], [[1, 0.5]]] as [number, number][][]) {
    assert.not.match(curvePlot({ title: 't', x: 'x', curves: [{ name: 'a', points }] }), /NaN|Infinity/);
  }
});

test('the curves of a training are its loss, its metrics by kind, and its learning rate', () => {
  const titles = trainingCurves(epochs).map((svg) => /aria-label="([^:]+)/.exec(svg)?.[1]);
  assert.equal(titles, ['training loss', 'validation', 'validation', 'learning rate']);
  assert.match(trainingCurves(epochs)[1], /data-curve="dice_spleen"[\s\S]*data-curve="dice_liver"/);
  assert.equal(trainingCurves([]), []);
});

test('the page has a row per epoch, the last one first, runs no script, and takes texts as texts', () => {
  const page = trainingPage('<b>mine</b>', epochs, 'dice');
  assert.equal(
    [...page.matchAll(/<tr><th scope="row">(\d+)<\/th><td>(\d+)</g)].map(([, epoch, step]) => [epoch, step]),
    [
      ['2', '8'],
      ['1', '4'],
      ['0', '0'],
    ],
  );
  assert.match(page, /&lt;b&gt;mine&lt;\/b&gt;/);
  assert.match(page, /default-src 'none'; style-src 'sha256-/);
  assert.not.match(page, /<script|<b>mine/);
});

test.run();
