import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { trainingCurves, trainingPage } from '#src/report/training.js';
import { valuesNamed } from '../metrics/values.js';

const epochs = [
  { epoch: 0, step: 0, metrics: valuesNamed({ dice_spleen: 0.1, dice_liver: 0.2, hd95_spleen: 40 }) },
  { epoch: 1, step: 4, loss: 1.5, learningRate: 0.01, seconds: 2, patchesPerSecond: 4 },
  {
    epoch: 2,
    step: 8,
    loss: 0.75,
    learningRate: 0.005,
    metrics: valuesNamed({ dice_spleen: 0.8, dice_liver: 0.9, hd95_spleen: 5 }),
  },
];

test('the curves of a training are its loss, its metrics by kind, and its learning rate', () => {
  const titles = trainingCurves(epochs).map((svg) => /aria-label="([^:]+)/.exec(svg)?.[1]);
  assert.equal(titles, ['training loss', 'validation', 'validation', 'learning rate']);
  assert.match(
    trainingCurves(epochs)[1],
    /aria-label="validation: Dice: spleen ends at 0\.800; liver ends at 0\.900"/,
  );
  assert.match(trainingCurves(epochs)[2], /aria-label="validation: HD95, mm, spleen: spleen ends at 5\.00"/);
  assert.equal(trainingCurves([]), []);
});

test('the page has a row per epoch, the last one first, runs no script, and takes texts as texts', () => {
  const notes = ['a', 'b'].map((id) => [id, `${id}.nii is a file in metres <i>.`] as const);
  const page = trainingPage('<b>mine</b>', epochs, { metric: 'dice', notes });
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
  assert.not.match(page, /<script|<b>mine|<i>/);
  // Notes that differ by the case's name alone are one.
  assert.match(page, /<li>a\.nii is a file in metres &lt;i&gt;\. \(a and b\)<\/li>/);
});

test.run();
