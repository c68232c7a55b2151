import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DicomFile, Slice, SliceKeys } from '#src/formats/dicom/header.js';
import { seriesVolumes } from '#src/formats/dicom/volumes.js';
import type { Vec3 } from '#src/volume/volume.js';

const axial = [1, 0, 0, 0, 1, 0];
const sagittal = [0, 1, 0, 0, 0, -1];

/** A file of one slice at `position`. */
function file(
  position: Vec3,
  keys: SliceKeys = {},
  orientation: readonly number[] = axial,
  rows = 8,
): DicomFile {
  const slices: Slice[] = [];
  const made: DicomFile = {
    file: `at ${position.join(' ')}`,
    deflated: false,
    sopClass: '1.2.840.10008.5.1.4.1.1.2',
    sopInstance: position.join('.'),
    study: '1',
    series: '2',
    modality: 'CT',
    transferSyntax: '1.2.840.10008.1.2.1',
    frames: 1,
    layout: { rows, columns: 8, bitsAllocated: 16, bitsStored: 16, highBit: 15, signed: true },
    pixels: { offset: 0, length: 128, swappedWords: false },
    slices,
  };
  slices.push({
    file: made,
    frame: 0,
    position,
    orientation,
    spacing: [1, 1],
    thickness: 2,
    slope: 1,
    intercept: 0,
    keys,
  });
  return made;
}

const stack = (count: number, step: number, keys: (z: number) => SliceKeys = () => ({}), start = 0) =>
  Array.from({ length: count }, (_, z) => file([0, 0, start + z * step], keys(z)));
const outcome = (files: readonly DicomFile[]) =>
  seriesVolumes(files, {}).volumes.map(
    ({ part, fault, slices }) => fault ?? `${part || 'all'}: ${slices.length}`,
  );

test('slices at the same positions are split by what tells them apart', () => {
  const phases = [1, 2].flatMap((phase) => stack(4, 2, () => ({ temporalPosition: String(phase) })));
  assert.equal(outcome(phases), ['temporalPosition 1: 4', 'temporalPosition 2: 4']);
  const both = [1, 2].flatMap((phase) =>
    ['a', 'b'].flatMap((echo) => stack(4, 2, () => ({ temporalPosition: String(phase), echo }))),
  );
  assert.equal(outcome(both), [
    'temporalPosition 1, echo a: 4',
    'temporalPosition 1, echo b: 4',
    'temporalPosition 2, echo a: 4',
    'temporalPosition 2, echo b: 4',
  ]);
  const times = [1, 2].flatMap((time) => stack(4, 2, () => ({ acquisitionTime: String(time) })));
  assert.equal(outcome(times), ['acquisitionTime 1: 4', 'acquisitionTime 2: 4']);
});

test('of two phases the one that lacks a slice is refused, and the other is read', () => {
  const phases = [1, 2].flatMap((phase) => stack(6, 2, () => ({ temporalPosition: String(phase) })));
  const [first, second] = outcome(phases.filter((_, i) => i !== 3));
  assert.match(first, /\(temporalPosition 1\) lacks 1 slice/);
  assert.is(second, 'temporalPosition 2: 6');
});

test('phases between each other are two volumes, acquisitions along a stack are one', () => {
  const [a, b] = [{ temporalPosition: '1' }, { temporalPosition: '2' }];
  assert.equal(outcome(stack(8, 2, (z) => (z % 2 ? b : a))), [
    'temporalPosition 1: 4',
    'temporalPosition 2: 4',
  ]);
  assert.equal(outcome(stack(8, 2, (z) => (z < 4 ? a : b))), ['all: 8']);
  assert.equal(outcome(stack(8, 2, (z) => ({ acquisition: String(z % 2) }))), ['all: 8']);
});

test('two slices at one position that nothing tells apart are refused by name', () => {
  const [fault] = outcome([...stack(4, 2), file([0.001, 0, 2])]);
  assert.match(
    fault,
    /has two slices at the same position .*: at 0 0 2 and at 0.001 0 2\. Remove one of them/,
  );
  assert.match(outcome([...stack(4, 2), file([0, 0, 2.001])])[0], 'only 0.001 mm apart');
});

test('slices must lie within 0.01 mm of a regular grid, sideways too', () => {
  const moved = (by: Vec3) => outcome([...stack(4, 2), file([by[0], by[1], 8 + by[2]]), file([0, 0, 10])]);
  assert.equal(moved([0.005, 0, 0.005]), ['all: 6']);
  assert.match(moved([0, 0, 0.02])[0], 'at irregular distances, 1.98 to 2.02 mm');
  assert.match(moved([0.02, 0, 0])[0], 'shifted sideways: at 0.02 0 8');
  assert.match(
    outcome([...stack(4, 2), ...stack(4, 2, () => ({}), 10)])[0],
    'lacks 1 slice(s) between at 0 0 6',
  );
});

test('a single slice of another kind is left out, unless it continues the stack', () => {
  const scout = seriesVolumes([...stack(6, 2), file([0, -4, 9], {}, sagittal)], {});
  assert.is(scout.volumes[0].slices.length, 6);
  assert.match(scout.notes[0], 'at 0 -4 9 is a single slice of another size or orientation');
  const turned = [0, 1, 0, 1, 0, 0];
  assert.match(
    outcome([...stack(6, 2), file([0, 0, 12], {}, turned)])[0],
    'at 0 0 12 has another size or orientation',
  );
});

test('stacks of different sizes or orientations are separate volumes', () => {
  const other = Array.from({ length: 3 }, (_, z) => file([0, 0, 2 * z], {}, axial, 6));
  assert.equal(outcome([...stack(4, 2), ...other]), ['shape 1: 4', 'shape 2: 3']);
});

test('resampling that would blow up the volume is refused', () => {
  const files = [...stack(4, 2), file([0, 0, 6.02])];
  const [{ fault }] = seriesVolumes(files, { irregular: 'resample', missing: 'resample' }).volumes;
  assert.match(fault ?? '', 'Resampling would make');
});

test.run();
