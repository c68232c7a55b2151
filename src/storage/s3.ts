import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal, Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { DataError, messageOf, OptionError } from '../errors.js';
import { optionalPackage } from '../optionalPackage.js';
import { type ListedFile, type NewContent, storage } from './define.js';
import { StorageFault } from './retry.js';

/**
 * Objects of S3 and of servers that are compatible with it: `s3://bucket/key`. Credentials, the region and
 * the endpoint (`AWS_ENDPOINT_URL_S3`) are those of the AWS SDK: environment variables, profiles, roles.
 *
 * Objects appear whole or not at all: files of more than 8 MiB are multipart uploads, which are abandoned if
 * they fail. The SDK adds checksums to what it sends, and compares those that a server has with what it
 * reads.
 */
export const s3 = storage({
  scheme: 's3',
  async stat(address) {
    const { Bucket, Key } = placeOf(address);
    if (Key === '') return undefined;
    const { client, sdk } = await connect();
    try {
      const found = await client.send(new sdk.HeadObjectCommand({ Bucket, Key }));
      return infoOf({ Size: found.ContentLength, ...found });
    } catch (error) {
      // The answer to HEAD has no body, so that it does not say what is wrong. The answer to a listing does.
      if (statusOf(error) !== 404 && statusOf(error) !== 403 && statusOf(error) !== 400)
        throw fault('read', address, error);
      try {
        await client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1 }));
      } catch (reason) {
        throw fault('read', address, reason);
      }
      if (statusOf(error) === 404) return undefined;
      throw fault('read', address, error);
    }
  },

  async read(address, { start, end, tag }, signal) {
    const { Bucket, Key } = placeOf(address);
    const { client, sdk } = await connect();
    try {
      const { Body, ETag } = await client.send(
        new sdk.GetObjectCommand({
          Bucket,
          Key,
          Range: `bytes=${start}-${end - 1}`,
          IfMatch: tag,
          ChecksumMode: 'ENABLED',
        }),
        { abortSignal: signal },
      );
      if (!(Body instanceof Readable)) throw new Error('The answer has no body.');
      // Not every server knows If-Match.
      if (tag !== undefined && ETag !== undefined && ETag !== tag) {
        Body.destroy();
        throw changed(address);
      }
      return signal ? addAbortSignal(signal, Body) : Body;
    } catch (error) {
      throw fault('read', address, error);
    }
  },

  async *list(folder): AsyncGenerator<ListedFile> {
    const { Bucket, Key } = placeOf(folder);
    const { client, sdk } = await connect();
    const Prefix = Key === '' || Key.endsWith('/') ? Key : `${Key}/`;
    let ContinuationToken: string | undefined;
    do {
      const answer = await client
        .send(new sdk.ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }))
        .catch((error) => {
          throw fault('listed', folder, error);
        });
      for (const found of answer.Contents ?? []) {
        // A key with a slash at its end stands for a folder.
        if (found.Key !== undefined && !found.Key.endsWith('/')) {
          yield { path: `s3://${Bucket}/${found.Key}`, ...infoOf(found) };
        }
      }
      ContinuationToken = answer.IsTruncated ? answer.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
  },

  async write(address, content) {
    const { Bucket, Key } = placeOf(address);
    const { client, sdk } = await connect();
    try {
      const size = content instanceof Uint8Array ? content.length : (await stat(content.file)).size;
      if (size <= partBytes) {
        await client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: await bytesOf(content) }));
      } else {
        const params = { Bucket, Key, Body: streamOf(content) };
        // At most 10,000 parts are allowed.
        const partSize = Math.max(partBytes, Math.ceil(size / 9000));
        await new sdk.Upload({ client, params, partSize, queueSize: 2 }).done();
      }
    } catch (error) {
      throw fault('written', address, error);
    }
  },

  async remove(address) {
    const { Bucket, Key } = placeOf(address);
    const { client, sdk } = await connect();
    try {
      await client.send(new sdk.DeleteObjectCommand({ Bucket, Key }));
    } catch (error) {
      throw fault('removed', address, error);
    }
  },
});

/** Bytes of a part of a multipart upload. Smaller files are written by one request. */
const partBytes = 8 * 2 ** 20;

async function load() {
  const install = ['@aws-sdk/client-s3', '@aws-sdk/lib-storage'];
  const [client, { Upload }] = await optionalPackage(
    () => Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')]),
    'An address that begins with s3://',
    install,
  );
  return { ...client, Upload };
}

interface Connection {
  readonly sdk: Awaited<ReturnType<typeof load>>;
  readonly client: S3Client;
}

let connection: Promise<Connection> | undefined;

/** The SDK, loaded when it is first needed, and the one client of this process. */
function connect(): Promise<Connection> {
  connection ??= (async () => {
    const sdk = await load();
    const client = new sdk.S3Client({
      // Servers other than Amazon's rarely have a host name for each bucket.
      forcePathStyle: Boolean(process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']),
      // Requests that fail by something that may pass are sent again, after random and growing pauses.
      maxAttempts: 6,
      requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
    });
    return { sdk, client };
  })();
  return connection;
}

/** The bucket and the key of an address. */
function placeOf(address: string): { readonly Bucket: string; readonly Key: string } {
  const [, Bucket, Key = ''] = /^s3:\/\/([^/]*)\/?(.*)$/is.exec(address) ?? [];
  if (Bucket) return { Bucket, Key };
  throw new OptionError(`The address ${address} names no bucket. Give s3://BUCKET/KEY.`);
}

/** Times are whole seconds, since those of single answers are. */
function infoOf(found: { Size?: number; LastModified?: Date; ETag?: string }) {
  const { Size = 0, LastModified, ETag } = found;
  return {
    size: Size,
    modified: Math.floor((LastModified?.getTime() ?? 0) / 1000) * 1000,
    ...(ETag && { tag: ETag }),
  };
}

async function bytesOf(content: NewContent): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content;
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(content.file)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function streamOf(content: NewContent): Readable {
  return content instanceof Uint8Array
    ? Readable.from([content], { objectMode: false })
    : createReadStream(content.file, { highWaterMark: 2 ** 20 });
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** What errors of the service mean, and what to do. */
function reasonOf(name: string, bucket: string): string | undefined {
  switch (name) {
    case 'NoSuchBucket':
      return `there is no bucket "${bucket}"; check its name, and the endpoint (AWS_ENDPOINT_URL_S3)`;
    case 'NoSuchKey':
    case 'NotFound':
      return 'there is no such object; check the address';
    case 'AccessDenied':
    case 'Forbidden':
    case 'AllAccessDisabled':
      return 'access is denied; check the rights of these credentials, and that the bucket and the key are right';
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
    case 'ExpiredTokenException':
      return `the server does not accept the credentials (${name}); check those in the environment or the profile`;
    case 'CredentialsProviderError':
      return 'no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE';
    case 'RequestTimeTooSkewed':
    case 'RequestExpired':
    case 'RequestInTheFuture':
      return 'the clock of this machine differs too much from that of the server; set it right, e.g. by NTP';
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return `the bucket "${bucket}" is in another region; set AWS_REGION to its region`;
    case 'PreconditionFailed':
      return 'it changed while it was being read; run the case again with --resume';
    case 'InvalidObjectState':
      return 'it is archived (Glacier); restore it first';
    default:
      return undefined;
  }
}

const passingErrors =
  /^(TimeoutError|RequestTimeout|SlowDown|Throttling.*|ServiceUnavailable|InternalError|NetworkingError|AbortError)$/;

/** The error to throw for one of the SDK: a sentence. */
function fault(done: string, address: string, error: unknown): Error {
  if (error instanceof DataError || error instanceof OptionError) return error;
  const { name, code = '', $retryable } = error as Error & { code?: string; $retryable?: unknown };
  const { Bucket } = placeOf(address);
  const status = statusOf(error);
  const known = reasonOf(name, Bucket) ?? (status === 403 ? reasonOf('Forbidden', Bucket) : undefined);
  if (known !== undefined) {
    return new StorageFault(`${address} cannot be ${done}: ${known}.`, false, { cause: error });
  }
  const passing =
    $retryable !== undefined || passingErrors.test(name) || /^E[A-Z_]+$/.test(code) || (status ?? 200) >= 500;
  const said =
    status !== undefined && status >= 400
      ? `the server answers ${status} (${messageOf(error)})`
      : messageOf(error);
  const advice =
    code === 'ENOTFOUND' || code === 'ECONNREFUSED' ? '; check the endpoint (AWS_ENDPOINT_URL_S3)' : '';
  return new StorageFault(`${address} cannot be ${done}: ${said || code}${advice}.`, passing, {
    cause: error,
  });
}

function changed(address: string): DataError {
  return new DataError(`${address} changed while it was being read. Run the case again with --resume.`);
}
