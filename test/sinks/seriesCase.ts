import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, makeCase } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import { allocate, type Volume } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';
import { buildDicom, type DataSet, sliceSet } from '../formats/dicom/buildDicom.js';

/** A case with a DICOM series and a label map on its grid. */
export async function seriesCase(
  labelAt: (x: number, y: number, z: number) => number,
  changes: (z: number) => DataSet = () => ({}),
  labelNames: Readonly<Record<number, string>> = { 1: 'spleen', 3: 'kidney_left', 4: 'liver' },
  count = 4,
): Promise<Case> {
  const folder = temporaryFolder();
  const series = Array.from({ length: count }, (_, z) => {
    const file = join(folder, `I${z}`);
    writeFileSync(file, buildDicom(sliceSet(z, changes(z))));
    return file;
  });
  const image = await readVolume({ series }, { kind: 'image' });
  const [nx, ny, nz] = image.size;
  const data = allocate('uint8', nx * ny * nz);
  for (let i = 0; i < data.length; i++)
    data[i] = labelAt(i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny)));
  const pred: Volume = { ...image, data, kind: 'label', labelNames };
  return makeCase({ id: 'a', files: { image: { series } }, volumes: { image, pred } });
}
