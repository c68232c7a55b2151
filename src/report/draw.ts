import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaseFile } from '../case.js';
import { makeFolder, writeAside } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { readVolume } from '../formats/index.js';
import { writeNifti } from '../formats/writeNifti.js';
import { maskOf, type Secrets } from '../mask.js';
import { voxelVolume } from '../volume/affine.js';
import { countOverlaps } from '../volume/overlap.js';
import { quantileOf } from '../volume/quantile.js';
import { resampleTo } from '../volume/resample.js';
import { middleOf, planeNames, planeThrough, sampleSlice, sliceOf } from '../volume/slices.js';
import { allocate, channelsOf, type Grid, type Vec3, type Volume } from '../volume/volume.js';
import { type CaseNote, contourColours, type GreyWindow, type MaskName, maskNames } from './caseNote.js';
import { outlinePath } from './outline.js';
import { encodeGreyPng } from './png.js';

/** What to draw. */
export interface DrawRequest {
  readonly case: string;
  /** The folder to write to. */
  readonly folder: string;
  /** The image: a file to read, or a volume if there is no file. */
  readonly image?: CaseFile | Volume;
  /** A label map, or a file with one. */
  readonly prediction?: CaseFile | Volume;
  /**
   * A label map, or a file with one. If its grid is not the prediction's, it is resampled to it by the
   * nearest voxel.
   */
  readonly reference?: CaseFile | Volume;
  readonly labelNames?: Readonly<Record<number, string>>;
  /** What was assumed about the case. */
  readonly notes?: readonly string[] | undefined;
  /** Environment variables whose values are hidden in `case.json`. */
  readonly secrets?: Secrets;
  /**
   * Default: -160 to 240 HU for images that look like CT, else the 1st to the 99th percentile of the slices.
   */
  readonly window?: GreyWindow;
}

/** The most pixels along each side of a picture. */
const mostPixels = 512;

/** The soft-tissue window of CT, in HU. */
const softTissue: GreyWindow = [-160, 240];

/** The files of a case, inside its folder of the report. */
export function pictureFiles(note: Pick<CaseNote, 'grey' | 'masks'>): string[] {
  return [
    ...planeNames.flatMap((plane) => [
      ...(note.grey ? [`${plane}.png`] : []),
      ...note.masks.map((mask) => `${plane}-${mask}.svg`),
    ]),
    ...note.masks.map((mask) => `${mask}.nii.gz`),
    'case.json',
  ];
}

/**
 * Draws a case. Three slices go through the middle of the reference, or of the prediction if there is no
 * reference. The image is written as PNG at the resolution of the masks, and the outlines of the masks as
 * SVG that lies over it. The masks are also written as NIfTI, for the 3D view, and `case.json` says what was
 * drawn.
 *
 * @throws DataError when a volume cannot be read or a file cannot be written.
 */
export async function drawCase(request: DrawRequest): Promise<void> {
  const { folder, labelNames } = request;
  await makeFolder(folder);
  const image = isFile(request.image)
    ? await readVolume(request.image, { kind: 'image', nonFinite: true })
    : request.image;
  const prediction = await labelMap(request.prediction);
  const stored = await labelMap(request.reference);
  const grid: Grid | undefined = prediction ?? stored ?? image;
  const reference = stored && grid && resampleTo(stored, grid, 'nearest', 'zeros');
  const masks = { prediction: prediction && flatten(prediction), reference: reference && flatten(reference) };
  const present = maskNames.filter((name) => masks[name]);
  const planes = grid ? planesOf(grid, masks.reference, masks.prediction) : [];

  const slices = planes.map((plane) => {
    const columns = Math.min(plane.width, mostPixels);
    const rows = Math.min(plane.height, mostPixels);
    const values = image && grid && sampleSlice(image, grid, plane, columns, rows);
    return { plane, columns, rows, values };
  });
  const window = request.window ?? windowOf(slices.flatMap(({ values }) => (values ? [values] : [])));
  for (const { plane, columns, rows, values } of slices) {
    const file = (name: string) => join(folder, `${plane.name}${name}`);
    if (values && window) {
      const png = encodeGreyPng(greyOf(values, window), columns, rows);
      await writeAside(file('.png'), (temporary) => writeFile(temporary, png));
    }
    for (const name of present) {
      const { data } = masks[name]!;
      const path = outlinePath(sliceOf(data, grid!.size, plane), plane.width, plane.height);
      await writeFileAside(file(`-${name}.svg`), contourSvg(path, plane.width, plane.height, name));
    }
  }
  for (const name of present) await writeNifti(join(folder, `${name}.nii.gz`), masks[name]!);
  const mask = maskOf({ secrets: request.secrets ?? new Map() });
  const note: CaseNote = {
    case: request.case,
    planes: planes.map(({ name, mm }) => ({ name, mm })),
    image: isFile(request.image) ? mask(request.image) : null,
    grey: image !== undefined,
    masks: present,
    window: window ?? null,
    labels: labelVolumes(prediction, reference, labelNames),
    notes: mask(request.notes ?? []),
  };
  await writeFileAside(join(folder, 'case.json'), `${JSON.stringify(note)}\n`);
}

async function labelMap(given: CaseFile | Volume | undefined): Promise<Volume | undefined> {
  return isFile(given) ? readVolume(given, { kind: 'label' }) : given;
}

function isFile(given: CaseFile | Volume | undefined): given is CaseFile {
  return given !== undefined && (typeof given === 'string' || !('data' in given));
}

function planesOf(grid: Grid, ...masks: (Volume | undefined)[]) {
  let middle: Vec3 | undefined;
  for (const mask of masks) middle ??= mask && middleOf(mask.data, mask.size);
  const [nx, ny, nz] = grid.size;
  const at: Vec3 = middle ?? [nx >> 1, ny >> 1, nz >> 1];
  return planeNames.map((name) => planeThrough(grid, name, at));
}

/** A label map of one channel. Several masks become one, with a number for each combination of them. */
function flatten(labels: Volume): Volume {
  if (labels.channels === 1) return labels;
  const channels = channelsOf(labels);
  const data = allocate('uint32', channels[0].length);
  channels.forEach((mask, channel) => {
    for (let i = 0; i < data.length; i++) if (mask[i] !== 0) data[i] += 2 ** channel;
  });
  return { ...labels, data, channels: 1 };
}

function labelVolumes(
  prediction: Volume | undefined,
  reference: Volume | undefined,
  names: Readonly<Record<number, string>> = {},
): CaseNote['labels'] {
  const ml = (volume: Volume | undefined) => {
    if (!volume) return undefined;
    const unit = voxelVolume(volume.affine) / 1000;
    return new Map([...countOverlaps(volume, volume)].map(([label, { both }]) => [label, both * unit]));
  };
  const found = { prediction: ml(prediction), reference: ml(reference) };
  const numbers = new Set<number>(Object.keys(names).map(Number));
  for (const volumes of [found.prediction, found.reference]) {
    for (const label of volumes?.keys() ?? []) numbers.add(label);
  }
  const several = ((prediction ?? reference)?.channels ?? 1) > 1;
  return [...numbers]
    .filter((label) => several || label !== 0)
    .sort((a, b) => a - b)
    .map((label) => ({
      value: label,
      name: names[label] ?? String(label),
      prediction: found.prediction ? (found.prediction.get(label) ?? 0) : null,
      reference: found.reference ? (found.reference.get(label) ?? 0) : null,
    }));
}

function windowOf(slices: readonly Float64Array[]): GreyWindow | undefined {
  if (slices.length === 0) return undefined;
  const finite = slices.flatMap((values) => [...values.filter(Number.isFinite)]);
  const sorted = Float64Array.from(finite).sort();
  // Only CT has such low values: air is -1000 HU.
  if (sorted.length > 0 && sorted[0] <= -500) return softTissue;
  const [low, high] = [quantileOf(sorted, 0.01), quantileOf(sorted, 0.99)];
  return high > low ? [low, high] : [low || 0, (low || 0) + 1];
}

function greyOf(values: Float64Array, [low, high]: GreyWindow): Uint8Array {
  // Pixels outside the image, and undefined ones, are black.
  return Uint8Array.from(values, (value) =>
    Math.round(Math.min(Math.max((value - low) / (high - low), 0), 1) * 255 || 0),
  );
}

/** The reference's line is wider and lies below, so that both are visible where they agree. */
const lineWidths = { prediction: 1.5, reference: 4 } as const;

function contourSvg(path: string, width: number, height: number, mask: MaskName): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none">` +
    `<path d="${path}" fill="none" stroke="${contourColours[mask]}" stroke-width="${lineWidths[mask]}" ` +
    'stroke-linecap="square" shape-rendering="crispEdges" vector-effect="non-scaling-stroke"/></svg>\n'
  );
}
