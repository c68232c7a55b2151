import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { DataError, showBytes } from '../../errors.js';
import { writeFault } from '../aside.js';
import { readElements } from '../dicom/elements.js';
import { textOf } from '../dicom/values.js';
import { boundaryOf, MultipartError, multipartParts } from './multipart.js';
import { type Answer, ask, type Call, type Server, wrongType } from './server.js';

/** An instance on a server. */
export interface InstancePlace {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
}

/** Bytes that may still be stored, shared by several downloads. */
export interface Quota {
  /** The whole quota. */
  readonly bytes: number;
  left: number;
}

const dicomType = 'application/dicom';

/**
 * Downloads an instance as it is stored, in its own transfer syntax, into a file.
 *
 * @throws DataError if the server does not send it, sends another one, or if it exceeds the quota.
 */
export async function downloadInstance(
  server: Server,
  { study, series, instance }: InstancePlace,
  file: string,
  quota: Quota,
  signal?: AbortSignal,
): Promise<void> {
  const call: Call = {
    path: `studies/${study}/series/${series}/instances/${instance}`,
    headers: {
      Accept: `multipart/related; type="${dicomType}"; transfer-syntax=*`,
      'Accept-Encoding': 'identity',
    },
    what: `instance ${instance}`,
    // More than the quota allows, so that its own message names the option.
    mostBytes: quota.bytes + (1 << 20),
    signal,
  };
  await ask(server, call, async (answer) => {
    let stored = 0;
    const counted = async function* (content: AsyncIterable<Uint8Array>) {
      for await (const chunk of content) {
        stored += chunk.length;
        quota.left -= chunk.length;
        if (quota.left < 0) throw tooLarge(server, series, quota);
        yield chunk;
      }
    };
    try {
      for await (const content of contentsOf(server, call, answer)) {
        await pipeline(content, counted, createWriteStream(file));
      }
    } catch (error) {
      quota.left += stored;
      await rm(file, { force: true });
      throw isOfFile(error) ? writeFault(file, error) : error;
    }
  });
  const elements = await readElements(file);
  const found = elements && elements !== 'empty' ? textOf(elements.dataSet, 'x00080018') : undefined;
  if (found === instance) return;
  throw new DataError(
    `${server.url} was asked for instance ${instance}, but sent ${found ? `instance ${found}` : 'something that is not DICOM'}. ` +
      'Check the server.',
  );
}

/** The content of the only instance in an answer: the part of a multipart message, or the whole body. */
async function* contentsOf(
  server: Server,
  call: Call,
  answer: Answer,
): AsyncGenerator<AsyncIterable<Uint8Array>> {
  const isDicom = (type: string) => /^application\/dicom\s*(;|$)/i.test(type);
  if (isDicom(answer.type)) {
    yield answer.body;
    return;
  }
  const boundary = boundaryOf(answer.type);
  if (boundary === undefined) throw wrongType(server, call, answer.type, `multipart/related of ${dicomType}`);
  let parts = 0;
  for await (const { headers, content } of multipartParts(answer.body, boundary)) {
    const type = headers.get('content-type') ?? dicomType;
    if (!isDicom(type)) throw wrongType(server, call, `a part of type ${type}`, dicomType);
    if (++parts > 1)
      throw new DataError(`${server.url} sent more than one part for ${call.what}. Check the server.`);
    yield content;
  }
  if (parts === 0) throw new MultipartError('sent an answer without a part');
}

/** True for an error of the file system. */
function isOfFile(error: unknown): boolean {
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall === 'open' || syscall === 'write';
}

function tooLarge({ url }: Server, series: string, { bytes }: Quota): DataError {
  return new DataError(
    `Series ${series} of ${url} has more than ${showBytes(bytes)}, the most that is stored for a case. Raise the limit ` +
      'with source.maxBytes, or check the series.',
  );
}
