import { readCaseFile, writeCaseFile } from '../formats/caseFile.js';
import { readVolume } from '../formats/index.js';
import { writeNifti } from '../formats/writeNifti.js';
import { argmax, sigmoid, softmax, threshold } from '../volume/classes.js';
import { cropOrPad, foregroundBox } from '../volume/crop.js';
import { fillHoles } from '../volume/fillHoles.js';
import { normalizeIntensity, scaleIntensityRange } from '../volume/intensity.js';
import { invertHistory } from '../volume/invert.js';
import { countComponents, keepLargestComponent, removeSmallObjects } from '../volume/islands.js';
import { foregroundExtent, labelSlices } from '../volume/labels.js';
import { mapLabels } from '../volume/mapLabels.js';
import { addNoise, gaussianSmooth, scaleAndShift } from '../volume/noise.js';
import { countOverlaps } from '../volume/overlap.js';
import { patchStarts } from '../volume/patches.js';
import { prepareSlices } from '../volume/prepare.js';
import { reorient } from '../volume/reorient.js';
import { resampleTo, respace } from '../volume/resample.js';
import { surfaceDistances } from '../volume/surface.js';
import { flip, rotate90 } from '../volume/turn.js';
import { warp } from '../volume/warp.js';

/** A task whose code is read when it is first asked for: seldom used and large, it would slow every thread's start. */
const seldom =
  <A extends unknown[], R>(find: () => Promise<(...args: A) => R>) =>
  async (...args: A) =>
    (await find())(...args);

/**
 * What worker threads can do, by name: the kernels of `volume/` and the file formats. Arguments and results cross
 * threads by structured clone, so they are plain data; voxel arrays on SharedArrayBuffers are shared, not copied.
 */
export const tasks = {
  addNoise,
  argmax,
  countComponents,
  countOverlaps,
  cropOrPad,
  drawCase: seldom(async () => (await import('../report/draw.js')).drawCase),
  fillHoles,
  flip,
  foregroundBox,
  foregroundExtent,
  gaussianSmooth,
  invertHistory,
  keepLargestComponent,
  mapLabels,
  labelSlices,
  normalizeIntensity,
  patchStarts,
  prepareSlices,
  readCaseFile,
  readVolume,
  removeSmallObjects,
  reorient,
  resampleTo,
  respace,
  rotate90,
  scaleAndShift,
  runnableModel: seldom(async () => (await import('./modelForm.js')).runnableModel),
  scaleIntensityRange,
  sigmoid,
  softmax,
  /** Does nothing: so many at once start so many threads. */
  start: () => {},
  surfaceDistances,
  threshold,
  warp,
  writeCaseFile,
  writeNifti,
};

export type Tasks = typeof tasks;
export type TaskName = keyof Tasks;
