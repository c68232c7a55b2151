import { createHash } from 'node:crypto';
import { z } from 'zod';
import { absolutePlace, folderOf, nameOf, shownPlace } from '../address.js';
import { type Case, makeCase, type SeriesFiles } from '../case.js';
import { listNames, messageOf, OptionError } from '../errors.js';
import { withoutCopies } from '../formats/dicom/copies.js';
import { groupBy } from '../formats/dicom/groupBy.js';
import { type DicomFile, type OtherFile, readHeader } from '../formats/dicom/header.js';
import { inBatches } from '../formats/dicom/inBatches.js';
import { type SeriesVolume, seriesVolumes } from '../formats/dicom/volumes.js';
import { showFile } from '../formats/inputFiles.js';
import type { Opener } from '../formats/openFile.js';
import type { OptionTypes, OptionValues } from '../options.js';
import { placeType } from '../optionTypes.js';
import { statPlace } from '../storage/places.js';
import { isRefused, type RefusedCase, source } from './define.js';
import { type FilesBelow, nameBelow, openFilesBelow } from './filesBelow.js';
import { fileOfCase, hole, refusedFile } from './glob.js';

const handling = z.enum(['refuse', 'resample']).default('refuse');

/** Options of sources of DICOM series: which series, and what to do with those that are not regular. */
export const seriesOptions = {
  modality: z.string().min(1).optional().describe('Take only series of this modality, e.g. CT or MR'),
  series: z
    .string()
    .min(1)
    .default('all')
    .describe('all, largest (the series with the most slices of each study), or a SeriesInstanceUID'),
  irregular: handling.describe(
    'What to do if the distances between slices vary: refuse the case, or resample it to the smallest distance',
  ),
  missing: handling.describe(
    'What to do if slices are missing: refuse the case, or fill them by interpolation',
  ),
  label: z
    .string()
    .min(1)
    .default('none')
    .describe(
      'Segmentation (SEG) to give as label: none, auto (the one that refers to the series and was not written by voxstream), or the SeriesInstanceUID of the SEG',
    ),
  showIdentifiers: z
    .boolean()
    .default(false)
    .describe('Begin case ids with the PatientID, which then appears in file names, logs and reports'),
} satisfies OptionTypes;

/** What to read from the DICOM files below a folder, in an archive, or at the address of either. */
type SeriesRequest = OptionValues<typeof seriesOptions> & { readonly root: string };

/**
 * The image series below a folder or in a tar or zip archive, whatever their files are called. A case for
 * each volume; a series that holds several (time points, echoes, kinds of image) gives several cases.
 * Localizers, segmentations, reports and contours are left out with a warning.
 *
 * @throws OptionError if there are no series, or none that is asked for.
 */
export const dicom = source({
  name: 'dicom',
  summary: 'DICOM series in a folder or a tar or zip archive, each read as one volume.',
  options: {
    root: placeType.describe(
      'Folder with DICOM files, searched with all folders below it, or a .tar or .zip',
    ),
    ...seriesOptions,
    label: seriesOptions.label.describe(
      `${seriesOptions.label.description}, or a pattern of other files with {case}, e.g. gt/{case}.nii.gz`,
    ),
  },
  example: { root: 'incoming', modality: 'CT', series: 'largest' },
  async *open(options, { onWarning }) {
    const { label } = options;
    const pattern = label.includes(hole) ? label : undefined;
    const request = pattern === undefined ? options : { ...options, label: 'none' };
    for await (const { item } of findVolumes(request, onWarning)) {
      yield pattern === undefined ? item : await withLabel(item, pattern);
    }
  },
});

/** A case with the file that a pattern means as its label, if there is one. */
async function withLabel(item: FoundVolume['item'], pattern: string): Promise<FoundVolume['item']> {
  if (isRefused(item)) return item;
  const named = await fileOfCase(item.id, pattern);
  const states = await Promise.all(named.map(statPlace));
  const found = named.filter((_, i) => states[i]);
  if (found.length === 0) return item;
  if (found.length > 1) return refusedFile(item.id, 'label', pattern, found);
  return { ...item, files: { ...item.files, label: found[0] } };
}

/** A volume of a series, as an item of a source. */
export interface FoundVolume {
  readonly item: Case | RefusedCase;
  /** What tells it from the other volumes of its series; empty if it is the only one. */
  readonly part: string;
}

/** The volumes of the DICOM files below a folder, in an archive, or at the address of either. */
export async function* findVolumes(
  { root, modality, series: wish, label, irregular, missing, showIdentifiers }: SeriesRequest,
  onWarning: (message: string) => void,
): AsyncGenerator<FoundVolume> {
  const files = await openFilesBelow(root);
  const read = readAllSeries(files, label, onWarning).finally(files.release);
  const { series, suspects, segmentations } = await read;
  const ofModality = series.filter(([file]) => modality === undefined || file.modality === modality);
  const chosen = wish === 'largest' ? largestOfStudies(ofModality) : ofModality;
  const taken = chosen.filter(([file]) => wish === 'all' || wish === 'largest' || file.series === wish);
  if (taken.length === 0) throw nothingFound(root, series);
  const volumes: NamedVolume[] = [];
  for (const files of taken) {
    const found = seriesVolumes(files, { irregular, missing });
    for (const note of found.notes) onWarning(note);
    for (const volume of found.volumes) {
      const patient = showIdentifiers ? files[0].patientId : undefined;
      const id = [patient, idOf(root, files, volume)].filter(Boolean).join('_');
      volumes.push({ id, files, volume });
    }
  }
  for (const { id, files, volume } of withUniqueIds(volumes)) {
    const { note, part } = volume;
    const found = segmentationsOf(volume, segmentations);
    const fault = volume.fault ?? suspicion(files, suspects) ?? ambiguity(files, found);
    if (note !== undefined) onWarning(`Case ${id}: ${note}`);
    if (fault !== undefined) yield { part, item: { id, refused: fault } };
    else {
      const image = { ...filesOf(volume, files), irregular, missing };
      const reference = found.length > 0 && { label: { ...image, segmentation: found[0].file } };
      yield { part, item: makeCase({ id, files: { image, ...reference } }) };
    }
  }
}

/** A series' files, all with the same SeriesInstanceUID. */
type SeriesHeaders = readonly DicomFile[];

interface NamedVolume {
  readonly id: string;
  readonly files: SeriesHeaders;
  readonly volume: SeriesVolume;
}

/** What lies below a folder or in an archive. */
interface FoundFiles {
  /** The image series, in the order of their first paths. */
  readonly series: readonly SeriesHeaders[];
  /** Files that may be damaged slices of one of them. */
  readonly suspects: readonly OtherFile[];
  /** The segmentations that may be labels. */
  readonly segmentations: readonly OtherFile[];
}

async function readAllSeries(
  { paths, open }: FilesBelow,
  label: string,
  onWarning: (message: string) => void,
): Promise<FoundFiles> {
  const headers = await inBatches(paths, (file) => headerOrFault(file, open));
  const images = headers.filter((header) => 'series' in header);
  const others = headers.filter((header) => 'other' in header);
  const segmentations = others.filter(
    ({ segmentation }) =>
      segmentation && (label === 'auto' ? !segmentation.ours : label === segmentation.series),
  );
  const known = new Set(images.map((file) => file.series));
  for (const { file, segmentation } of segmentations) {
    if (segmentation?.of.some((uid) => known.has(uid))) continue;
    onWarning(`${file} is a segmentation (SEG) that refers to no series here; it is left out.`);
  }
  const leftOut = others.filter((file) => !segmentations.includes(file));
  for (const [what, files] of groupBy(leftOut, ({ other }) => other)) {
    const [{ file }] = files;
    onWarning(
      files.length === 1
        ? `${file} is ${what}; it is left out.`
        : `${files.length} files are left out, each of them ${what}; the first is ${file}.`,
    );
  }
  const series = [...groupBy(images, (file) => file.series).values()];
  return {
    series: await Promise.all(series.map((files) => withoutCopies(files, onWarning, open))),
    suspects: others.filter(({ suspect }) => suspect),
    segmentations,
  };
}

function nothingFound(root: string, all: readonly SeriesHeaders[]): OptionError {
  if (all.length === 0) {
    return new OptionError(
      `${shownPlace(root)} (source.root) holds no DICOM images. Give the folder, or the .tar or .zip archive, of a ` +
        "series. For images of other formats in folders, give a pattern, e.g. 'in/{case}/ct.nii.gz'.",
    );
  }
  const present = [...new Set(all.map(([file]) => file.modality))].sort();
  return new OptionError(
    `${shownPlace(root)} (source.root) holds ${all.length} series of ${listNames(present)}, but none of them is asked for. Check ` +
      'source.modality and source.series.',
  );
}

/** Why a series may not be whole: a file of its folder may be a slice of it, but cannot be read. */
function suspicion(files: SeriesHeaders, suspects: readonly OtherFile[]): string | undefined {
  const folders = new Set(files.map(({ file }) => folderOf(file)));
  const found = suspects.find(({ file }) => folders.has(folderOf(file)));
  if (!found) return undefined;
  const name = showFile({ series: files.map(({ file }) => file) });
  return (
    `${found.file} is ${found.other} and lies among the files of ${name}, so a slice may be missing. Copy or download it ` +
    'again, or remove it if it does not belong to the series.'
  );
}

/** The segmentations that refer to the images of a volume. */
function segmentationsOf({ slices }: SeriesVolume, all: readonly OtherFile[]): OtherFile[] {
  const series = new Set(slices.map(({ file }) => file.series));
  return all.filter(({ segmentation }) => {
    if (!segmentation?.of.some((uid) => series.has(uid))) return false;
    const { instances } = segmentation;
    return instances.size === 0 || slices.some(({ file }) => instances.has(file.sopInstance));
  });
}

/** Why the label of a series is not known. */
function ambiguity(files: SeriesHeaders, found: readonly OtherFile[]): string | undefined {
  if (found.length < 2) return undefined;
  const choices = found.map(({ file, segmentation }) => `${file} (series ${segmentation?.series})`);
  return (
    `${showFile({ series: files.map(({ file }) => file) })} has ${found.length} segmentations that refer to it: ` +
    `${listNames(choices)}. Name the series of one with source.label, or move the others away.`
  );
}

async function headerOrFault(file: string, open: Opener): Promise<DicomFile | OtherFile> {
  try {
    return (await readHeader(file, open)) ?? { file, other: 'not a DICOM file' };
  } catch (error) {
    return { file, other: `not readable (${messageOf(error)})`, suspect: true };
  }
}

/** The series with the most slices of each study. */
function largestOfStudies(all: readonly SeriesHeaders[]): SeriesHeaders[] {
  const count = (files: SeriesHeaders) => files.reduce((sum, { frames }) => sum + frames, 0);
  const best = new Map<string, SeriesHeaders>();
  for (const files of all) {
    const { study } = files[0];
    const known = best.get(study);
    if (!known || count(files) > count(known)) best.set(study, files);
  }
  return [...best.values()];
}

/** The files to read a volume from. Those of frames that belong to several volumes hold all of these. */
function filesOf({ slices, part }: SeriesVolume, files: SeriesHeaders): SeriesFiles {
  const own = new Set(slices.map(({ file }) => file));
  const frames = [...own].reduce((sum, file) => sum + file.frames, 0);
  if (frames === slices.length) return { series: [...own].map(({ file }) => file) };
  return { series: files.map(({ file }) => file), part };
}

/**
 * `FOLDER_s3_temporalPosition2`: the folder below the root, the series' number, and what tells its volumes
 * apart.
 */
function idOf(root: string, files: SeriesHeaders, { part }: SeriesVolume): string {
  const folder = commonFolder(files.map(({ file }) => nameBelow(root, file)));
  const { seriesNumber } = files[0];
  return [
    ...(folder.length > 0 ? folder : [nameOf(absolutePlace(root)).replace(/\.(tar|zip)$/i, '')]),
    ...(seriesNumber === undefined ? [] : [`s${seriesNumber}`]),
    ...(part === '' ? [] : [part.replace(/[^A-Za-z0-9.]+/g, '')]),
  ].join('_');
}

/** The folders that contain all files of some names. */
function commonFolder(names: readonly string[]): string[] {
  const [first, ...others] = names.map((name) => name.split(/[\\/]/).slice(0, -1));
  const differs = first.findIndex((part, i) => others.some((parts) => parts[i] !== part));
  return first.slice(0, differs < 0 ? first.length : differs);
}

/** Ids that several volumes share get a part of their SeriesInstanceUID's checksum. */
function withUniqueIds(volumes: readonly NamedVolume[]): NamedVolume[] {
  return volumes.map((volume) => {
    const same = volumes.filter(({ id }) => id === volume.id);
    if (same.length === 1) return volume;
    const sum = createHash('sha256').update(volume.files[0].series).digest('hex').slice(0, 8);
    return { ...volume, id: `${volume.id}_${sum}` };
  });
}
