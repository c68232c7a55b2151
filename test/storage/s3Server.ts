import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { temporaryFolder } from '../e2e/harness.js';

/** What a proxy does to a request. */
export type Fault = 'drop' | 'cut' | 'delay' | 'truncate' | 'unavailable' | 'skew' | 'denied' | undefined;

/** An S3 server of a test, behind a proxy that disturbs requests. */
export interface S3Server {
  /** The environment of a process that uses it. */
  readonly env: Readonly<Record<string, string>>;
  /** Decides what happens to each request. Default: nothing. */
  disturb: (request: IncomingMessage) => Fault;
  /** Requests so far, as `GET /bucket/key bytes=0-1`. */
  readonly requests: string[];
  /** Faults so far. */
  faults: number;
  put(key: string, content: Uint8Array | string): Promise<void>;
  get(key: string): Promise<Buffer>;
  remove(key: string): Promise<void>;
  /** The keys that begin with a text, sorted. */
  keys(prefix?: string): Promise<string[]>;
  clear(): Promise<void>;
  close(): void;
}

interface Backend {
  run(): Promise<AddressInfo>;
  readonly httpServer: Server;
}

/** The bucket of the server. */
export const bucket = 'data';

/** Starts s3rver with one bucket, and a proxy before it. */
export async function startS3(): Promise<S3Server> {
  const S3rver: new (options: object) => Backend = createRequire(import.meta.url)('@20minutes/s3rver');
  const backend = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory: temporaryFolder(),
    configureBuckets: [{ name: bucket }],
    // It computes another signature for keys with a slash in a query.
    allowMismatchedSignatures: true,
  });
  const { port } = await backend.run();
  const proxy = createServer((incoming, answer) => void pass(incoming, answer));
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  proxy.unref();
  const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  const direct = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials,
    forcePathStyle: true,
  });

  async function pass(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method, url, headers } = incoming;
    server.requests.push([method, decodeURIComponent(url ?? ''), headers.range].filter(Boolean).join(' '));
    if (method === 'DELETE' && url?.includes('uploadId=')) {
      // s3rver keeps the parts of an upload that is abandoned.
      answer.writeHead(204).end();
      return;
    }
    const fault = server.disturb(incoming);
    if (fault) server.faults++;
    if (fault === 'drop') {
      incoming.socket.destroy();
      return;
    }
    if (fault === 'unavailable') return refuse(incoming, answer, 503, 'SlowDown');
    if (fault === 'skew') return refuse(incoming, answer, 403, 'RequestTimeTooSkewed');
    if (fault === 'denied') return refuse(incoming, answer, 403, 'AccessDenied');
    if (fault === 'cut') {
      incoming.once('data', () => incoming.socket.destroy());
      incoming.once('end', () => incoming.socket.destroy());
      return;
    }
    // S3 stores an upload only when all of it has arrived. s3rver stores an empty object if a connection
    // breaks, also over one that was uploaded again meanwhile.
    const body = await whole(incoming);
    if (!body) return;
    if (fault === 'delay') await sleep(20);
    const onward = request({ port, host: '127.0.0.1', method, path: url, headers }, (found) => {
      answer.writeHead(found.statusCode ?? 500, found.headers);
      if (fault !== 'truncate') {
        found.pipe(answer);
        return;
      }
      // A half of what there is, and then the connection is closed.
      found.once('data', (chunk: Buffer) => {
        answer.write(chunk.subarray(0, chunk.length / 2), () => answer.destroy());
        found.destroy();
      });
      found.once('end', () => answer.destroy());
    });
    onward.on('error', () => answer.destroy());
    onward.end(body);
  }

  const server: S3Server = {
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    },
    disturb: () => undefined,
    requests: [],
    faults: 0,
    async put(key, content) {
      await direct.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: content }));
    },
    async get(key) {
      const { Body } = await direct.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    async remove(key) {
      await direct.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
    async keys(prefix) {
      const { Contents = [] } = await direct.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }),
      );
      return Contents.flatMap(({ Key }) => Key ?? []).sort();
    },
    async clear() {
      const Objects = (await server.keys()).map((Key) => ({ Key }));
      if (Objects.length > 0)
        await direct.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
    },
    close() {
      direct.destroy();
      proxy.close();
      proxy.closeAllConnections();
      backend.httpServer.close();
      backend.httpServer.closeAllConnections();
    },
  };
  return server;
}

/** The body of a request; undefined if the connection breaks before its end. */
async function whole(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  }
}

async function refuse(
  incoming: IncomingMessage,
  answer: ServerResponse,
  status: number,
  code: string,
): Promise<void> {
  incoming.resume();
  await once(incoming, 'end').catch(() => {});
  answer.writeHead(status, { 'Content-Type': 'application/xml' });
  answer.end(
    incoming.method === 'HEAD'
      ? ''
      : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
  );
}

/** Faults at random, the same for each seed: one of `of` requests is disturbed. */
export function seeded(seed: number, of: number, faults: readonly Exclude<Fault, undefined>[]): () => Fault {
  let state = seed;
  const draw = () => {
    // Park and Miller's generator.
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  return () => (draw() < 1 / of ? faults[Math.floor(draw() * faults.length)] : undefined);
}
