import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { ZipArchive } from '#src/formats/zip.js';
import { parseCheckpoint, readCheckpoint, readStateDicts } from '#src/onnx/checkpoint/readCheckpoint.js';
import { numbersOf } from '#src/onnx/tensor.js';
import { shared, sharedPath, testNeeding } from '../../needs.js';
import { buildCheckpoint, buildZip, pickleOf, tensorPickle, text } from './buildCheckpoint.js';

/** Made by make.py of that folder with PyTorch 1.13. */
function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../../test/fixtures/checkpoints/${name}`, import.meta.url));
}

const floatBytes = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** The message that reading gives; fails when it gives none, or one that is not for the user. */
function refusal(bytes: Uint8Array): string {
  try {
    parseCheckpoint(bytes, 'bad.pt');
  } catch (error) {
    assert.instance(error, ModelError);
    return (error as ModelError).message;
  }
  throw new assert.Assertion({ message: 'it was read', operator: 'throws' } as never);
}

for (const file of ['types.pt', 'types_protocol4.pt']) {
  test(`${file}: every type, stride and shared storage comes out with the values PyTorch has`, async () => {
    const expected: Record<string, { type: string; dims: number[]; values: number[] }> = JSON.parse(
      readFileSync(fixture('expected.json'), 'utf8'),
    );
    const tensors = await readCheckpoint(fixture(file));
    assert.equal([...tensors.keys()], Object.keys(expected));
    for (const [name, { type, dims, values }] of Object.entries(expected)) {
      const found = tensors.get(name)!;
      assert.is(found.type, type, name);
      assert.equal(found.dims, dims, name);
      assert.equal(numbersOf(found), values, name);
    }
  });
}

test('a state dict is found under its wrappers, in old files, scripts and whole modules', async () => {
  const plain = await readCheckpoint(fixture('module.pt'));
  assert.is(plain.size, 7);
  const sorted = (tensors: typeof plain) => [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const file of ['wrapped.pt', 'training.pt', 'old.pt', 'script.pt', 'whole.pt']) {
    assert.equal(sorted(await readCheckpoint(fixture(file))), sorted(plain), file);
  }
});

test('the likeliest of several state dicts is the first', async () => {
  const states = await readStateDicts(fixture('training.pt'));
  assert.equal(states[0].path, 'state_dict');
  assert.equal([...states[0].tensors.keys()].slice(0, 2), ['0.weight', '0.bias']);
});

testNeeding(shared('models/spleen_demo'), 'the demo model has 148 tensors', async () => {
  const tensors = await readCheckpoint(sharedPath('models/spleen_demo/model.pt'));
  assert.is(tensors.size, 148);
  assert.equal(tensors.get('model.0.conv.unit0.conv.weight')?.dims, [16, 1, 3, 3, 3]);
});

test('deflated members and 64-bit sizes are read', () => {
  const archive = new ZipArchive(readFileSync(fixture('types.pt')));
  const members = archive.names.map((name) => ({ name, data: archive.read(name, 0) }));
  const expected = [...parseCheckpoint(readFileSync(fixture('types.pt')), 'types.pt')];
  for (const [deflated, wide] of [
    [true, false],
    [false, true],
    [true, true],
  ]) {
    const bytes = buildZip(
      members.map((member) => ({ ...member, deflated })),
      wide,
    );
    assert.equal([...parseCheckpoint(bytes, 'packed.pt')], expected);
  }
});

test('storages without a type take the one of their tensors', () => {
  const pickle = tensorPickle({
    storageClass: 'torch.storage\nUntypedStorage',
    elements: 4,
    dims: [2],
    strides: [1],
    dtype: 'uint16',
  });
  const found = parseCheckpoint(buildCheckpoint(pickle, { 0: Uint8Array.of(1, 0, 255, 255) }), 'x.pt').get(
    't',
  );
  assert.equal(found, { type: 'uint16', dims: [2], data: Uint16Array.of(1, 65535) });
});

test('other formats are recognised', async () => {
  const message = async (name: string) => {
    try {
      await readCheckpoint(fixture(name));
    } catch (error) {
      assert.instance(error, ModelError);
      return (error as Error).message;
    }
    return 'it was read';
  };
  assert.match(await message('expected.json'), /is neither a zip archive/);
  assert.match(await message('nothing.pt'), /nothing\.pt cannot be read: ENOENT/);
  assert.match(refusal(new Uint8Array()), /it is empty/);
  assert.match(
    refusal(buildZip([{ name: 'a.txt', data: Uint8Array.of(1) }])),
    /it holds "a\.txt" and no FOLDER/,
  );
  assert.match(refusal(buildCheckpoint(pickleOf(']'))), /holds no state dict: it is a list of 0 items/);
  assert.match(
    refusal(buildCheckpoint(pickleOf('}', text('epoch'), 'K', 3, 's'))),
    /holds no state dict: it is a dict with the entries "epoch", and no tensors are in them/,
  );
  const order = buildZip([
    { name: 'archive/data.pkl', data: pickleOf('}') },
    { name: 'archive/byteorder', data: Buffer.from('big') },
  ]);
  assert.match(refusal(order), /"big"-endian/);
});

test('a pickle that asks for anything but tensors is refused by name', () => {
  const cases: [string, (string | number)[], RegExp][] = [
    [
      'os.system by GLOBAL',
      ['cos\nsystem\n', text('id'), 0x85, 'R'],
      /asks for os\.system,.* nothing of it was run/,
    ],
    [
      'posix.system by STACK_GLOBAL',
      [text('posix'), text('system'), 0x93, text('id'), 0x85, 'R'],
      /posix\.system/,
    ],
    ['eval', ['c__builtin__\neval\n', text('1'), 0x85, 'R'], /__builtin__\.eval/],
    ['eval of Python 3', [text('builtins'), text('eval'), 0x93], /builtins\.eval/],
    [
      'getattr through an allowed module',
      ['ctorch\nserialization.os.system\n'],
      /torch\.serialization\.os\.system/,
    ],
    ['a function of an unknown module', ['cevil\nrun\n', text('id'), 0x85, 'R'], /a call of evil\.run/],
    [
      'a function of a known module',
      ['ctorch.hub\nload\n', text('a'), 0x85, 'R'],
      /a call of torch\.hub\.load/,
    ],
    ['a class that runs programs', ['csubprocess\nPopen\n', text('id'), 0x85, 'R'], /subprocess\.Popen/],
    ['a class that runs programs by NEWOBJ', ['csubprocess\nPopen\n', ')', 0x81], /subprocess\.Popen/],
    ['a module behind the scenes', ['c_posixsubprocess\nfork_exec\n'], /_posixsubprocess\.fork_exec/],
    [
      'a function in a harmless class',
      ['cfunctools\npartial\n', 'cos\nsystem\n', text('id'), 0x86, 'R'],
      /os\.system/,
    ],
    ['INST', ['(', text('id'), 'ios\nsystem\n'], /os\.system/],
    ['OBJ', ['(', 'ctorch\nSize\n', 'o'], /the opcode 0x6f at 15/],
    ['an extension', [0x82, 1], /the opcode 0x82/],
    ['a call of a storage class', ['ctorch\nFloatStorage\n', ')', 'R'], /a call of torch\.FloatStorage/],
    ['a call of no class', [']', ')', 'R'], /is damaged near byte/],
    ['the state of an object', ['ctorch\nSize\n', '}', 'b'], /the state of a value that has none/],
    ['something from outside', [text('file'), 'Q'], /refers to something outside/],
    ['a name with control characters', ['cos\nsys\u001b[2Jtem\n'], /os\.sys\\u001b\[2Jtem/],
    ['a name of Object', ['c__proto__\nconstructor\n'], /__proto__\.constructor/],
  ];
  for (const [what, parts, expected] of cases) {
    assert.match(refusal(buildCheckpoint(pickleOf(...parts))), expected, what);
  }
});

test('members of unknown classes are data, and those of known ones are refused', () => {
  const of = (kind: string) => [`cbuiltins\ngetattr\nc${kind}\n`, text('DICE'), 0x86, 'R'];
  assert.match(
    refusal(buildCheckpoint(pickleOf(...of('my.losses\nLoss')))),
    /an object of "my\.losses\.Loss\.DICE"/,
  );
  assert.match(refusal(buildCheckpoint(pickleOf(...of('torch\nSize')))), /a call of getattr/);
  assert.match(refusal(buildCheckpoint(pickleOf(...of('os\nenviron')))), /asks for os\.environ/);
});

test('objects of classes that are not known are data, whatever their names', () => {
  const dict = ['ctraining\nState\n', ')', 'R', text('epoch'), 'K', 3, 's', '}', text('a'), 'K', 1, 's', 'b'];
  assert.match(refusal(buildCheckpoint(pickleOf(...dict))), /an object of "training\.State" without tensors/);
  const object = ['cargparse\nNamespace\n', ')', 0x81, '}', text('lr'), 'K', 1, 's', 'b'];
  assert.match(refusal(buildCheckpoint(pickleOf(...object))), /an object of "argparse\.Namespace"/);
});

test('calls cost as much as their arguments are long', () => {
  // A list of 10,000 numbers, of which 500 sets are made.
  const list = [']', '(', ...Array(10_000).fill('N'), 'e', 'q', 0, '0'];
  const sets = Array(500).fill(['c__builtin__\nset\n', 'h', 0, 0x85, 'R', '0']).flat();
  assert.match(refusal(buildCheckpoint(pickleOf(...list, ...sets))), /more than 4000000 operations/);
});

test('a pickle with more operations than a state dict has, or of another protocol, is refused', () => {
  const many = Buffer.alloc(5_000_000, 'N');
  assert.match(refusal(buildCheckpoint(many)), /more than 4000000 operations/);
  assert.match(refusal(buildCheckpoint(Buffer.from([0x80, 1, 0x2e]))), /protocol 1; protocols 2 to 5/);
});

test('tensors that do not fit their storages are refused', () => {
  const storage = { 0: floatBytes(1, 2, 3, 4) };
  const broken = (told: Parameters<typeof tensorPickle>[0]) =>
    refusal(buildCheckpoint(tensorPickle(told), storage));
  assert.match(
    broken({ dims: [2, 3], strides: [3, 1] }),
    /"t" of \[2, 3\] reaches element 6 of a storage of 4/,
  );
  assert.match(broken({ offset: 1 }), /reaches element 5/);
  assert.match(broken({ strides: [-2, 1] }), /without a proper storage, type, shape or strides/);
  assert.match(broken({ dims: [4] }), /without a proper/);
  assert.match(broken({ dims: [1e9, 1e9], strides: [0, 0] }), /takes .* more than the file holds/);
  assert.match(broken({ dims: [2 ** 50, 2 ** 50], strides: [2 ** 50, 1] }), /reaches element/);
  assert.match(broken({ elements: 5 }), /"0" should hold 20 bytes, but "archive\/data\/0" has 16/);
  assert.match(
    broken({ storageClass: 'torch\nComplexFloatStorage' }),
    /asks for a storage of torch\.ComplexFloatStorage/,
  );
  assert.match(broken({ storageClass: 'torch\nSize' }), /a storage of torch\.Size/);
  assert.match(refusal(buildCheckpoint(tensorPickle({}))), /has no member "archive\/data\/0"/);
});

test('damage is reported: bytes that are cut off, flipped, or claim too much', () => {
  const good = readFileSync(fixture('module.pt'));
  assert.match(refusal(good.subarray(0, 1000)), /the file is cut off/);
  const flipped = Buffer.from(good);
  const weights = good.indexOf('FBZZ') + 200;
  flipped[weights] ^= 16;
  assert.match(refusal(flipped), /data.*is damaged: the checksum is [0-9a-f]{8}, but the archive says/);
  const pickle = tensorPickle({});
  const data = floatBytes(1, 2, 3, 4);
  const bomb = buildZip([
    { name: 'archive/data.pkl', data: pickle },
    { name: 'archive/data/0', data, deflated: true, size: 2 ** 31 },
  ]);
  assert.match(refusal(bomb), /claims to unpack to 2\.0 GiB, which is too much/);
  const longer = buildZip([
    { name: 'archive/data.pkl', data: pickle },
    { name: 'archive/data/0', data, deflated: true, size: 8 },
  ]);
  assert.match(refusal(longer), /cannot be unpacked/);
  const twice = buildZip([
    { name: 'archive/data.pkl', data: pickle },
    { name: 'archive/data.pkl', data: pickle },
  ]);
  assert.match(refusal(twice), /names "archive\/data\.pkl" twice/);
});

test.run();
