// Times how a DICOM series of native pixels is read: finding it below a folder (source `dicom`), and reading
// its voxels. Each round is a separate process. The files were written just before, so they are in the disk
// cache. Prints processor time (user and system, all threads), wall time, and the peak memory beside the
// volume.
//
//   node bench/dicom.mjs [--slices 300] [--size 512] [--rounds 5]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, median, table } from './processes.mjs';

const { values: args } = parseArgs({
  options: {
    slices: { type: 'string', default: '300' },
    size: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '5' },
    child: { type: 'string' },
  },
});

if (args.child) await readOnce(args.child);
else await main();

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
  try {
    await writeSeries(folder, Number(args.slices), Number(args.size));
    const script = fileURLToPath(import.meta.url);
    const rounds = Array.from({ length: Number(args.rounds) }, () =>
      JSON.parse(execFileSync(process.execPath, [script, '--child', folder], { encoding: 'utf8' })),
    );
    console.log(`${machine()}; ${args.slices} slices of ${args.size} x ${args.size}, 16 bits`);
    const column = (key, digits) => median(rounds.map((round) => round[key])).toFixed(digits);
    console.log(
      table([
        ['', 'processor time', 'wall time'],
        ['find the series', `${column('findCpu', 2)} s`, `${column('find', 2)} s`],
        ['read the voxels', `${column('readCpu', 2)} s`, `${column('read', 2)} s`],
        ['whole process', `${column('processCpu', 2)} s`, `${column('process', 2)} s`],
      ]),
    );
    console.log(`Volume ${column('volume', 0)} MiB, peak memory beside it ${column('beside', 0)} MiB`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Finds and reads the series of a folder, and prints times in s and sizes in MiB. */
async function readOnce(folder) {
  const { dicom } = await import('../dist/sources/dicom.js');
  const { readVolume } = await import('../dist/formats/index.js');
  const clock = () => ({ cpu: cpuSeconds(), wall: performance.now() / 1000 });
  const start = clock();
  const found = [];
  for await (const one of dicom({ root: folder })) found.push(one);
  const middle = clock();
  const { data } = await readVolume(found[0].files.image, { kind: 'image' });
  const end = clock();
  const volume = data.byteLength / 2 ** 20;
  console.log(
    JSON.stringify({
      findCpu: middle.cpu - start.cpu,
      find: middle.wall - start.wall,
      readCpu: end.cpu - middle.cpu,
      read: end.wall - middle.wall,
      processCpu: end.cpu,
      process: end.wall,
      volume,
      beside: process.resourceUsage().maxRSS / 1024 - volume,
    }),
  );
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function writeSeries(folder, slices, size) {
  const { default: dcmjs } = await import('dcmjs');
  dcmjs.log.setLevel('error');
  for (let z = 0; z < slices; z++) {
    const pixels = Uint16Array.from({ length: size * size }, (_, i) => (i * 7 + z * 13) & 0xfff);
    const object = {
      _vrMap: { PixelData: 'OW' },
      _meta: {},
      ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
      SOPInstanceUID: `1.2.3.4.${z + 1}`,
      StudyInstanceUID: '1.2.3',
      SeriesInstanceUID: '1.2.3.4',
      SeriesNumber: '1',
      Modality: 'CT',
      ImagePositionPatient: ['0', '0', String(1.5 * z)],
      ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'],
      PixelSpacing: ['0.8', '0.8'],
      SliceThickness: '1.5',
      SamplesPerPixel: 1,
      PhotometricInterpretation: 'MONOCHROME2',
      Rows: size,
      Columns: size,
      BitsAllocated: 16,
      BitsStored: 16,
      HighBit: 15,
      PixelRepresentation: 0,
      RescaleIntercept: '-1024',
      RescaleSlope: '1',
      PixelData: [pixels.buffer],
    };
    writeFileSync(join(folder, `${z}.dcm`), dcmjs.data.datasetToBuffer(object));
  }
}
