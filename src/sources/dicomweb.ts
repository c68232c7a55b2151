import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { withNotes } from '../case.js';
import { DataError, listNames, OptionError, show } from '../errors.js';
import { isImageClass } from '../formats/dicom/sopClasses.js';
import { isUid } from '../formats/dicom/uid.js';
import { type ListedSeries, listInstances, listSeries, listStudies } from '../formats/dicomweb/qido.js';
import { type Server, serverAt } from '../formats/dicomweb/server.js';
import { serverFaults, serverOptions } from '../formats/dicomweb/serverOptions.js';
import { downloadInstance, type InstancePlace, type Quota } from '../formats/dicomweb/wado.js';
import { temporaryFolder } from '../formats/temporaryFolder.js';
import type { OptionValues } from '../options.js';
import { bytesType } from '../optionTypes.js';
import { type FetchedCase, isRefused, type RemoteCase, type SourceItem, source } from './define.js';
import { type FoundVolume, findVolumes, seriesOptions } from './dicom.js';

/** Downloads of a case at the same time. */
const atOnce = 4;

const uidType = z.string().refine(isUid, { error: 'a UID, e.g. 1.2.840.113619.2.1' });

const options = {
  ...serverOptions,
  studies: z.array(uidType).min(1).optional().describe('StudyInstanceUIDs of the studies to read'),
  query: z
    .record(
      z.string().regex(/^([A-Z][A-Za-z]+|[0-9A-Fa-f]{8})$/),
      z.union([z.string(), z.number()]).transform(String),
    )
    .optional()
    .describe('Or attributes of studies with the values to match, e.g. { StudyDate: 20260101-20260131 }'),
  ...seriesOptions,
  part: z
    .string()
    .optional()
    .describe(
      'Volume to read of series that hold several, e.g. "temporalPosition 2"; the error that asks for it lists them',
    ),
  maxBytes: bytesType.default(4 * 2 ** 30).describe('The most that is stored for a case while it is open'),
};

type Options = OptionValues<typeof options>;

/**
 * The image series of a DICOMweb server. What there is to read is asked for at the start (QIDO-RS); the files
 * of a series are downloaded when its case starts (WADO-RS), into a temporary folder that is removed when the
 * case ends. Each series is a case.
 *
 * @throws OptionError if no series matches, or if the token's variable is not set; DataError if the server
 * refuses or cannot be reached.
 */
export const dicomweb = source({
  name: 'dicomweb',
  summary: 'DICOM series of a DICOMweb server, each downloaded when its case starts and read as one volume.',
  options,
  check: (options) => {
    const { studies, query } = options;
    const one =
      (studies === undefined) !== (query === undefined) && (!query || Object.keys(query).length > 0);
    return [
      ...serverFaults(options),
      ...(one ? [] : ['needs either studies (a list of UIDs) or query (attributes to match), but not both']),
    ];
  },
  example: { url: 'https://pacs.example/dicom-web', query: { StudyDate: '20260101' }, modality: 'CT' },
  async *open(options, { onWarning }): AsyncGenerator<SourceItem> {
    const server = serverAt(options.url, options.tokenEnv);
    if (server.authorization !== undefined && /^http:/.test(server.url) && !isLoopback(server.url)) {
      onWarning(`The token in ${options.tokenEnv} goes to ${server.url} without encryption. Use https.`);
    }
    const studies = options.studies ?? (await listStudies(server, options.query ?? {}));
    let found = 0;
    for (const study of studies) {
      for await (const series of seriesOfStudy(server, study, options, onWarning)) {
        found++;
        yield remoteCase(server, series, options);
      }
    }
    if (found > 0) return;
    throw new OptionError(
      `${server.url} (source.url) lists ${studies.length} matching studies, and no series in them that is asked for. Check ` +
        'source.studies or source.query, source.modality and source.series.',
    );
  },
  fetcher(options, description) {
    const series = seriesPlace.parse(description);
    return (signal) => fetchSeries(serverAt(options.url, options.tokenEnv), series, options, signal);
  },
});

const place = z.object({ study: uidType, series: uidType, instance: uidType });

/** What a series is downloaded by. It names no patient. */
const seriesPlace = z.object({
  study: uidType,
  series: uidType,
  instances: z.array(uidType),
  /** The segmentations of its study that may be its label. */
  labels: z.array(place),
});

type SeriesPlace = Readonly<z.infer<typeof seriesPlace>>;

/** A series with its instances. */
type SeriesOnServer = ListedSeries & SeriesPlace;

/** The image series of a study that are asked for. */
async function* seriesOfStudy(
  server: Server,
  study: string,
  { modality, series: wish, label }: Options,
  onWarning: (message: string) => void,
): AsyncGenerator<SeriesOnServer> {
  let largest: SeriesOnServer | undefined;
  const labels = label === 'none' ? [] : await segmentationsOf(server, study, label);
  for (const listed of await listSeries(server, study, modality)) {
    if (isUid(wish) && listed.series !== wish) continue;
    const all = await listInstances(server, listed);
    // Those are asked for as labels, not as images.
    if (labels.some(({ series }) => series === listed.series)) continue;
    const [first] = all.map(({ sopClass }) => isImageClass(sopClass ?? '')).filter((kind) => kind !== true);
    const images = all.filter(({ sopClass }) => isImageClass(sopClass ?? '') === true);
    if (images.length === 0) {
      onWarning(`Series ${listed.series} is ${first ?? 'empty'}; it is left out.`);
      continue;
    }
    const series = { ...listed, instances: images.map(({ instance }) => instance), labels };
    if (wish !== 'largest') yield series;
    else if (!largest || series.instances.length > largest.instances.length) largest = series;
  }
  if (largest) yield largest;
}

/** The segmentations of a study: all, or those of one series. */
async function segmentationsOf(server: Server, study: string, label: string): Promise<InstancePlace[]> {
  const found: InstancePlace[] = [];
  for (const { series } of await listSeries(server, study, 'SEG')) {
    if (label !== 'auto' && label !== series) continue;
    for (const { instance } of await listInstances(server, { study, series })) {
      found.push({ study, series, instance });
    }
  }
  return found;
}

function remoteCase(server: Server, series: SeriesOnServer, options: Options): RemoteCase {
  const { irregular, missing, part, label } = options;
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const id = [
    options.showIdentifiers ? series.patientId : undefined,
    series.modality.toLowerCase(),
    series.number === undefined ? undefined : `s${series.number}`,
    sha256(series.series).slice(0, 8),
  ];
  return {
    id: id.filter(Boolean).join('_'),
    fingerprint: sha256(
      JSON.stringify([series.series, series.instances, series.labels, irregular, missing, part, label]),
    ),
    fetch: (signal) => fetchSeries(server, series, options, signal),
    // Without the other fields.
    description: seriesPlace.parse(series),
  };
}

async function fetchSeries(
  server: Server,
  series: SeriesPlace,
  options: Options,
  signal: AbortSignal,
): Promise<FetchedCase> {
  const folder = await temporaryFolder('dicomweb');
  try {
    const quota: Quota = { bytes: options.maxBytes, left: options.maxBytes };
    await downloadAll(server, series, folder.path, quota, signal);
    return { item: await onlyVolume(folder.path, series, options), release: folder.remove };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Downloads the instances of a series, and its labels, into a folder: some at a time, each under its UID. */
async function downloadAll(
  server: Server,
  { study, series, instances, labels }: SeriesPlace,
  folder: string,
  quota: Quota,
  signal: AbortSignal,
): Promise<void> {
  const abort = new AbortController();
  const either = AbortSignal.any([signal, abort.signal]);
  const places = [...instances.map((instance) => ({ study, series, instance })), ...labels];
  const waiting = places.values();
  const work = async () => {
    for (const place of waiting) {
      await downloadInstance(server, place, join(folder, `${place.instance}.dcm`), quota, either);
    }
  };
  const lanes = Array.from({ length: atOnce }, () =>
    work().catch((error) => {
      // The others are of no use without this one.
      abort.abort(error);
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(lanes)).find(({ status }) => status === 'rejected');
  if (failed) throw abort.signal.aborted ? abort.signal.reason : (failed as PromiseRejectedResult).reason;
}

/** The case of a folder's only volume, or of the part that is asked for. */
async function onlyVolume(
  root: string,
  { series }: SeriesPlace,
  { part, ...options }: Options,
): Promise<FetchedCase['item']> {
  const notes: string[] = [];
  const volumes: FoundVolume[] = [];
  const request = { ...options, root, series: 'all', showIdentifiers: false };
  for await (const volume of findVolumes(request, (message) => notes.push(message))) volumes.push(volume);
  const wanted = volumes.filter((volume) => part === undefined || volume.part === part);
  if (wanted.length !== 1) {
    const parts = volumes.map((volume) => show(volume.part));
    throw new DataError(
      `Series ${series} holds ${volumes.length} volumes, of which ${wanted.length} are asked for. Name one with source.part: ` +
        `${listNames(parts, 'or')}.`,
    );
  }
  const [{ item }] = wanted;
  return isRefused(item) ? item : withNotes(item, notes);
}

function isLoopback(url: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);
}
