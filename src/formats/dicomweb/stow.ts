import { randomBytes } from 'node:crypto';
import { DataError } from '../../errors.js';
import { firstOf, itemsIn, type JsonDataSet, readDataSets } from './datasets.js';
import { ask, type Call, type Server } from './server.js';

/** What the failure reasons of PS3.7, annex C and PS3.18, 10.5.3 mean, by code. */
const failureReasons: Readonly<Record<number, string>> = {
  272: 'processing failed',
  290: 'it does not store objects of this kind (SOP class)',
  292: 'not authorized',
  529: 'unrecognized operation',
  49442: 'it does not store objects in this transfer syntax',
};

/** What the warning reasons of PS3.18, 10.5.3 mean, by code. */
const warningReasons: Readonly<Record<number, string>> = {
  45056: 'it changed some of its values',
  45062: 'it left out some of its elements',
  45063: 'the object does not match its kind (SOP class)',
};

/** The instance is there already. UIDs are made from the content, so it is the same. */
const duplicateInstance = 0x0111;

/** An object to store. */
export interface StoredObject {
  readonly study: string;
  readonly sopInstance: string;
  /** A DICOM file. */
  readonly bytes: Uint8Array;
}

/**
 * Stores an object on a server.
 *
 * @param what What messages call the object, e.g. `the segmentation of case a`.
 * @returns Warnings of the server, a sentence each.
 * @throws DataError if the server refuses it, or does not confirm that it has it.
 */
export async function storeObject(
  server: Server,
  { study, sopInstance, bytes }: StoredObject,
  what: string,
): Promise<readonly string[]> {
  const boundary = `voxstream-${randomBytes(16).toString('hex')}`;
  const type = 'application/dicom';
  const call: Call = {
    // The study exists: the object belongs to a series of it.
    path: `studies/${study}`,
    headers: {
      Accept: 'application/dicom+json',
      'Content-Type': `multipart/related; type="${type}"; boundary=${boundary}`,
    },
    body: Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Type: ${type}\r\nContent-Length: ${bytes.length}\r\n\r\n`),
      bytes,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]),
    what: `storing ${what}`,
    // Some or none of the instances were stored; the answer says why.
    accepted: [202, 409],
    mostBytes: 16 << 20,
  };
  const { status, sets } = await ask(server, call, async (answer) => ({
    status: answer.status,
    sets: await readDataSets(server, call, answer),
  }));
  const refused = sets.flatMap((set) => itemsIn(set, '00081198'));
  const failure = refused.find((item) => isOurs(item, sopInstance));
  if (failure && codeOf(failure, '00081197') !== duplicateInstance) {
    throw new DataError(
      `${server.url} did not store ${what}: ${reasonOf(codeOf(failure, '00081197'))}. Check the rights and the space of the ` +
        'server, and whether it stores such objects.',
    );
  }
  const stored = sets.flatMap((set) => itemsIn(set, '00081199')).find((item) => isOurs(item, sopInstance));
  if (!stored && !failure) {
    throw new DataError(
      `${server.url} answered ${status} to the request for storing ${what}, but does not say that it has instance ${sopInstance}. Check the ` +
        'server.',
    );
  }
  const warning = stored && codeOf(stored, '00081196');
  return warning === undefined
    ? []
    : [
        `${server.url} stored ${what} with a warning: ${warningReasons[warning] ?? 'the reason is not known'} (${hex(warning)}).`,
      ];
}

/** True if a response names the instance, or none at all: only one was sent. */
function isOurs(item: JsonDataSet, sopInstance: string): boolean {
  const named = firstOf(item, '00081155');
  return named === undefined || named === sopInstance;
}

function codeOf(item: JsonDataSet, tag: string): number | undefined {
  const code = Number(firstOf(item, tag));
  return Number.isInteger(code) ? code : undefined;
}

function hex(code: number): string {
  return `0x${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

function reasonOf(code: number | undefined): string {
  if (code === undefined) return 'it gives no reason';
  const known =
    failureReasons[code] ??
    (code >> 8 === 0xa7
      ? 'it is out of resources'
      : code >> 8 === 0xa9
        ? 'the object does not match its kind (SOP class)'
        : code >> 12 === 0xc
          ? 'it cannot understand the object'
          : 'the reason is not known');
  return `${known} (${hex(code)})`;
}
