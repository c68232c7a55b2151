import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '#src/errors.js';
import { makeNiftiHeader } from '#src/formats/makeNiftiHeader.js';
import { parseNiftiHeader } from '#src/formats/niftiHeader.js';
import { multiply } from '#src/volume/affine.js';
import type { NiftiFields } from '#src/volume/volume.js';
import { buildNifti, type NiftiParts } from './buildNifti.js';

const parse = (parts: NiftiParts) => parseNiftiHeader(buildNifti(parts), 'ct.nii');
const refuses = (parts: NiftiParts, ...texts: string[]) => {
  assert.throws(
    () => parse(parts),
    (error: unknown) => {
      assert.instance(error, DataError);
      const { message } = error as DataError;
      assert.ok(message.startsWith('ct.nii ') && message.endsWith('.'), message);
      for (const text of texts) assert.ok(message.includes(text), `${message} lacks ${text}`);
      return true;
    },
  );
};
const close = (actual: readonly number[], expected: readonly number[], tolerance: number) => {
  assert.is(actual.length, expected.length);
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) <= tolerance, `${actual} is not ${expected}`);
  });
};
const bottom = [0, 0, 0, 1];

test('the sform counts first, then the qform, then the voxel size, in both versions and byte orders', () => {
  const rows = [-2, 0.5, 0, 10, 0, 3, 0, -20, 0, 0, 4, 30];
  for (const version of [1, 2] as const) {
    for (const littleEndian of [true, false]) {
      const parts = {
        version,
        littleEndian,
        pixdim: [-1, 2, 3, 4],
        sform: { code: 2, rows },
        // A half-turn about z: x and y reversed; qfac -1 reverses z.
        qform: { code: 1, quatern: [0, 0, 1], offset: [1, 2, 3] },
      };
      const both = parse(parts);
      assert.equal(both.affine, [...rows, ...bottom]);
      assert.equal([both.fields!.sformCode, both.fields!.qformCode], [2, 1]);
      assert.equal([both.version, both.littleEndian], [version, littleEndian]);
      const qform = parse({ ...parts, sform: { code: 0, rows } });
      close(qform.affine, [-2, 0, 0, 1, 0, -3, 0, 2, 0, 0, -4, 3, ...bottom], 1e-12);
      const neither = parse({ ...parts, sform: { code: 0, rows }, qform: { ...parts.qform, code: 0 } });
      assert.equal(neither.affine, [-2, 0, 0, 2, 0, 3, 0, -1.5, 0, 0, 4, -2, ...bottom]);
    }
  }
});

test('the qform turns by its quaternion', () => {
  // 90 degrees about x: y goes to z, z to -y.
  const half = Math.SQRT1_2;
  const { affine } = parse({
    pixdim: [1, 1, 2, 3],
    qform: { code: 1, quatern: [half, 0, 0], offset: [5, 6, 7] },
  });
  close(affine, [1, 0, 0, 5, 0, 0, -3, 6, 0, 2, 0, 7, ...bottom], 1e-6);
});

test('form codes that the standard does not know count as 0, as in nibabel', () => {
  const rows = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0];
  for (const code of [-1, 6, 300]) {
    const { affine, fields } = parse({ sform: { code, rows }, dims: [3, 3, 3] });
    assert.equal(affine, [-1, 0, 0, 1, 0, 1, 0, -1, 0, 0, 1, -1, ...bottom]);
    assert.is(fields!.sformCode, 0);
  }
});

test('voxel sizes count without their sign, 0 as 1, and qfac as 1 unless it is -1', () => {
  const qform = { code: 1, quatern: [0, 0, 0], offset: [0, 0, 0] };
  for (const qfac of [1, 0, 3, Number.NaN]) {
    const { affine } = parse({ pixdim: [qfac, -2, 0, 4], qform });
    assert.equal(affine, [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, ...bottom]);
  }
});

test('a quaternion may be longer than 1 by rounding, and no more', () => {
  const at = (d: number) => ({ qform: { code: 1, quatern: [0, 0, d], offset: [0, 0, 0] } });
  close(parse(at(1.0000001)).affine, [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, ...bottom], 1e-6);
  refuses(at(1.001), 'has a qform that is not a rotation', '(0, 0, 1.00', 'at most 1 was expected');
  refuses({ version: 2, ...at(1.0000001) }, 'has a qform that is not a rotation');
  refuses(at(Number.NaN), 'has a qform that is not a rotation', 'NaN');
});

test('an affine without an inverse or with numbers that are not finite is refused', () => {
  const flat = { code: 1, rows: [1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0] };
  refuses(
    { sform: flat },
    'is singular: its sform gives [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]',
    'Correct its header',
  );
  const infinite = { code: 1, rows: [1, 0, 0, Number.POSITIVE_INFINITY, 0, 1, 0, 0, 0, 0, 1, 0] };
  refuses({ sform: infinite }, 'is not finite: its sform gives [[1, 0, 0, Infinity]');
  refuses({ pixdim: [1, 1, Number.NaN, 1] }, 'is not finite: its voxel size (pixdim) gives');
  refuses({ sform: { code: 1, rows: [] } }, 'is singular');
});

test('sizes that no 3D volume has are refused', () => {
  refuses({ dims: [3, 2] }, 'is 2D (3 x 2), but a 3D image was expected');
  refuses({ dims: [3] }, 'is 1D (3)');
  refuses(
    { dims: [3, -2, 2], values: [] },
    'it says 3 x -2 x 2 voxels and 1 channel(s), which is impossible',
  );
  refuses({ dims: [3, 2, 0], values: [] }, 'it says 3 x 2 x 0 voxels');
  refuses({ dims: [3, 2, 2, 2, 3] }, 'is 5D (3 x 2 x 2 x 2 x 3)', '4D one with channels last');
  refuses({ dims: [1, 1, 1, 1, 1, 1, 1, 1] }, 'it says 8 dimensions (dim[0]), but 3 or 4 were expected');
  const size = 2 ** 20;
  refuses({ version: 2, dims: [size, size, size], values: [] }, '1048576 x 1048576 x 1048576');
  assert.equal(parse({ version: 2, dims: [40000, 1, 1] }).size, [40000, 1, 1]);
  assert.equal(parse({ dims: [2, 2, 1] }).size, [2, 2, 1]);
});

test('voxel types that are no numbers are refused by name', () => {
  const names: [number, string][] = [
    [128, 'RGB24'],
    [2304, 'RGBA32'],
    [32, 'complex64'],
    [1792, 'complex128'],
    [1536, 'float128'],
    [1, 'bits'],
    [0, 'unknown'],
  ];
  for (const [datatype, name] of names) {
    refuses(
      { datatype },
      `holds voxels of datatype ${datatype} (${name}), but whole or real numbers were expected`,
    );
  }
  refuses({ datatype: 77 }, 'holds voxels of datatype 77, but');
});

test('an offset inside the header is refused', () => {
  for (const voxOffset of [0, 348, 351, -16, 352.5, Number.NaN]) {
    refuses(
      { voxOffset },
      `its voxels begin at byte ${voxOffset} (vox_offset), but 352 or more was expected`,
    );
  }
  refuses({ version: 2, voxOffset: 352 }, 'but 544 or more was expected');
});

/** Directions of a rotation by `angle` about the axis (1, 2, 3), for voxels of the given size in mm. */
function rotated(angle: number, spacing: readonly number[], offset: readonly number[]): number[] {
  const [x, y, z] = [1, 2, 3].map((n) => n / Math.sqrt(14));
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const t = 1 - c;
  const rotation = [
    [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
    [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
    [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
  ];
  return [
    ...rotation.flatMap((row, i) => [...row.map((value, k) => value * spacing[k]), offset[i]]),
    ...bottom,
  ];
}

const fieldsOf = (qformCode: number, sformCode: number) => ({
  qformCode,
  sformCode,
  xyztUnits: 10,
  descrip: 'Müller 5.0',
  auxFile: 'none',
  toffset: 1.5,
});
/** Without the affines, which other tests look at. */
const kept = ({ forms: _, pixdim: __, ...rest }: NiftiFields = fieldsOf(0, 0)) => rest;
const again = (affine: readonly number[], codes: [number, number], size = [3, 4, 5] as const) =>
  parseNiftiHeader(
    makeNiftiHeader({ size, channels: 1, type: 'uint8', affine, fields: fieldsOf(...codes) }),
    'again.nii',
  );

test('a header that is made gives back affine, codes and fields', () => {
  for (const angle of [0, 0.3, 2, -2.5]) {
    for (const spacing of [
      [0.7, 0.8, 5],
      [0.7, 0.8, -5],
    ]) {
      const affine = rotated(angle, spacing, [-100.25, 33.3, 1200.1]);
      for (const codes of [
        [1, 0],
        [0, 2],
        [1, 2],
      ] as [number, number][]) {
        const header = again(affine, codes);
        close(header.affine, affine, 1e-4);
        close(header.affine.slice(0, 3), affine.slice(0, 3), 2e-6);
        assert.equal(kept(header.fields), fieldsOf(...codes));
        assert.equal(
          [header.version, header.size, header.channels, header.stored],
          [1, [3, 4, 5], 1, 'uint8'],
        );
      }
    }
  }
});

test('what comes from a qform goes back into it to the last bit', () => {
  for (const angle of [0.1, 1, 3, Math.PI - 1e-4, Math.PI]) {
    const axis = [1, 2, 3].map((n) => (Math.sin(angle / 2) * n) / Math.sqrt(14));
    const qform = { code: 1, quatern: axis, offset: [1.1, 2.2, 3.3] };
    const first = parse({ pixdim: [1, 0.7, 0.7, 3], qform });
    const second = again(first.affine, [1, 0]);
    assert.equal(second.fields!.sformCode, 0);
    close(second.affine, first.affine, 1e-6);
  }
});

test('a turn that a quaternion in float32 says imprecisely gets an sform as well', () => {
  const affine = rotated(3.1414, [1, 1, 2], [0, 0, 0]);
  const header = again(affine, [1, 0]);
  assert.equal([header.fields!.qformCode, header.fields!.sformCode], [1, 1]);
  close(header.affine, affine, 1e-6);
});

test('a sheared affine is written as sform alone, whatever the codes were', () => {
  const sheared = [2, 0.4, 0, 1, 0, 3, 0, 2, 0, 0, 4, 3, ...bottom];
  for (const [codes, written] of [
    [
      [1, 0],
      [0, 1],
    ],
    [
      [1, 2],
      [0, 2],
    ],
    [
      [0, 0],
      [0, 1],
    ],
  ] as [[number, number], [number, number]][]) {
    const header = again(sheared, codes);
    close(header.affine, sheared, 1e-6);
    assert.equal([header.fields!.qformCode, header.fields!.sformCode], written);
  }
});

test('codes of 0 stay only while the voxel size alone gives the affine', () => {
  const size = [3, 4, 5] as const;
  const base = [-2, 0, 0, 2, 0, 2, 0, -3, 0, 0, 2, -4, ...bottom];
  assert.equal(kept(again(base, [0, 0], size).fields), fieldsOf(0, 0));
  const moved = again([...base.slice(0, 11), 7, ...bottom], [0, 0], size);
  assert.is(moved.fields!.sformCode, 1);
  assert.is(moved.affine[11], 7);
});

test('a volume that came from no NIfTI file gets both forms, in mm', () => {
  const affine = rotated(0.2, [1, 1, 2], [0, 0, 0]);
  const header = parseNiftiHeader(
    makeNiftiHeader({ size: [3, 4, 5], channels: 2, type: 'float32', affine }),
    'a.nii',
  );
  assert.equal([header.fields!.qformCode, header.fields!.sformCode, header.fields!.xyztUnits], [1, 1, 2]);
  assert.equal([header.channels, header.stored], [2, 'float32']);
  close(header.affine, affine, 1e-6);
});

test('a size beyond 32767 makes it NIfTI-2, with the affine in double precision', () => {
  const affine = rotated(1, [0.1, 0.2, 0.3], [1e-9, 2, 3]);
  const source = { size: [40000, 1, 1] as const, channels: 1, type: 'int16' as const, affine };
  const header = parseNiftiHeader(makeNiftiHeader({ ...source, fields: fieldsOf(1, 1) }), 'a.nii');
  assert.is(header.version, 2);
  assert.equal(header.size, [40000, 1, 1]);
  assert.equal(header.affine, affine);
  assert.equal(kept(header.fields), fieldsOf(1, 1));
});

test('metres and micrometres become mm, and are written back as they were', () => {
  const rows = [-800, 0, 0, 90500, 0, 900, 0, -71250, 0, 0, 2500, -40000];
  const mm = [-0.8, 0, 0, 90.5, 0, 0.9, 0, -71.25, 0, 0, 2.5, -40, ...bottom];
  const qform = { code: 1, quatern: [0, 1, 0], offset: [90500, -71250, -40000] };
  for (const version of [1, 2] as const) {
    // 19: micrometres and milliseconds.
    for (const [units, name, scale] of [
      [3, 'micrometres', 1],
      [19, 'micrometres', 1],
      [1, 'metres', 1e-6],
    ] as const) {
      const scaled = (list: readonly number[]) => list.map((value) => value * scale);
      const form = { ...qform, offset: scaled(qform.offset) };
      const pixdim = [-1, ...scaled([800, 900, 2500])];
      const header = parse({ version, units, pixdim, sform: { code: 1, rows: scaled(rows) }, qform: form });
      close(header.affine, mm, 1e-5);
      assert.match(header.notes[0], new RegExp(`^ct\\.nii is in ${name} \\(xyzt_units ${units}\\)`));
      // The qform says the same but for z, which qfac -1 and the half-turn about y leave as it is.
      close(header.fields!.forms!.qform, mm, 1e-5);
      close(parse({ version, units, pixdim, qform: form }).affine, mm, 1e-5);
      const made = makeNiftiHeader({
        ...{ size: [3, 2, 2] as const, channels: 1, type: 'int16' as const },
        ...{ affine: header.affine, fields: header.fields },
      });
      const view = new DataView(made.buffer);
      close(
        Array.from({ length: 12 }, (_, i) => view.getFloat32(280 + 4 * i, true)),
        scaled(rows),
        1e-6 * 90500 * scale,
      );
      close(
        [1, 2, 3].map((i) => view.getFloat32(76 + 4 * i, true)),
        scaled([800, 900, 2500]),
        1e-3 * scale,
      );
      assert.is(view.getUint8(123), units);
    }
  }
  for (const units of [0, 2, 10]) assert.equal(parse({ units }).notes, []);
});

test('channels may be the components of vectors, which ITK stores in the fifth dimension', () => {
  const header = parse({ dims: [3, 2, 2, 1, 3] });
  assert.equal([header.size, header.channels], [[3, 2, 2], 3]);
});

// The qform of pixdim (-1; 0.8, 0.9, 2.5), quaternion (0, 0, sin 0.1) and this offset, by nibabel 4.0.
const tilted = { code: 1, quatern: [0, 0, Math.sin(0.1)], offset: [90.5, -71.25, -40] };
const tiltedAffine = [
  ...[0.7840532748151134, -0.17880238821265212, 0, 90.5],
  ...[0.15893546276769888, 0.8820598976566775, 0, -71.25],
  ...[0, 0, -2.5, -40],
  ...bottom,
];
const tiltedSizes = [-1, 0.8, 0.9, 2.5];

test('an sform of zeros gives way to a qform, with a note', () => {
  const zeros = { code: 2, rows: Array<number>(12).fill(0) };
  const header = parse({ pixdim: tiltedSizes, qform: tilted, sform: zeros });
  close(header.affine, tiltedAffine, 1e-6);
  assert.match(header.notes[0], /has an sform of zeros \(sform_code 2\); its qform was used instead/);
  assert.is(header.fields!.sformCode, 0);
  refuses({ sform: zeros }, 'is singular: its sform gives');
});

test('a qform that differs from the sform is kept, and moves with the grid', () => {
  // Slightly sheared, as ITK refuses it; ITK then goes by the qform.
  const rows = [-0.8, 0, 0.012, 90.5, 0.004, 0.9, 0, -71.25, 0, 0, 2.5, -40];
  const source = parse({ pixdim: tiltedSizes, qform: tilted, sform: { code: 2, rows } });
  assert.match(source.notes[0], /has a qform and an sform that differ; the sform was used, as in nibabel/);
  const write = (affine: readonly number[]) => {
    const made = { size: [3, 2, 2] as const, channels: 1, type: 'int16' as const, affine };
    return parseNiftiHeader(makeNiftiHeader({ ...made, fields: source.fields }), 'out.nii');
  };
  const same = write(source.affine);
  assert.equal([same.fields!.qformCode, same.fields!.sformCode], [1, 2]);
  close(same.affine, [...rows, ...bottom], 1e-6);
  close(same.fields!.forms!.qform, tiltedAffine, 1e-6);
  // x reversed and cropped by 5 voxels from its end: index i becomes 9 - i.
  const flip = [-1, 0, 0, 9, 0, 1, 0, 0, 0, 0, 1, 0, ...bottom];
  const flipped = write(multiply(source.affine, flip));
  close(flipped.affine, multiply([...rows, ...bottom], flip), 1e-5);
  close(flipped.fields!.forms!.qform, multiply(tiltedAffine, flip), 1e-5);
  // Directions of the world: the sform alone expresses the grid, since the moved qform would be sheared.
  const straight = write([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, ...bottom]);
  close(straight.affine, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, ...bottom], 1e-6);
  close(straight.fields!.forms!.qform, straight.affine, 1e-6);
});

test.run();
