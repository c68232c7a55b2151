import { readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { shownPlace } from '../address.js';
import type { Case } from '../case.js';
import { volumeOf } from '../case.js';
import { DataError } from '../errors.js';
import { writeFileAside } from '../formats/files.js';
import { absoluteFile, mapPaths } from '../formats/inputFiles.js';
import { foresee } from '../operators/forecast.js';
import { storedVolume } from '../operators/storedVolume.js';
import type { OptionValues } from '../options.js';
import { intensity } from '../optionTypes.js';
import { type DrawRequest, defaultSlices, drawCase, pictureFiles } from '../report/draw.js';
import { LaneRecorder } from '../report/lanes.js';
import { caseFolder, casesFolder, lanesFile } from '../report/read.js';
import { notesFile } from '../report/userNotes.js';
import { task } from '../runtime/task.js';
import { originOfCopy } from '../storage/cache.js';
import { sameGrid } from '../volume/affine.js';
import type { Volume } from '../volume/volume.js';
import { type Sink, type SinkContext, sink } from './define.js';

export const drawCaseTask = task(new URL('../report/draw.js', import.meta.url), drawCase);

const options = {
  dir: z.string().min(1).default('report').describe("The report's folder, relative to the run's"),
  image: z.string().min(1).default('image').describe('The image to show, read again from its file'),
  pred: z.string().min(1).default('pred').describe('The label map to show'),
  label: z.string().min(1).default('label').describe('The label map to compare with, in cases that have it'),
  window: z
    .tuple([intensity, intensity])
    .optional()
    .describe(
      'Values shown as black and white. Default: -160 and 240 (HU) for CT, else the 1st and 99th percentile',
    ),
  slices: z
    .number()
    .int()
    .min(0)
    .max(500)
    .default(defaultSlices)
    .describe(
      'The most axial slices of a case to page through; 0 for none. Those of a CT take about 50 kB each',
    ),
};

type Options = OptionValues<typeof options>;

export const reportSink = sink({
  name: 'report',
  summary: 'Writes a report for the browser: index.html, with pictures of each case.',
  options,
  check: ({ window }) =>
    window && window[0] >= window[1]
      ? ['window must be two values, the lower one first, e.g. [-160, 240]']
      : [],
  example: { dir: 'report' },
  // The image is read again from its file.
  forecast:
    ({ image }) =>
    (subject) =>
      foresee(subject, {}, subject.files[image]?.bytesToRead ?? 0),
  targets: ({ dir }, output) => ({
    ofRun: [join(output, dir, 'index.html'), join(output, dir, lanesFile)],
    ofCase: ({ id }) => [join(output, dir, casesFolder, caseFolder(id))],
  }),
  open: async (options, context) => openReport(options, context),
});

/** Cases are drawn as they come, in worker threads. The page is written at the end, from the run's folder. */
function openReport(options: Options, { output, runtime, secrets }: SinkContext): Sink {
  const { dir, image, pred, label, window, slices } = options;
  const folder = resolve(output, dir);
  const folderOf = ({ id }: Pick<Case, 'id'>) => join(folder, casesFolder, caseFolder(id));
  const recorder = new LaneRecorder(runtime.lanes);
  const labelMap = (subject: Case, key: string): Volume | undefined => {
    if (!(key in subject.volumes)) return undefined;
    const volume = volumeOf(subject, key);
    if (volume.kind === 'label') return volume;
    throw new DataError(
      `report draws label maps, but ${key} of case ${subject.id} is ${volume.kind === 'image' ? 'an image' : volume.kind}. ` +
        `Add asDiscrete to the steps, or name another volume (option ${key === pred ? 'pred' : 'label'}).`,
    );
  };
  return {
    async write(subject) {
      const prediction = labelMap(subject, pred);
      let reference = labelMap(subject, label);
      if (prediction && reference && !sameGrid(prediction, reference)) {
        reference = await storedVolume(subject, label, reference, runtime);
      }
      const file = subject.files[image] && absoluteFile(subject.files[image]);
      const request: DrawRequest = {
        case: subject.id,
        folder: folderOf(subject),
        image: file ?? subject.volumes[image],
        ...(file && { imageName: mapPaths(file, (path) => shownPlace(originOfCopy(path)?.address ?? path)) }),
        masks: { ...(prediction && { prediction }), ...(reference && { reference }) },
        labelNames: reference?.labelNames ?? subject.labelNames ?? prediction?.labelNames,
        ...(window && { window }),
        slices,
        notes: subject.notes,
        ...(secrets && { secrets }),
      };
      await runtime.run(drawCaseTask, request);
    },
    files(subject) {
      const masks = [
        ...(pred in subject.volumes ? (['prediction'] as const) : []),
        ...(label in subject.volumes ? (['reference'] as const) : []),
      ];
      const grey = image in subject.files || image in subject.volumes;
      return pictureFiles({ grey, masks, slices: slices > 0 }).map((file) => join(folderOf(subject), file));
    },
    reads: [join(folder, notesFile)],
    kept: (subject) => [join(folderOf(subject), 'case.json')],
    async close() {
      const file = join(folder, lanesFile);
      const samples = recorder.stop();
      // Nothing was busy where other processes ran the cases.
      if (
        Object.values(samples.busy)
          .flat()
          .some((share) => share > 0)
      ) {
        await writeFileAside(file, `${JSON.stringify(samples)}\n`);
      } else await rm(file, { force: true });
    },
    async finish(done) {
      await removeOthers(join(folder, casesFolder), new Set(done.map(({ id }) => caseFolder(id))));
      // Most runs have no report, and its charts take a while to load.
      const { writeReport } = await import('../report/write.js');
      await writeReport(output, folder, done);
    },
  };
}

/** Removes the pictures of cases of earlier runs, and of cases that failed after they were drawn. */
async function removeOthers(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const ours = await stat(join(folder, name, 'case.json')).catch(() => undefined);
    if (ours && !kept.has(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
