import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDicom, sliceSet } from '../formats/dicom/buildDicom.js';

/** Writes 20 slices of 40 x 36 pixels, in HU: a block that the model takes for a spleen, in air. */
export function putSpleenSeries(folder: string): void {
  for (let z = 0; z < 20; z++) {
    const pixels = Buffer.alloc(2 * 40 * 36);
    for (let i = 0; i < 40 * 36; i++) {
      const [x, y] = [i % 40, Math.floor(i / 40)];
      const inside = x > 10 && x < 30 && y > 8 && y < 24 && z > 4 && z < 15;
      pixels.writeInt16LE(inside ? 1138 : 0, 2 * i);
    }
    const set = sliceSet(0, {
      '00080018 UI': `1.2.3.4.${z + 1}`,
      '00200032 DS': [10, 20, 30 + 2.5 * z],
      '00280010 US': 36,
      '00280011 US': 40,
      '00280030 DS': [1.5, 1.5],
      '00281052 DS': -1024,
      '7fe00010 OW': pixels,
    });
    writeFileSync(join(folder, `I${z}`), buildDicom(set));
  }
}
