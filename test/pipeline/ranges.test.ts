import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';
import { pipelineSchema } from '#src/pipeline/schema.js';
import { failureOf } from '#src/pipeline/steps.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { startModel } from '#src/train/startModel.js';
import { bandModel, temporaryFolder, voxstream } from '../e2e/harness.js';
import { buildNifti } from '../formats/buildNifti.js';

/** What is wrong with a pipeline with this override, or this step. */
function faultOf(set: string | undefined, step = '{ spatialPad: { spatialSize: 8 } }'): string {
  const text = `{ source: { glob: { image: x } }, steps: [load, ${step}] }`;
  try {
    parsePipeline(text, 'p.yaml', { ...(set && { set: [set] }) });
  } catch (error) {
    return (error as Error).message;
  }
  return 'no fault';
}

test('a step timeout that timers cannot wait for is refused', () => {
  assert.match(
    faultOf('runtime.stepTimeout=2147484'),
    /must be at most 2147483 \(did you mean 2147\.484, in s\?\), but it is 2147484 \(Seconds/,
  );
  assert.match(faultOf('runtime.stepTimeout=0'), /must be more than 0/);
  assert.is(faultOf('runtime.stepTimeout=2147483'), 'no fault');
});

test('counts that no machine has are refused', () => {
  assert.match(faultOf('runtime.workers=1e9'), /at most 1024, but it is 1000000000/);
  assert.match(faultOf('runtime.inFlight=1e9'), /at most 1024/);
  assert.match(faultOf('spatialPad.spatialSize=1e9'), /at most 65536/);
  assert.is(faultOf('runtime.workers=64'), 'no fault');
});

test('memory in bytes is refused with what was probably meant', async () => {
  assert.match(faultOf('runtime.memory=4'), /at least 32\.0 MiB \(did you mean 4GiB\?\), but it is /);
  assert.match(faultOf('runtime.memory=1MiB'), /at least 32\.0 MiB, but it is /);
  assert.is(faultOf('runtime.memory=32MiB'), 'no fault');
  const { code, stderr } = await voxstream(['validate', 'pipelines/spleen-inference.yaml', '--memory', '4']);
  assert.is(code, 1);
  assert.match(stderr, /did you mean 4GiB\?/);
});

test('settings of a runtime are refused out of their ranges', () => {
  for (const settings of [
    { workers: 1e9 },
    { workers: 0 },
    { stepTimeout: 3e6 },
    { stepTimeout: Number.NaN },
  ]) {
    assert.throws(
      () => createRuntime(settings),
      (error: Error) => error instanceof OptionError && /must be .*, but it is/.test(error.message),
    );
  }
});

/** The numbers of a JSON Schema that have no limit on one side, as paths of property names. */
function unlimited(schema: unknown, path: readonly string[] = []): string[] {
  if (Array.isArray(schema)) return schema.flatMap((one) => unlimited(one, path));
  if (schema === null || typeof schema !== 'object') return [];
  const node = schema as Record<string, unknown>;
  const types = [node['type']].flat();
  const isNumber = types.some((type) => type === 'number' || type === 'integer') && !types.includes('string');
  const least = node['minimum'] ?? node['exclusiveMinimum'] ?? -Infinity;
  const most = node['maximum'] ?? node['exclusiveMaximum'] ?? Infinity;
  // What zod gives whole numbers without limits.
  const isOpen = [least, most].some((limit) => Math.abs(Number(limit)) === Number.MAX_SAFE_INTEGER);
  const isFixed = 'const' in node || 'enum' in node;
  const isUnlimited = least === -Infinity || most === Infinity || isOpen;
  const inside = Object.entries(node).flatMap(([key, value]) =>
    unlimited(value, key === 'properties' || /^(any|all|one)Of$|tems$/.test(key) ? path : [...path, key]),
  );
  return isNumber && !isFixed && isUnlimited ? [path.join('.'), ...inside] : inside;
}

test('every number of every option, also of networks and training, has limits', () => {
  const schema = pipelineSchema();
  // Any whole number is a seed.
  assert.equal(
    unlimited(schema).filter((path) => !path.endsWith('.seed')),
    [],
  );
  assert.equal(unlimited({ properties: { a: { type: 'integer', maximum: 3 } } }), ['a']);
});

test('numbers out of their ranges are refused with what was probably meant', () => {
  assert.match(
    faultOf('runtime.stepTimeout=3000000'),
    /at most 2147483 \(did you mean 3000, in s\?\), but it is 3000000/,
  );
  assert.match(
    faultOf('runtime.memory=2000TiB'),
    /a size of at most 1024TiB, e\.g\. 4GiB, but it is "2000TiB"/,
  );
  const faults: [step: string, message: RegExp][] = [
    ['{ inference: { model: m, overlap: 25 } }', /less than 1 \(did you mean 0\.25\?\)/],
    ['{ inference: { model: m, roiSize: 65536 } }', /a size of at most 2147483648 voxels/],
    ['{ inference: { model: m, sigmaScale: 1e-9 } }', /at least 0\.001/],
    ['{ randFlip: { prob: 50 } }', /at most 1 \(did you mean 0\.5\?\), but it is 50/],
    ['{ randAffine: { rotateRange: 90 } }', /\(did you mean 1\.571, in radians\?\)/],
    ['{ spacing: { pixdim: [1500, 1500, 2000] } }', /at most 1000 \(did you mean 1\.5 mm\?\)/],
    ['{ surfaceDice: { tolerance: 3000 } }', /at most 1000 \(did you mean 3 mm\?\)/],
    ['{ gaussianSmooth: { sigma: 1e9 } }', /at most 1000/],
    ['{ spatialPad: { spatialSize: [40000, 40000, 40000] } }', /a size of at most 2147483648 voxels/],
    ['{ scaleIntensityRange: { aMin: -1e300, aMax: 1 } }', /at least -3\.40\d+e\+38/],
    ['{ mapLabels: { map: { 1: 1e10 } } }', /at most 4294967295/],
  ];
  for (const [step, message] of faults) assert.match(faultOf(undefined, step), message, step);
});

test('absurd numbers of a training are refused', () => {
  const base = {
    network: { UNet: { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2] } },
    loss: 'dice',
    optimizer: { sgd: { learningRate: 0.1 } },
    epochs: 1,
  };
  const train = (more: object) => faultOf(`train=${JSON.stringify({ ...base, ...more })}`);
  assert.is(train({}), 'no fault');
  assert.match(train({ epochs: 1e9 }), /epochs must be at most 1000000/);
  assert.match(train({ batchSize: 1e6 }), /batchSize must be at most 4096/);
  assert.match(train({ accumulate: 1e6 }), /accumulate must be at most 4096/);
  const fast = { adam: { learningRate: 10_000 } };
  assert.match(train({ optimizer: fast }), /at most 1000 \(did you mean 1e-4\?\)/);
});

test('a network of more weights than a file holds is refused before they are made', async () => {
  const channels = [60_000, 60_000];
  const network = { UNet: { spatial_dims: 3, in_channels: 1, out_channels: 2, channels, strides: [2] } };
  const train = { network, loss: 'dice', optimizer: { sgd: { learningRate: 0.1 } }, epochs: 1 };
  const pipeline = parsePipeline(
    JSON.stringify({ source: { glob: { image: 'x' } }, steps: ['load'], train }),
  );
  const error = await startModel(pipeline.train!, 0).catch((fault) => fault);
  assert.match(error.message, /would have more than 536870912 weights .* Give it fewer channels/);
});

test('a window that no memory holds is refused in a sentence, also one that the card asks for', async () => {
  const folder = join(temporaryFolder(), 'model');
  cpSync(bandModel, folder, { recursive: true });
  const card = JSON.parse(readFileSync(join(folder, 'metadata.json'), 'utf8'));
  writeFileSync(
    join(folder, 'metadata.json'),
    JSON.stringify({ ...card, input: { ...card.input, patch: [60000, 60000, 60000] } }),
  );
  const image = join(temporaryFolder(), 'a.nii');
  writeFileSync(image, buildNifti());
  const pipeline = {
    source: { glob: { image } },
    steps: ['load', { inference: { model: folder, mode: 'gaussian' } }],
    output: join(temporaryFolder(), 'out'),
    runtime: { device: 'cpu' },
  };
  const error = await runPipeline(parsePipeline(JSON.stringify(pipeline))).catch((fault) => fault);
  assert.match(
    error.message,
    /A window of \[60000, 60000, 60000\] voxels .* at most 2147483648 are possible/,
  );
});

test('when memory is short for an array, the case says so', () => {
  const fault = (error: Error) => failureOf('a', error).message;
  for (const make of [() => new Float32Array(2 ** 60), () => new SharedArrayBuffer(2 ** 52)]) {
    try {
      make();
      assert.unreachable();
    } catch (error) {
      assert.match(fault(error as Error), /^There is not enough memory for an array/);
    }
  }
  assert.match(fault(new RangeError('Maximum call stack size exceeded')), /^Unexpected/);
});

test.run();
