import { join } from 'node:path';
import { writeSeg } from '#src/formats/dicom/writeSeg.js';
import { seriesCase } from './seriesCase.js';

// A process of the test of UIDs. It writes `count` segmentations with different voxels. Other processes write
// the same ones for other cases.
const [folder, name, count] = process.argv.slice(2);
const subject = await seriesCase(() => 0);
const { image: series } = subject.files;
for (let i = 0; i < Number(count); i++) {
  const data = subject.volumes.pred.data.map((_, at) => (i >> at) & 1);
  await writeSeg({
    file: join(folder, `${name}_${i}.dcm`),
    id: name,
    key: 'pred',
    series: series as { series: string[] },
    volume: { ...subject.volumes.pred, data },
    seriesDescription: 'test',
    algorithm: 'test',
    codes: {},
    emptySegments: 'keep',
  });
}
