import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stackChannels } from '#src/formats/stackChannels.js';
import { makeVolume } from '#src/volume/volume.js';

const size = [2, 1, 1] as const;

test('stackChannels puts the channels of several files behind each other', () => {
  const first = makeVolume({ data: Int16Array.of(1, 2), size });
  const second = makeVolume({ data: Int16Array.of(3, 4, 5, 6), size, channels: 2 });
  const stacked = stackChannels([first, second], ['a', 'b']);
  assert.is(stacked.channels, 3);
  assert.instance(stacked.data, Int16Array);
  assert.equal([...stacked.data], [1, 2, 3, 4, 5, 6]);
});

test('stackChannels takes a type that holds the voxels of all files', () => {
  const stack = (...data: (Int16Array | Uint8Array | Uint16Array | Uint32Array | Float32Array)[]) =>
    stackChannels(
      data.map((voxels) => makeVolume({ data: voxels, size })),
      data.map((_, i) => String(i)),
    ).data;
  const small = stack(Int16Array.of(-5, 2), Uint8Array.of(0, 255));
  assert.equal([small.constructor, [...small]], [Int16Array, [-5, 2, 0, 255]]);
  const wide = stack(Int16Array.of(-5, 2), Uint16Array.of(0, 65535));
  assert.equal([wide.constructor, [...wide]], [Int32Array, [-5, 2, 0, 65535]]);
  assert.instance(stack(Int16Array.of(1, 2), Float32Array.of(0.5, 1)), Float32Array);
  assert.instance(stack(Uint32Array.of(1, 2 ** 31), Float32Array.of(0.5, 1)), Float64Array);
});

test('stackChannels refuses files on different grids', () => {
  const first = makeVolume({ data: Int16Array.of(1, 2), size });
  const other = makeVolume({ data: Int16Array.of(1), size: [1, 1, 1] });
  assert.throws(
    () => stackChannels([first, other], ['a.nii', 'b.nii']),
    /b\.nii and a\.nii are channels of one volume, but they are on different grids \(1 x 1 x 1 and 2 x 1 x 1 voxels\)/,
  );
});

test.run();
