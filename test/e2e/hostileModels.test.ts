import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import protobuf from 'onnx-proto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkModel, readModel } from '#src/onnx/modelFile.js';
import { linux, testNeeding } from '../needs.js';
import { evaluateArgs, phantoms } from './faults.js';
import { start, temporaryFolder } from './harness.js';

const { onnx } = protobuf;
const { AttributeType } = onnx.AttributeProto;
type Node = protobuf.onnx.INodeProto;
type Initializer = protobuf.onnx.ITensorProto;

const dataset = await phantoms(1);

const bytesOf = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);
const secret = join(temporaryFolder(), 'outside.bin');
writeFileSync(secret, bytesOf([5, 6]));

/** The weights of a convolution from one channel to two. */
const weights = (dims: Initializer['dims'], more: Initializer): Initializer => ({
  name: 'w',
  dims,
  dataType: onnx.TensorProto.DataType.FLOAT,
  ...more,
});
const inside: Initializer = weights([2, 1, 1, 1, 1], { rawData: bytesOf([1, -1]) });
const external = (location: string): Initializer =>
  weights([2, 1, 1, 1, 1], {
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: [{ key: 'location', value: location }],
  });

const value = (name: string, dims: readonly (number | string)[], elemType = 1) => {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
};

const conv = (input = 'x'): Node => ({
  opType: 'Conv',
  input: [input, 'w'],
  output: ['y'],
  attribute: [{ name: 'kernel_shape', type: AttributeType.INTS, ints: [1, 1, 1] }],
});

function modelOf(node: Node[], initializer: Initializer[], channels = 2, domain?: string): Uint8Array {
  const opsets = [{ domain: '', version: 17 }, ...(domain ? [{ domain, version: 1 }] : [])];
  const space = ['a', 'b', 'c'];
  const input = [value('x', ['n', 1, ...space])];
  const output = [value('y', ['n', channels, ...space])];
  const graph = { name: 'g', node, initializer, input, output };
  return onnx.ModelProto.encode({ irVersion: 8, opsetImport: opsets, graph }).finish();
}

/** Runs a model that has a card. A process that hangs is killed. */
async function run(
  model: Uint8Array | undefined,
  prepare: (folder: string) => void = () => {},
  more: readonly string[] = [],
) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'metadata.json'), '{ "name": "hostile", "labels": { "1": "spleen" } }');
  if (model) writeFileSync(join(folder, 'model.onnx'), model);
  prepare(folder);
  const output = join(temporaryFolder(), 'out');
  const set = [`model=${folder}`, ...more].flatMap((one) => ['--set', one]);
  const env = { XDG_CACHE_HOME: temporaryFolder() };
  const { child, ended } = start([...evaluateArgs(dataset, output), ...set], env);
  const timer = setTimeout(() => child.kill('SIGTERM'), 300_000);
  const { code, signal, stderr } = await ended;
  clearTimeout(timer);
  return { code, signal, stderr };
}

test('the weights of a sound model of the same form are run', async () => {
  const { code, stderr } = await run(modelOf([conv()], [inside]));
  assert.is(code, 0, stderr);
});

test('weights outside of the model file are not read, wherever they are', async () => {
  const places: [string, (folder: string) => void][] = [
    [`../${basename(dirname(secret))}/outside.bin`, () => {}],
    [secret, () => {}],
    ['/dev/zero', () => {}],
    ['w.bin', (folder) => symlinkSync(secret, join(folder, 'w.bin'))],
    ['w.bin', (folder) => writeFileSync(join(folder, 'w.bin'), bytesOf([5, 6]))],
  ];
  const refusal = /stored in a file beside the model, which is not supported; save the/;
  for (const [place] of places) {
    assert.throws(() => checkModel(modelOf([conv()], [external(place)]), 'model.onnx'), refusal);
  }
  // A model for windows of the volume's size is not rewritten.
  const [, , , [link, prepare], [location, writeWeights]] = places;
  for (const [place, setUp, set] of [
    [link, prepare, []],
    [location, writeWeights, ['inference.roiSize=0']],
  ] as const) {
    const { code, stderr } = await run(modelOf([conv()], [external(place)]), setUp, set);
    assert.is(code, 1, stderr);
    assert.match(stderr, /^voxstream: /m);
    assert.match(stderr, refusal);
  }
});

test('weights that claim another size than they have are refused', async () => {
  const huge = (dims: number[]) => weights(dims, { rawData: bytesOf([1, 2]) });
  for (const initializer of [
    huge([2, 1, 1, 1, 1_000_000_000]),
    huge([2, 1, 1, 1, -1]),
    huge([2 ** 62, 4, 1, 1, 1]),
    weights([2 ** 40, 1, 1, 1, 1], {}),
  ]) {
    assert.throws(
      () => readModel(modelOf([conv()], [initializer]), 'model.onnx'),
      /The tensor w of .* must hold \S+ values/,
    );
  }
  const { code, signal, stderr } = await run(modelOf([conv()], [huge([2, 1, 1, 1, 1_000_000_000])]));
  assert.is(code, 1, `${signal} ${stderr}`);
  assert.match(
    stderr,
    /^voxstream: \S+model\.onnx cannot be read .*The tensor w of .* must hold \S+ values/m,
  );
});

test('weights without a value are refused in a sentence', async () => {
  for (const dims of [
    [0, 1, 1, 1, 1],
    [2, 0, 1, 1, 1],
    [2, 1, 0, 1, 1],
  ]) {
    const { code, signal, stderr } = await run(modelOf([conv()], [weights(dims, {})]));
    assert.is(code, 1, `${signal} ${stderr}`);
    assert.match(stderr, /^voxstream: .*\bw\b.* has no values/m, String(dims));
    assert.not.match(stderr, /is not iterable|undefined/);
  }
});

test('an operator that nobody knows is named', async () => {
  const strange: Node = { ...conv(), opType: 'Pwn', domain: 'evil.example' };
  const { code, stderr } = await run(modelOf([strange], [inside], 2, 'evil.example'));
  assert.is(code, 1, stderr);
  assert.match(stderr, /^voxstream: The model .*evil\.example:Pwn.* is not a registered function\/op\./m);
});

test('a model of a thousand million channels fails its cases by their memory', async () => {
  const { code, stderr } = await run(modelOf([conv()], [inside], 1_000_000_000));
  assert.is(code, 2, stderr);
  assert.match(stderr, /failed at memory: Case ct_00 needs about [\d.]+ TiB of memory/);
});

const int64 = onnx.TensorProto.DataType.INT64;
const bool = onnx.TensorProto.DataType.BOOL;

/** A loop that copies its value without end. */
function endless(input: string): Node {
  const node: Node[] = [
    { opType: 'Identity', input: ['going'], output: ['goes'] },
    { opType: 'Identity', input: ['before'], output: ['after'] },
  ];
  const any = ['a', 'b', 'c', 'd', 'e'];
  const body = {
    name: 'body',
    node,
    input: [value('i', [], int64), value('going', [], bool), value('before', any)],
    output: [value('goes', [], bool), value('after', any)],
  };
  const attribute = [{ name: 'body', type: AttributeType.GRAPH, g: body }];
  return { opType: 'Loop', input: ['', 'always', input], output: ['l'], attribute };
}
const always: Initializer = { name: 'always', dims: [], dataType: bool, int32Data: [1] };

test('a loop that never ends is stopped after runtime.stepTimeout, also while constants are folded', async () => {
  const one: Initializer = weights([1, 1, 1, 1, 1], { name: 'one', rawData: bytesOf([1]) });
  const sum: Node = { opType: 'Add', input: ['x', 'l'], output: ['s'] };
  const models = [
    modelOf([endless('x'), conv('l')], [inside, always]),
    modelOf([endless('one'), sum, conv('s')], [inside, always, one]),
  ];
  // Enough for the other steps of a case, also on a busy machine.
  const limit = ['runtime.stepTimeout=15'];
  const [looping, folding] = await Promise.all(models.map((model) => run(model, undefined, limit)));
  for (const { code, signal, stderr } of [looping, folding]) {
    // A thread inside ONNX Runtime cannot be stopped alone.
    assert.equal([code, signal], [null, 'SIGKILL'], stderr);
    assert.match(
      stderr,
      /The model \S+ gave no answer within 15 s \(runtime\.stepTimeout\), and its thread was/,
    );
  }
  assert.match(
    looping.stderr,
    /Warning: .*model\.onnx has a Loop, which may run forever; such models are not rewritten/,
  );
});

testNeeding(linux, 'a model that is a pipe, a device or a folder is refused at once', async () => {
  const traps: ((folder: string) => void)[] = [
    (folder) => execFileSync('mkfifo', [join(folder, 'model.onnx')]),
    (folder) => symlinkSync('/dev/zero', join(folder, 'model.onnx')),
    (folder) => mkdirSync(join(folder, 'model.onnx')),
  ];
  for (const trap of traps) {
    const { code, stderr } = await run(undefined, trap);
    assert.is(code, 1, stderr);
    assert.match(stderr, /model\.onnx is not a plain file, but a model must be one\./);
  }
});

test.run();
