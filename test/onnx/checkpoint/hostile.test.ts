import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { parseCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { buildCheckpoint, pickleOf, text } from './buildCheckpoint.js';

/** Small files that ask for much. Each must be refused in a sentence; the runner's limit ends what hangs. */
function refusal(bytes: Uint8Array): string {
  try {
    parseCheckpoint(bytes, 'bad.pt');
  } catch (error) {
    assert.instance(error, ModelError);
    return (error as ModelError).message;
  }
  return 'it was read';
}

const repeat = (count: number, ...parts: (number | string)[]) => Array(count).fill(parts).flat();

/** A pickle in which `middle` stands `count` times between two other parts. */
function longPickle(first: string, middle: string, count: number, last: string): Buffer {
  const part = (value: string) => Buffer.from(value, 'latin1');
  const middles = Buffer.alloc(middle.length * count, part(middle));
  return Buffer.concat([part('\x80\x02'), part(first), middles, part(last), part('.')]);
}

test('values that hold each other a million times deep are refused', () => {
  const tuples = longPickle('N', '\x85', 1_000_000, '');
  assert.match(refusal(buildCheckpoint(tuples)), /holds no state dict: it is a tuple of 1 items/);
  // A dict in a dict in a dict.
  const dicts = longPickle('}', `}${text('a')}`, 300_000, `N${'s'.repeat(300_000)}`);
  assert.match(refusal(buildCheckpoint(dicts)), /holds no state dict: it is a dict/);
  // As the arguments of a call that passes its arguments on.
  const call = 'ctorch._tensor\n_rebuild_from_type_v2\nctorch._utils\n_rebuild_tensor_v2\nN';
  const calls = longPickle(`${call}N`, '\x85', 1_000_000, '\x87R');
  assert.match(refusal(buildCheckpoint(calls)), /describes a tensor without a proper storage/);
});

test('dicts that hold each other twice, thirty levels deep, are searched once', () => {
  // Each dict holds the one before it under two names.
  const levels = Array.from({ length: 30 }, (_, i) => [
    '}',
    text('a'),
    'h',
    i,
    's',
    text('b'),
    'h',
    i,
    's',
    'q',
    i + 1,
    '0',
  ]);
  const pickle = pickleOf('}', 'q', 0, '0', ...levels.flat(), 'h', 30);
  assert.match(refusal(buildCheckpoint(pickle)), /holds no state dict/);
});

test('modules that hold each other twice, thirty levels deep, are refused', () => {
  const start = ['cnets\nNet\n', ')', 0x81, '}', text('_modules'), '}'];
  const end = ['s', 'b'];
  const first = [...start, ...end, 'q', 0, '0'];
  const levels = Array.from({ length: 30 }, (_, i) => [
    ...start,
    ...[text('a'), 'h', i, 's', text('b'), 'h', i, 's'],
    ...end,
    ...['q', i + 1, '0'],
  ]);
  const pickle = pickleOf(...first, ...levels.flat(), 'h', 30);
  assert.match(refusal(buildCheckpoint(pickle)), /more than 1000000 entries/);
});

test('a list that is joined to itself again and again is refused', () => {
  // Twenty lists, each of a thousand times the one before it, as arguments of calls.
  const pickle = pickleOf(
    ']',
    '(',
    ...repeat(1000, 'N'),
    'e',
    'q',
    0,
    '0',
    ...repeat(5000, 'c__builtin__\nlist\n', 'h', 0, 0x85, 'R', '0'),
  );
  assert.match(refusal(buildCheckpoint(pickle)), /more than 4000000 operations/);
});

test('a call of a million arguments is refused', () => {
  const pickle = longPickle('ccollections\nOrderedDict\n(', 'N', 1_000_000, 'tR');
  assert.match(refusal(buildCheckpoint(pickle)), /is damaged/);
});

test('a NumPy array whose bytes do not fit its shape is refused', () => {
  const array = [
    'cnumpy.core.multiarray\n_reconstruct\n',
    'cnumpy\nndarray\n',
    'K',
    0,
    0x85,
    text('b'),
    0x87,
    'R',
  ];
  const type = ['cnumpy\ndtype\n', text('f8'), 'K', 0, 'K', 1, 0x87, 'R'];
  const big = 'J\xff\xff\xff\x7f';
  const state = ['(', 'K', 1, '(', big, big, 't', ...type, 0x89, 'C', 8, '12345678', 't', 'b'];
  assert.match(
    refusal(buildCheckpoint(pickleOf(...array, ...state))),
    /NumPy array of \[2147483647, 2147483647\] has 1 values/,
  );
});

test('an old file that claims more storage than it has is refused', () => {
  const number = (value: number) => `K${String.fromCharCode(value)}`;
  const magic = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
  const version = pickleOf('M\xe9\x03');
  const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('7')}${text('cpu')}${number(2)}NtQ`;
  const content = pickleOf(
    '}',
    text('t'),
    `ctorch._utils\n_rebuild_tensor_v2\n(${storage}${number(0)}(${number(2)}t(${number(1)}t\x89}tRs`,
  );
  const keys = pickleOf(']', text('7'), 'a');
  const old = (count: bigint, ...rest: Uint8Array[]) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(count);
    return new Uint8Array(Buffer.concat([magic, version, pickleOf('}'), content, keys, length, ...rest]));
  };
  const values = new Uint8Array(Float32Array.of(1.5, -2).buffer);
  const good = parseCheckpoint(old(2n, values), 'good.pt').get('t')!;
  assert.equal([...(good.data as Float32Array)], [1.5, -2]);
  assert.match(refusal(old(2n ** 62n, values)), /"7" reaches beyond the end of the file/);
  assert.match(refusal(old(1n, values)), /should hold 8 bytes, but the file has 4/);
  assert.match(refusal(new Uint8Array(magic)), /its pickle is cut off/);
});

test.run();
