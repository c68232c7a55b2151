import { DataError } from '../../errors.js';
import { isUid } from '../dicom/uid.js';
import { firstOf, type JsonDataSet, readDataSets } from './datasets.js';
import { ask, type Call, type Server } from './server.js';

/** A series as a server lists it. */
export interface ListedSeries {
  readonly study: string;
  readonly series: string;
  readonly modality: string;
  readonly number?: string;
  readonly patientId?: string;
}

/** An instance (a file) as a server lists it. */
export interface ListedInstance {
  readonly instance: string;
  readonly sopClass?: string;
}

/** Results that are asked for at once. */
const pageSize = 1000;

/** The most results of a search, and the most bytes of a page of them. */
const mostResults = 200_000;
const mostPageBytes = 64 << 20;

/**
 * The UIDs of the studies that match a query.
 *
 * @param query Attributes by keyword or tag, with the values to match: `{ PatientID: 'P1' }`.
 */
export async function listStudies(
  server: Server,
  query: Readonly<Record<string, string>>,
): Promise<string[]> {
  const found = await search(server, 'studies', query, 'studies', '0020000D');
  return [...found.keys()];
}

/** The series of a study, those of one modality if that is given. */
export async function listSeries(server: Server, study: string, modality?: string): Promise<ListedSeries[]> {
  const query: Record<string, string> = modality === undefined ? {} : { Modality: modality };
  const what = `the series of study ${study}`;
  const found = await search(server, `studies/${study}/series`, query, what, '0020000E');
  return (
    [...found]
      .map(([series, set]) => ({
        study,
        series,
        modality: firstOf(set, '00080060') ?? '',
        number: firstOf(set, '00200011'),
        patientId: firstOf(set, '00100020'),
      }))
      // A server may ignore conditions that it does not know.
      .filter((one) => modality === undefined || one.modality === modality)
  );
}

/** The instances of a series, in the order of their UIDs. */
export async function listInstances(
  server: Server,
  { study, series }: Pick<ListedSeries, 'study' | 'series'>,
): Promise<ListedInstance[]> {
  const path = `studies/${study}/series/${series}/instances`;
  const found = await search(server, path, {}, `the instances of series ${series}`, '00080018');
  return [...found]
    .map(([instance, set]) => ({ instance, sopClass: firstOf(set, '00080016') }))
    .sort((a, b) => (a.instance < b.instance ? -1 : 1));
}

/** All results of a search by their UIDs, asked for page by page. */
async function search(
  server: Server,
  path: string,
  query: Readonly<Record<string, string>>,
  what: string,
  uidTag: string,
): Promise<Map<string, JsonDataSet>> {
  const found = new Map<string, JsonDataSet>();
  for (;;) {
    const before = found.size;
    const call: Call = {
      path,
      query: { ...query, limit: String(pageSize), offset: String(before) },
      headers: { Accept: 'application/dicom+json' },
      what,
      accepted: [204],
      mostBytes: mostPageBytes,
    };
    const page = await ask(server, call, (answer) => readDataSets(server, call, answer));
    for (const set of page) {
      const uid = firstOf(set, uidTag);
      // UIDs become parts of addresses and names of files.
      if (!isUid(uid)) {
        throw new DataError(
          `${server.url} listed ${what}, one of them without a valid UID (${uidTag}). Check the server.`,
        );
      }
      found.set(uid, set);
    }
    // The server may send fewer than asked for at a time, or all of them again if it ignores the offset.
    if (found.size === before) return found;
    if (found.size > mostResults) {
      throw new DataError(
        `${server.url} lists more than ${mostResults} results for ${what}. Narrow the query.`,
      );
    }
  }
}
