import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { readVolumeTask } from '#src/operators/load.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { temporaryFolder } from '../../e2e/harness.js';
import {
  buildDicom,
  columns,
  type DataSet,
  fragmentsOf,
  pixelsOf,
  rows,
  sliceSet,
  storedAt,
} from './buildDicom.js';

/** The pixels of slice 1 of the test series, compressed by DCMTK 3.6.7. */
const frames = {
  jpegLs: {
    syntax: '1.2.840.10008.1.2.4.80',
    hex:
      'ffd8fff7000b100003000401011100fff8000d01ffff0012004301140040ffda00080101000000003e7c0180300c148050020142500c' +
      '060000ffffd9',
  },
  jpegLossless: {
    syntax: '1.2.840.10008.1.2.4.70',
    hex:
      'ffd8ffe000104a46494600010100000100010000ffc3000b100003000401011100ffc40016000101010000000000000000000000000001' +
      '040fffda0008010100010000c0f9d5a95a95ffffd9',
  },
};

interface Encoders {
  readonly HTJ2KEncoder: new () => {
    getDecodedBuffer(info: object): Uint8Array;
    encode(): void;
    getEncodedBuffer(): Uint8Array;
  };
}

async function htj2k(): Promise<{ syntax: string; frame: Buffer }> {
  const encoderModule: string = '@cornerstonejs/codec-openjph';
  const { default: load } = (await import(encoderModule)) as { default: () => Promise<Encoders> };
  const { HTJ2KEncoder } = await load();
  const encoder = new HTJ2KEncoder();
  const info = {
    width: columns,
    height: rows,
    bitsPerSample: 16,
    componentCount: 1,
    isSigned: true,
    isUsingColorTransform: false,
  };
  encoder.getDecodedBuffer(info).set(pixelsOf(1));
  encoder.encode();
  return { syntax: '1.2.840.10008.1.2.4.201', frame: Buffer.from(encoder.getEncodedBuffer()) };
}

function put(frame: Buffer, syntax: string, changes: DataSet = {}): { series: string[] } {
  const file = join(temporaryFolder(), 'I1');
  const set = sliceSet(1, { '7fe00010 OW': undefined, ...changes });
  writeFileSync(file, buildDicom(set, syntax, fragmentsOf(frame)));
  return { series: [file] };
}

const expected = Array.from(
  { length: rows * columns },
  (_, i) => storedAt(i % columns, Math.floor(i / columns), 1) - 24,
);
const refusal = (files: { series: string[] }) =>
  readVolume(files, { kind: 'image' }).then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

test('compressed frames are decoded exactly', async () => {
  for (const { syntax, hex } of Object.values(frames)) {
    const { data } = await readVolume(put(Buffer.from(hex, 'hex'), syntax), { kind: 'image' });
    assert.equal([...data], expected, syntax);
  }
  const { syntax, frame } = await htj2k();
  assert.equal([...(await readVolume(put(frame, syntax), { kind: 'image' })).data], expected);
});

test('compressed frames are decoded in worker threads', async () => {
  const runtime = createRuntime({ workers: 1 });
  const { syntax, hex } = frames.jpegLs;
  const { data } = await runtime.run(readVolumeTask, put(Buffer.from(hex, 'hex'), syntax), { kind: 'image' });
  assert.equal([...data], expected);
  await runtime.close();
});

test('frames that are cut off, damaged or of another size are refused by name', async () => {
  for (const { syntax, frame } of [
    ...Object.values(frames).map(({ syntax, hex }) => ({ syntax, frame: Buffer.from(hex, 'hex') })),
    await htj2k(),
  ]) {
    assert.match(
      await refusal(put(frame.subarray(0, -4), syntax)),
      /I1 is cut off: a compressed frame has no end marker/,
    );
    const damaged = Buffer.from(frame);
    damaged.fill(0, 0, 24);
    assert.match(
      await refusal(put(damaged, syntax)),
      'I1 is damaged: a compressed frame has no readable header',
    );
    const other = await refusal(put(frame, syntax, { '00280010 US': 4 }));
    assert.match(
      other,
      /I1 is damaged: a compressed frame has 3 x 4 pixels, but the file's header says 4 x 4/,
    );
  }
  // A wrong table of the entropy coder, in a frame with a sound start and end.
  const damaged = Buffer.from(frames.jpegLossless.hex, 'hex');
  damaged.fill(0xff, 40, 56);
  assert.match(
    await refusal(put(damaged, frames.jpegLossless.syntax)),
    /I1 is damaged: its pixels cannot be decoded as JPEG Lossless SV1 \(.*[a-z].*\)/,
  );
});

test.run();
