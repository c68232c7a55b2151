import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';
import { readSeries } from '#src/formats/dicom/readSeries.js';
import { temporaryFolder } from '../../e2e/harness.js';
import {
  buildDicom,
  type DataSet,
  fragmentsOf,
  pixelsOf,
  rleFrame,
  sliceSet,
  syntaxes,
} from './buildDicom.js';
import { mutate, randomFrom } from './mutate.js';

const count = 2000;

/** Three sound slices and one that may be damaged, in the same transfer syntax. */
function series(syntax: string): Buffer[] {
  const big = syntax === syntaxes.bigEndian;
  const rle = syntax === syntaxes.rle;
  return [0, 1, 2, 3].map((z) => {
    const pixels: DataSet = { '7fe00010 OW': rle ? undefined : pixelsOf(z, big) };
    return buildDicom(sliceSet(z, pixels), syntax, rle ? fragmentsOf(rleFrame(pixelsOf(z))) : undefined);
  });
}

test(`${count} damaged files end in a sentence, or in a volume whose slices lie where they did`, async () => {
  const random = randomFrom(13);
  const folder = temporaryFolder();
  const paths = [0, 1, 2, 3].map((i) => join(folder, `I${i}`));
  const all = Object.values(syntaxes);
  let read = 0;
  let current = '';
  for (let i = 0; i < count; i++) {
    const syntax = all[Math.floor((i * all.length) / count)];
    const files = series(syntax);
    if (syntax !== current) for (const [k, file] of files.entries()) writeFileSync(paths[k], file);
    current = syntax;
    const z = Math.floor(random() * files.length);
    writeFileSync(paths[z], mutate(files[z], random));
    try {
      const { size, affine } = await readSeries({ series: paths }, { kind: 'image', maxBytes: 1 << 20 });
      assert.equal(
        [...size, ...affine],
        [4, 3, 4, -0.5, 0, 0, -10, 0, -0.75, 0, -20, 0, 0, 2.5, 30, 0, 0, 0, 1],
        `file ${i}`,
      );
      read++;
    } catch (error) {
      if (!(error instanceof VoxError)) throw error;
      assert.match(error.message, /^\S.*\.$/s);
    }
    writeFileSync(paths[z], files[z]);
  }
  // Many changes are of values that do not matter.
  assert.ok(read > count / 20 && read < count / 2, `${read} of ${count} were read`);
});

test.run();
