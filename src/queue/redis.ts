import { isIP } from 'node:net';
import type { Redis } from 'ioredis';
import { messageOf, OptionError, show, showBytes, VoxError } from '../errors.js';
import { optionalPackage } from '../optionalPackage.js';

/** A connection to the Redis or Valkey server of a queue. */
export interface RedisLink {
  readonly redis: Redis;
  /** The server's address, without a password. */
  readonly address: string;
  close(): Promise<void>;
}

/** How a server is reached. */
export interface RedisOptions {
  /**
   * Wait for the server if the connection is lost later, for as long as it takes. Default: commands fail
   * then.
   */
  readonly patient?: boolean;
  /** Called when a patient connection was lost, and when it is back. */
  readonly onChange?: (connected: boolean) => void;
}

/** The packages that a queue needs. */
export const queuePackages = ['bullmq', 'ioredis'];

/** Loads BullMQ. Throws OptionError if it is not installed. */
export function loadBullmq(): Promise<typeof import('bullmq')> {
  return optionalPackage(() => import('bullmq'), 'A queue', queuePackages);
}

/** The parts of a queue's address. */
interface Address {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly secure: boolean;
}

/**
 * Takes the address of a queue apart, `redis[s]://[USER@]HOST[:PORT][/DATABASE]`.
 *
 * @throws OptionError for any other text, and for one with a password, which other users of the machine would
 * see in the list of processes.
 */
export function parseAddress(url: string): Address {
  const form = 'It must have the form redis://HOST:PORT/DATABASE, or rediss:// for TLS.';
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !['redis:', 'rediss:'].includes(parsed.protocol) || parsed.hostname === '') {
    // The text may contain a password.
    throw new OptionError(`The address of the queue is not valid. ${form}`);
  }
  if (parsed.password !== '') {
    throw new OptionError(
      `The address of the queue (${parsed.host}) contains a password, which other users would see in the list of ` +
        'processes. Put it into the environment variable REDIS_PASSWORD, and remove it from the address.',
    );
  }
  const database = parsed.pathname.replace(/^\//, '');
  if (!/^\d*$/.test(database) || parsed.search || parsed.hash) {
    throw new OptionError(`The address of the queue is ${show(url)}. ${form}`);
  }
  return {
    // Without the brackets of IPv6.
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(parsed.port || 6379),
    db: Number(database || 0),
    ...(parsed.username && { username: decodeURIComponent(parsed.username) }),
    secure: parsed.protocol === 'rediss:',
  };
}

/**
 * Connects to the server of a queue. The password is that of the environment variable REDIS_PASSWORD.
 *
 * @throws OptionError if ioredis is not installed, if the server cannot be reached or refuses the password,
 * or if it removes data when its memory is full.
 */
export async function connect(
  url: string,
  { patient = false, onChange }: RedisOptions = {},
): Promise<RedisLink> {
  const { secure, ...address } = parseAddress(url);
  const { Redis } = await optionalPackage(() => import('ioredis'), 'A queue', queuePackages);
  const password = process.env.REDIS_PASSWORD;
  const shown = `${secure ? 'rediss' : 'redis'}://${address.host}:${address.port}/${address.db}`;
  let connected = false;
  let cause: unknown;
  const redis = new Redis({
    ...address,
    ...(password && { password }),
    ...(secure && { tls: isIP(address.host) ? {} : { servername: address.host } }),
    lazyConnect: true,
    connectTimeout: 10_000,
    // BullMQ asks for it.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (connected && patient ? Math.min(50 * 2 ** times, 2000) : null),
  });
  redis.on('error', (error) => {
    cause = error;
  });
  try {
    await redis.connect();
    await redis.ping();
    connected = true;
    await checkServer(redis, shown);
  } catch (error) {
    redis.disconnect();
    throw redisFault(error instanceof VoxError ? error : (cause ?? error), shown);
  }
  redis.on('close', () => onChange?.(false));
  redis.on('ready', () => onChange?.(true));
  return {
    redis,
    address: shown,
    async close() {
      redis.removeAllListeners('close');
      redis.disconnect();
    },
  };
}

/** Throws OptionError for a server that is too old, or that may remove cases when its memory is full. */
async function checkServer(redis: Redis, address: string): Promise<void> {
  const info = await redis.info();
  const fact = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const limit = Number(fact('maxmemory'));
  const policy = fact('maxmemory_policy');
  if (limit > 0 && policy !== 'noeviction') {
    throw new OptionError(
      `The queue at ${address} may use ${showBytes(limit)} and then removes data (maxmemory-policy ${policy}), so cases ` +
        'would be lost. Set "maxmemory-policy noeviction" on the server.',
    );
  }
}

/** Whether a server refused a command because its memory is full. */
export function isOutOfMemory(error: unknown): boolean {
  return /^OOM /.test(messageOf(error)) || /used memory > 'maxmemory'/.test(messageOf(error));
}

const ownCertificate =
  'its certificate is not of a known authority. Name the file with the certificate of the authority in the ' +
  'environment variable NODE_EXTRA_CA_CERTS';

const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Start the server, or correct the address',
  ENOTFOUND: 'there is no such host. Correct the address',
  EAI_AGAIN: 'the name of the host cannot be looked up. Check the network',
  ETIMEDOUT: 'it does not answer. Check the address and the firewall',
  EHOSTUNREACH: 'there is no route to it. Check the network',
  ECONNRESET: 'it closed the connection. If it expects TLS, the address begins with rediss://',
  DEPTH_ZERO_SELF_SIGNED_CERT: ownCertificate,
  SELF_SIGNED_CERT_IN_CHAIN: ownCertificate,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ownCertificate,
};

/**
 * The error to throw for an error of the server or of the connection. It does not keep the original as its
 * cause, because errors of ioredis contain the password.
 */
export function redisFault(error: unknown, address: string): VoxError {
  if (error instanceof VoxError) return error;
  const text = messageOf(error);
  if (/WRONGPASS|invalid username-password|invalid password/i.test(text)) {
    return new OptionError(
      `The queue at ${address} refuses the password. Put the right one into the environment variable REDIS_PASSWORD.`,
    );
  }
  if (/NOAUTH|Authentication required/i.test(text)) {
    return new OptionError(
      `The queue at ${address} asks for a password. Put it into the environment variable REDIS_PASSWORD.`,
    );
  }
  if (/NOPERM/.test(text)) {
    return new OptionError(
      `The user of the queue at ${address} may not run a command that is needed (${text}). Give the user more rights.`,
    );
  }
  if (isOutOfMemory(error)) {
    return new OptionError(
      `The queue at ${address} has no memory left for more cases (maxmemory). Give the server more memory, or remove ` +
        'runs with "voxstream cancel".',
    );
  }
  const { code } = error as NodeJS.ErrnoException;
  const reason = unreachable[code ?? ''] ?? text;
  return new OptionError(`The queue at ${address} cannot be used: ${reason.replace(/\.$/, '')}.`);
}
