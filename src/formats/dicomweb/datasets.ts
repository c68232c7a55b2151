import { z } from 'zod';
import { DataError } from '../../errors.js';
import { type Answer, type Call, type Server, wholeBody, wrongType } from './server.js';

const elementType = z.object({ Value: z.array(z.unknown()).optional() });
const dataSetType = z.record(z.string(), elementType);

/** A data set in the JSON form of PS3.18, annex F: elements by tag, e.g. `0020000D`. */
export type JsonDataSet = z.infer<typeof dataSetType>;

/** The first value of an element as text; undefined if it has none. */
export function firstOf(set: JsonDataSet, tag: string): string | undefined {
  const value = set[tag]?.Value?.[0];
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : undefined;
}

/** The data sets in a sequence. */
export function itemsIn(set: JsonDataSet, tag: string): readonly JsonDataSet[] {
  return (set[tag]?.Value ?? []).flatMap((item) => {
    const { data } = dataSetType.safeParse(item);
    return data ? [data] : [];
  });
}

/** The data sets of an answer in JSON: a list, or a single one. Throws DataError for anything else. */
export async function readDataSets(server: Server, call: Call, answer: Answer): Promise<JsonDataSet[]> {
  if (answer.status === 204) return [];
  if (!/^application\/(dicom\+)?json\b/i.test(answer.type)) {
    throw wrongType(server, call, answer.type, 'application/dicom+json');
  }
  const text = (await wholeBody(answer.body)).toString('utf8');
  try {
    const json: unknown = JSON.parse(text);
    return z.array(dataSetType).parse(Array.isArray(json) ? json : [json]);
  } catch {
    throw new DataError(
      `${server.url} answered the request for ${call.what} with JSON that is damaged or not of DICOM. Check that the address ` +
        '(url) is that of a DICOMweb server.',
    );
  }
}
