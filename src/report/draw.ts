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
import { middleOf, type Plane, planeNames, planeThrough, sampleSlice } from '../volume/slices.js';
import {
  allocate,
  channelsOf,
  type Grid,
  type Vec3,
  type Volume,
  type VoxelArray,
} from '../volume/volume.js';
import { chooseAxial } from './axialSlices.js';
import { type CaseNote, type GreyWindow, type MaskName, maskNames } from './caseNote.js';
import { contourSvg } from './contourSvg.js';
import { contoursOf, layersOf } from './maskLayers.js';
import { encodeGreyPng } from './png.js';

/** What to draw. */
export interface DrawRequest {
  readonly case: string;
  /** The folder to write to. */
  readonly folder: string;
  /** The image: a file to read, or a volume if there is no file. */
  readonly image?: CaseFile | Volume;
  /** What `case.json` names as the image, if the file is a copy. Default: the file. */
  readonly imageName?: CaseFile;
  /**
   * Label maps, or files with one: a prediction and a reference, or two predictions to compare, also with a
   * reference. They are shown on the grid of the first one; others are resampled to it by the nearest voxel.
   */
  readonly masks: Readonly<Partial<Record<MaskName, CaseFile | Volume>>>;
  /**
   * The label whose difference between the masks `a` and `b` is shown. Default: the middle of the reference.
   */
  readonly focus?: number;
  readonly labelNames?: Readonly<Record<number, string>>;
  /** What was assumed about the case. */
  readonly notes?: readonly string[] | undefined;
  /** Environment variables whose values are hidden in `case.json`. */
  readonly secrets?: Secrets;
  /**
   * Default: -160 to 240 HU for images that look like CT, else the 1st to the 99th percentile of the slices.
   */
  readonly window?: GreyWindow;
  /** The most axial slices to draw for paging through them. Default: 20. */
  readonly slices?: number;
}

/** The most pixels along each side of a picture, and of each slice to page through. */
const mostPixels = { plane: 512, slice: 320 };

/** How many slices to page through are drawn by default. */
export const defaultSlices = 20;

/** The soft-tissue window of CT, in HU. */
const softTissue: GreyWindow = [-160, 240];

/** The name of the pictures of the slices to page through. */
const slicesName = 'axial-slices';

/** The files of a case, inside its folder of the report. */
export function pictureFiles({
  grey,
  masks,
  slices,
}: Pick<CaseNote, 'grey' | 'masks'> & { readonly slices?: unknown }): string[] {
  return [
    ...[...planeNames, ...(slices ? [slicesName] : [])].flatMap((name) => [
      ...(grey ? [`${name}.png`] : []),
      ...masks.map((mask) => `${name}-${mask}.svg`),
    ]),
    ...masks.map((mask) => `${mask}.nii.gz`),
    'case.json',
  ];
}

/**
 * Draws a case. Three slices go through the middle of the reference, or of a prediction if there is no
 * reference; further axial slices show where each label has its largest error. The image is written as PNG,
 * and the outlines of the masks as SVG that lies over it. The masks are also written as NIfTI, for the 3D
 * view, and `case.json` says what was drawn.
 *
 * @throws DataError when a volume cannot be read or a file cannot be written.
 */
export async function drawCase(request: DrawRequest): Promise<void> {
  const { folder, labelNames } = request;
  await makeFolder(folder);
  const image = isFile(request.image)
    ? await readVolume(request.image, { kind: 'image', nonFinite: true })
    : request.image;
  const masks = new Map<MaskName, Volume>();
  let grid: Grid | undefined;
  for (const name of maskNames) {
    const mask = await labelMap(request.masks[name]);
    grid ??= mask;
    if (mask && grid) masks.set(name, resampleTo(mask, grid, 'nearest', 'zeros'));
  }
  grid ??= image;
  const layers = [...masks.values()].map(layersOf);
  const flat = new Map([...masks].map(([name, mask]) => [name, flatten(mask)]));
  const labels = labelVolumes(masks, labelNames);
  const values = labels.map(({ value }) => value);

  const middle = grid && middleOfCase(grid, flat, request.focus);
  const planes = grid && middle ? planeNames.map((name) => planeThrough(grid, name, middle)) : [];
  const sample = (plane: Plane, most: number): Pixels | undefined => {
    if (!image || !grid) return undefined;
    const [columns, rows] = [Math.min(plane.width, most), Math.min(plane.height, most)];
    return { columns, rows, values: sampleSlice(image, grid, plane, columns, rows) };
  };
  const pixels = planes.map((plane) => sample(plane, mostPixels.plane));
  const window = request.window ?? windowOf(pixels.flatMap((slice) => (slice ? [slice.values] : [])));
  /** Draws slices of the same size below each other. */
  const draw = async (name: string, slices: readonly Plane[], drawn: readonly (Pixels | undefined)[]) => {
    const seen = drawn.filter((slice) => slice !== undefined);
    if (seen.length > 0 && window) {
      const greys = Buffer.concat(seen.map(({ values }) => greyOf(values, window)));
      const png = encodeGreyPng(greys, seen[0].columns, seen[0].rows * seen.length);
      await writeAside(join(folder, `${name}.png`), (temporary) => writeFile(temporary, png));
    }
    // The colours of two predictions tell them apart, so they cannot stand for labels.
    const byLabel = labels.length > 1 && !masks.has('a');
    for (const [i, mask] of [...masks.keys()].entries()) {
      const svg = contourSvg(contoursOf(layers[i], slices), mask, values, byLabel);
      await writeFileAside(join(folder, `${name}-${mask}.svg`), svg);
    }
  };
  for (const [i, plane] of planes.entries()) await draw(plane.name, [plane], [pixels[i]]);
  const strip = grid && middle && chooseAxial(grid, layers, middle, request.slices ?? defaultSlices);
  if (strip) {
    const sampled = strip.planes.map((plane) => sample(plane, mostPixels.slice));
    await draw(slicesName, strip.planes, sampled);
  }
  for (const [name, mask] of flat) await writeNifti(join(folder, `${name}.nii.gz`), mask);
  const hide = maskOf({ secrets: request.secrets ?? new Map() });
  const note: CaseNote = {
    case: request.case,
    planes: planes.map(({ name, mm }) => ({ name, mm })),
    image: isFile(request.image) ? hide(request.imageName ?? request.image) : null,
    grey: image !== undefined,
    masks: [...masks.keys()],
    ...(masks.size > 0 && [...masks.values()].every(({ channels }) => channels > 1) && { channels: true }),
    ...(strip && { slices: strip.slices }),
    window: window ?? null,
    labels: labels.map((label) => {
      const worst = strip?.worst.get(label.value);
      return { ...label, ...(worst !== undefined && { worst }) };
    }),
    notes: hide(request.notes ?? []),
  };
  await writeFileAside(join(folder, 'case.json'), `${JSON.stringify(note)}\n`);
}

/** A sampled slice, row by row from the top. */
interface Pixels {
  readonly columns: number;
  readonly rows: number;
  readonly values: Float64Array;
}

async function labelMap(given: CaseFile | Volume | undefined): Promise<Volume | undefined> {
  return isFile(given) ? readVolume(given, { kind: 'label' }) : given;
}

function isFile(given: CaseFile | Volume | undefined): given is CaseFile {
  return given !== undefined && (typeof given === 'string' || !('data' in given));
}

/**
 * The middle of the difference between the masks `a` and `b`, or of the reference or another mask; of the
 * grid if all of these are empty.
 */
function middleOfCase({ size }: Grid, masks: ReadonlyMap<MaskName, Volume>, label: number | undefined): Vec3 {
  const [a, b] = [masks.get('a'), masks.get('b')];
  let middle =
    a && b && label !== undefined ? middleOf(differenceOf(a.data, b.data, label), size) : undefined;
  for (const mask of [...masks.values()].toReversed()) middle ??= middleOf(mask.data, size);
  const [nx, ny, nz] = size;
  return middle ?? [nx >> 1, ny >> 1, nz >> 1];
}

/** The voxels that have a label in exactly one of two label maps. */
function differenceOf(a: VoxelArray, b: VoxelArray, label: number): Uint8Array {
  const out = new Uint8Array(a.length);
  for (let i = 0; i < a.length; i++) if ((a[i] === label) !== (b[i] === label)) out[i] = 1;
  return out;
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
  masks: ReadonlyMap<MaskName, Volume>,
  names: Readonly<Record<number, string>> = {},
): CaseNote['labels'] {
  const ml = (volume: Volume) => {
    const unit = voxelVolume(volume.affine) / 1000;
    return new Map([...countOverlaps(volume, volume)].map(([label, { both }]) => [label, both * unit]));
  };
  const found = new Map([...masks].map(([name, mask]) => [name, ml(mask)]));
  const numbers = new Set<number>(Object.keys(names).map(Number));
  for (const volumes of found.values()) for (const label of volumes.keys()) numbers.add(label);
  const several = [...masks.values()].some(({ channels }) => channels > 1);
  const prediction = found.get('prediction') ?? found.get('a');
  const reference = found.get('reference');
  return [...numbers]
    .filter((label) => several || label !== 0)
    .sort((a, b) => a - b)
    .map((label) => ({
      value: label,
      name: names[label] ?? String(label),
      prediction: prediction ? (prediction.get(label) ?? 0) : null,
      reference: reference ? (reference.get(label) ?? 0) : null,
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
