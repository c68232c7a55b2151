import { firstValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { operator } from '#src/operators/define.js';
import { fusions } from '#src/operators/index.js';
import { mapVolumes } from '#src/operators/map.js';
import { fuseSteps } from '#src/pipeline/fuse.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { axcodesOf } from '#src/volume/orientation.js';
import { Random } from '#src/volume/random.js';
import { type Affine, makeVolume, type Volume } from '#src/volume/volume.js';

const runtime = createRuntime({ device: 'cpu', workers: 2 });
test.after(() => runtime.close());

/** Runs steps one by one, or in the stages of the plan. */
async function through(subject: Case, steps: string, fused: boolean): Promise<Case> {
  const pipeline = parsePipeline(`source: { glob: { image: x } }\nsteps:\n${steps}`);
  const stages = fused
    ? fuseSteps(pipeline.steps, fusions)
    : pipeline.steps.flatMap((step) => fuseSteps([step], []));
  if (fused) assert.ok(stages.length < pipeline.steps.length, 'something is fused');
  let result = subject;
  for (const { id, build } of stages) result = await firstValueFrom(of(result).pipe(build({ id, runtime })));
  return result;
}

function same(found: Volume, expected: Volume): void {
  assert.equal(found.size, expected.size);
  assert.equal(found.affine, expected.affine);
  assert.is(found.kind, expected.kind);
  assert.is(found.channels, expected.channels);
  assert.equal(found.history, expected.history);
  assert.is(found.data.constructor.name, expected.data.constructor.name);
  assert.equal(Array.from(found.data), Array.from(expected.data));
}

const affines: Record<string, Affine> = {
  RAS: [0.8, 0, 0, -10, 0, 0.9, 0, 5, 0, 0, 2.5, 1, 0, 0, 0, 1],
  LPS: [-0.8, 0, 0, 10, 0, -0.9, 0, 5, 0, 0, 2.5, 1, 0, 0, 0, 1],
  PIR: [0, 0, 2.5, 3, -0.8, 0, 0, 2, 0, -0.9, 0, 9, 0, 0, 0, 1],
  oblique: [0.8, 0.1, 0, -10, -0.1, 0.9, 0.2, 5, 0, -0.1, 2.5, 1, 0, 0, 0, 1],
};

function ct(
  affine: Affine,
  size: [number, number, number],
  Type: typeof Int16Array | typeof Float32Array,
): Volume {
  const random = new Random(7);
  const data = new Type(size[0] * size[1] * size[2]);
  for (let i = 0; i < data.length; i++) data[i] = Math.floor(random.uniform(-1000, 1000));
  return makeVolume({ data, size, affine });
}

const preparation = `
  - orient: { axcodes: RAS }
  - spacing: { pixdim: [1.5, 1.4, 2] }
  - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }`;

for (const [name, affine] of Object.entries(affines)) {
  for (const Type of [Int16Array, Float32Array]) {
    test(`one pass prepares a ${name} ${Type.name} with the same bits as the three steps`, async () => {
      const image = ct(affine, [13, 11, 7], Type);
      const label = { ...ct(affine, [13, 11, 7], Type), kind: 'label' as const };
      if (name !== 'oblique') assert.is(axcodesOf(affine), name);
      const subject = makeCase({ id: 'a', volumes: { image, label } });
      const found = await through(subject, preparation, true);
      const expected = await through(subject, preparation, false);
      same(found.volumes.image, expected.volumes.image);
      same(found.volumes.label, expected.volumes.label);
    });
  }
}

for (const steps of [
  '\n  - orient: { axcodes: LPI }\n  - spacing: { pixdim: [1, 1, 3], paddingMode: zeros }',
  '\n  - spacing: { pixdim: [0.5, 1, 3] }\n  - scaleIntensityRange: { aMin: 0, aMax: 10 }',
  '\n  - orient: { axcodes: ASL }\n  - scaleIntensityRange: { aMin: 0, aMax: 10, bMin: -1, bMax: 1 }',
]) {
  test(`a part of a preparation is also one pass:${steps.replaceAll('\n', '')}`, async () => {
    const subject = makeCase({ id: 'a', volumes: { image: ct(affines.PIR, [9, 8, 6], Int16Array) } });
    const found = await through(subject, steps, true);
    const expected = await through(subject, steps, false);
    same(found.volumes.image, expected.volumes.image);
  });
}

const labelling = `
  - activations: { softmax: true }
  - invert: { keys: pred, like: image }
  - asDiscrete: { argmax: true }`;

for (const [name, affine] of Object.entries(affines)) {
  for (const channels of [2, 3]) {
    test(`one pass creates labels of ${channels} classes on a ${name} grid as the three steps do`, async () => {
      const image = ct(affine, [17, 15, 9], Int16Array);
      const { volumes } = await through(makeCase({ id: 'a', volumes: { image } }), preparation, true);
      const grid = volumes.image;
      const random = new Random(3);
      const count = grid.data.length;
      // Mostly background, so that the box around the rest excludes some slices.
      const data = Float32Array.from({ length: count * channels }, (_, i) =>
        i < count ? random.uniform(-1, 1) + ((i % grid.size[0]) % 7 < 4 ? 4 : 0) : random.uniform(-2, 2),
      );
      const pred = makeVolume({ ...grid, data, channels, kind: 'logits' });
      const subject = makeCase({ id: 'a', volumes: { image: grid, pred } });
      const found = await through(subject, labelling, true);
      const expected = await through(subject, labelling, false);
      same(found.volumes.pred, expected.volumes.pred);
      assert.ok(found.volumes.pred.data.some((value) => value > 0));
      assert.equal(found.volumes.pred.size, [17, 15, 9]);
    });
  }
}

test('logits with background everywhere give an empty label map', async () => {
  const { volumes } = await through(
    makeCase({ id: 'a', volumes: { image: ct(affines.LPS, [8, 8, 8], Int16Array) } }),
    preparation,
    true,
  );
  const count = volumes.image.data.length;
  const data = new Float32Array(2 * count).fill(1, 0, count);
  const pred = makeVolume({ ...volumes.image, data, channels: 2, kind: 'logits' });
  const found = await through(makeCase({ id: 'a', volumes: { ...volumes, pred } }), labelling, true);
  assert.equal(found.volumes.pred.size, [8, 8, 8]);
  assert.ok(found.volumes.pred.data.every((value) => value === 0));
});

test('a crop between the steps is also undone', async () => {
  const steps = `${preparation}\n  - centerCrop: { roiSize: [4, 4, 4] }`;
  const subject = makeCase({ id: 'a', volumes: { image: ct(affines.RAS, [13, 11, 7], Int16Array) } });
  const { volumes } = await through(subject, steps, true);
  const count = volumes.image.data.length;
  const data = new Float32Array(2 * count).fill(1, count);
  const pred = makeVolume({ ...volumes.image, data, channels: 2, kind: 'logits' });
  const cropped = makeCase({ id: 'a', volumes: { ...volumes, pred } });
  same(
    (await through(cropped, labelling, true)).volumes.pred,
    (await through(cropped, labelling, false)).volumes.pred,
  );
});

test('steps that do not match a fusion stay separate', () => {
  const stages = (text: string) =>
    fuseSteps(parsePipeline(`source: { glob: { image: x } }\nsteps: ${text}`).steps, fusions).map(
      ({ id }) => id,
    );
  assert.equal(
    stages('[load, { scaleIntensityRange: { aMin: 0, aMax: 1 } }, { orient: { axcodes: RAS } }]'),
    ['load', 'scaleIntensityRange', 'orient'],
  );
  assert.equal(stages('[{ activations: { softmax: true } }, invert, { asDiscrete: { threshold: 0.5 } }]'), [
    'activations',
    'invert',
    'asDiscrete',
  ]);
  assert.equal(
    stages('[{ activations: { softmax: true } }, invert, { asDiscrete: { argmax: true, keys: other } }]'),
    ['activations', 'invert', 'asDiscrete'],
  );
});

test('an operator with the name of a built-in one is called instead of the fused pass', async () => {
  const doubled = operator({
    name: 'scaleIntensityRange',
    summary: 'Doubles every voxel.',
    options: {},
    example: {},
    create: (_, context) =>
      mapVolumes(context, 'cpu', 'image', [], async (volume) => ({
        ...volume,
        data: volume.data.map((value) => 2 * value),
      })),
  });
  const registry = createRegistry({ operators: [doubled] });
  const text = 'source: { glob: { image: x } }\nsteps: [{ orient: { axcodes: RAS } }, scaleIntensityRange]';
  const pipeline = parsePipeline(text, 'p.yaml', { registry });
  const stages = fuseSteps(pipeline.steps, pipeline.fusions);
  assert.equal(
    stages.map(({ id }) => id),
    ['orient', 'scaleIntensityRange'],
  );
  const image = makeVolume({ data: Int16Array.of(1, 2, 3), size: [3, 1, 1] });
  let result = makeCase({ id: 'a', volumes: { image } });
  for (const { id, build } of stages) result = await firstValueFrom(of(result).pipe(build({ id, runtime })));
  assert.equal([...result.volumes.image.data], [2, 4, 6]);
});

test.run();
