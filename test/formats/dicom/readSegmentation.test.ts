import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSegmentationNode } from '@itk-wasm/dicom';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Case, SeriesFiles } from '#src/case.js';
import { VoxError } from '#src/errors.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { dicomSegSink } from '#src/sinks/dicomSeg.js';
import { temporaryFolder } from '../../e2e/harness.js';
import { seriesCase } from '../../sinks/seriesCase.js';
import { buildDicom, type DataSet, sliceSet, syntaxes } from './buildDicom.js';
import { mutate, randomFrom } from './mutate.js';

const runtime = createRuntime({ workers: 1 });
test.after(() => runtime.close());

/** Writes a case's result as a SEG. */
async function write(subject: Case): Promise<string> {
  const { built } = dicomSegSink.configure({});
  const sink = await built!.open({ output: temporaryFolder(), runtime, seed: 0 });
  await sink.write(subject);
  return sink.files!(subject)[0];
}

const read = (series: SeriesFiles, segmentation: string) =>
  readVolume({ ...series, segmentation }, { kind: 'label' });

/** Labels that are not their segments' numbers, and touch the first and the last slice. */
const labels = (x: number, y: number, z: number) => (x === z ? 3 : y === 2 && x < 2 ? 1 : 0);

test('what dicomSeg wrote is read back: labels, names and grid, also of tilted and oblique series', async () => {
  for (const changes of [
    () => ({}),
    (z: number) => ({ '00200032 DS': [10, 20 + 0.7 * z, 30 + 2.5 * z] }),
    (z: number) => ({ '00200037 DS': [0.8, 0.6, 0, -0.6, 0.8, 0], '00200032 DS': [10, 20, 30 - 2.5 * z] }),
  ]) {
    const subject = await seriesCase(labels, changes);
    const series = subject.files.image as SeriesFiles;
    const file = await write(subject);
    const { data, size, affine, kind, labelNames, origin } = await read(series, file);
    const { pred } = subject.volumes;
    assert.equal([...data], [...pred.data]);
    assert.equal([size, affine, kind, origin], [pred.size, pred.affine, 'label', { file }]);
    assert.equal(labelNames, { 1: 'spleen', 3: 'kidney_left', 4: 'liver' });
    const grid = await readGrid({ ...series, segmentation: file });
    assert.equal([grid.size, grid.bytesPerVoxel], [pred.size, 1]);
  }
});

test('it is the label map that itk-wasm reads', async () => {
  const subject = await seriesCase((x, y, z) => (x + y > z ? 1 : 0), undefined, { 1: 'spleen' });
  const file = await write(subject);
  const { segImage } = await readSegmentationNode(file);
  const { data } = await read(subject.files.image as SeriesFiles, file);
  assert.equal([...data], [...(segImage.data as unknown as Uint8Array)]);
});

test('planes of a resampled series are labelled, too', async () => {
  const subject = await seriesCase(labels);
  const { series } = subject.files.image as SeriesFiles;
  const holed: SeriesFiles = { series: series.filter((_, z) => z !== 1), missing: 'resample' };
  const file = await write({ ...subject, files: { image: holed } });
  assert.equal([...(await read(holed, file)).data], [...subject.volumes.pred.data]);
});

/** A SEG of another program with two segments, 1 and 7, each in one frame. */
function segSet(changes: DataSet = {}, frameChanges: readonly DataSet[] = [{}, {}]): DataSet {
  const frame = (segment: number, z: number, more: DataSet): DataSet => ({
    '00209113 SQ': [{ '00200032 DS': [10, 20, 30 + 2.5 * z] }],
    '0062000a SQ': [{ '0062000b US': segment }],
    ...more,
  });
  return {
    '00080016 UI': '1.2.840.10008.5.1.4.1.1.66.4',
    '00080018 UI': '1.2.9.1',
    '00080060 CS': 'SEG',
    '00080070 LO': 'Another',
    '0020000d UI': '1.2.3',
    '0020000e UI': '1.2.9',
    '00280008 IS': 2,
    '00280010 US': 3,
    '00280011 US': 4,
    '00280100 US': 1,
    '00620001 CS': 'BINARY',
    '00620002 SQ': [
      { '00620004 US': 1, '00620005 LO': 'Spleen', '00620006 ST': 'Label 5' },
      { '00620004 US': 7, '00620005 LO': 'Tumor', '00620006 ST': 'Label 6' },
    ],
    '52009229 SQ': [
      {
        '00209116 SQ': [{ '00200037 DS': [1, 0, 0, 0, 1, 0] }],
        '00289110 SQ': [{ '00280030 DS': [0.75, 0.5] }],
      },
    ],
    '52009230 SQ': [frame(1, 2, frameChanges[0]), frame(7, 2, frameChanges[1])],
    // Frame 1: pixels 0 and 11. Frame 2 begins within the second byte: pixels 1 and 2.
    '7fe00010 OB': Buffer.from([0b0000_0001, 0b0110_1000, 0, 0]),
    ...changes,
  };
}

async function readSeg(set: DataSet, syntax?: string) {
  const { files } = await seriesCase(() => 0);
  const file = join(temporaryFolder(), 'seg.dcm');
  writeFileSync(file, buildDicom(set, syntax));
  return read(files.image as SeriesFiles, file);
}

test('labels of other programs are the numbers of their segments; big and deflated files are read', async () => {
  for (const syntax of [syntaxes.explicit, syntaxes.implicit, syntaxes.deflated]) {
    const { data, labelNames } = await readSeg(segSet(), syntax);
    const found = [...data.entries()].filter(([, label]) => label > 0);
    assert.equal(found, [
      [24, 1],
      [25, 7],
      [26, 7],
      [35, 1],
    ]);
    assert.equal(labelNames, { 1: 'Spleen', 7: 'Tumor' });
  }
});

test('what cannot be placed or held is refused with what to do', async () => {
  const message = (set: DataSet, syntax?: string) =>
    readSeg(set, syntax).then(
      () => 'nothing was refused',
      (error: Error) => error.message,
    );
  const at = (position: readonly number[]) => ({ '00209113 SQ': [{ '00200032 DS': position }] });
  for (const [set, expected] of [
    [
      segSet({}, [at([10, 20, 33.6]), {}]),
      /^frame 1 of .*seg\.dcm lies at 10\\20\\33\.6, which is not the place of one of the slices of .*a series of 4 files/,
    ],
    [segSet({}, [at([10.1, 20, 35]), {}]), /which is not the place of one of the slices/],
    [segSet({}, [{}, { '00209113 SQ': undefined }]), /^frame 2 of .* has no usable position/],
    [
      segSet({}, [{ '00209116 SQ': [{ '00200037 DS': [0, 1, 0, 1, 0, 0] }] }, {}]),
      /has another orientation or pixel spacing/,
    ],
    [
      segSet({}, [{ '0062000a SQ': [{ '0062000b US': 3 }] }, {}]),
      /is of segment 3, which the file does not describe/,
    ],
    [
      segSet({ '7fe00010 OB': Buffer.from([0b10, 0b10_0000, 0, 0]) }),
      /has segments that overlap, "Spleen" and "Tumor"/,
    ],
    [
      segSet({ '00620001 CS': 'FRACTIONAL', '00280100 US': 8 }),
      /of type FRACTIONAL with 8 bits per pixel, but a binary one was expected/,
    ],
    [segSet({ '00280010 US': 4 }), /has frames of 4 x 4 pixels, but the series has 3 x 4/],
    [segSet({ '00280008 IS': 3 }), /says that it has 3 frames, but describes 2/],
    [segSet({ '7fe00010 OB': Buffer.alloc(2) }), /is cut off: 2 frames of 3 x 4 pixels take 3 B/],
    [
      segSet({ '00620002 SQ': [{ '00620004 US': 1 }, { '00620004 US': 1 }] }),
      /2 segments with the numbers \[1, 1\]/,
    ],
    [sliceSet(0), /is not a segmentation \(SEG\)/],
    [segSet(), /is compressed as RLE Lossless/, syntaxes.rle],
  ] as const) {
    const syntax = expected.source.includes('RLE') ? syntaxes.rle : undefined;
    assert.match(await message(set, syntax), expected);
  }
  assert.match(await message(segSet({ '7fe00010 OB': Buffer.from([1, 0]) })), /is cut off/);
});

test('1,000 damaged files end in a sentence, or in a label map on the grid of the series', async () => {
  const random = randomFrom(7);
  const subject = await seriesCase(labels);
  const { series } = subject.files.image as SeriesFiles;
  const { size, affine } = subject.volumes.pred;
  const written = [
    readFileSync(await write(subject)),
    buildDicom(segSet()),
    buildDicom(segSet(), syntaxes.deflated),
  ];
  const file = join(temporaryFolder(), 'seg.dcm');
  let count = 0;
  for (let i = 0; i < 1000; i++) {
    writeFileSync(file, mutate(written[i % written.length], random));
    try {
      const volume = await readVolume({ series, segmentation: file }, { kind: 'label', maxBytes: 1 << 20 });
      assert.equal([volume.size, volume.affine], [size, affine]);
      count++;
    } catch (error) {
      if (!(error instanceof VoxError)) throw error;
      assert.match(error.message, /^\S.*\.$/s);
    }
  }
  assert.ok(count > 50 && count < 950, `${count} were read`);
});

test('a file that ends early is refused', async () => {
  const subject = await seriesCase(labels);
  const file = await write(subject);
  const whole = readFileSync(file);
  for (const length of [whole.length - 4, whole.length >> 1, 300, 0]) {
    writeFileSync(file, whole.subarray(0, length));
    const message = await read(subject.files.image as SeriesFiles, file).catch(
      (error: Error) => error.message,
    );
    assert.match(String(message), /seg|dcm/, `${length}`);
    assert.type(message, 'string');
  }
});

test.run();
