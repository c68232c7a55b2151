import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { temporaryFolder } from '../e2e/harness.js';
import { freePort } from '../freePort.js';
import { type Missing, program } from '../needs.js';

/** The need for a Redis server. */
export const redisServer: Missing = program('redis-server', 'redis-server');

/** A Redis server of a test. Its append-only file keeps what it had until it is started again. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  start(): Promise<void>;
  /** Kills it with SIGKILL. */
  kill(): Promise<void>;
}

/** Starts a server on a free port of this machine. */
export async function startRedis(...settings: string[]): Promise<TestServer> {
  const folder = temporaryFolder();
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'yes',
  ];
  let child: ReturnType<typeof spawn> | undefined;
  process.once('exit', () => child?.kill('SIGKILL'));
  const server: TestServer = {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    async start() {
      child = spawn('redis-server', [...args, ...settings], { stdio: 'ignore' });
      const ended = once(child, 'exit').then(() => 'ended');
      if ((await Promise.race([answers(port), ended])) === 'ended')
        throw new Error(`redis-server ended at its start on port ${port}.`);
    },
    async kill() {
      if (!child) return;
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
  await server.start();
  return server;
}

/** Waits until a server has read its file and answers, also if it asks for a password. */
async function answers(port: number): Promise<void> {
  const redis = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, enableReadyCheck: false });
  redis.on('error', () => {});
  for (;;) {
    const answer = await redis.ping().catch((error) => String(error));
    if (!/LOADING|closed/.test(answer)) break;
    await sleep(20);
  }
  redis.disconnect();
}
