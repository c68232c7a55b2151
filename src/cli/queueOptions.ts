import { type Command, InvalidArgumentError, Option } from 'commander';
import { connect } from '../queue/redis.js';
import { type Store, withStore } from '../queue/store.js';

/** The option of all commands that use a queue. */
export interface QueueFlags {
  readonly queue: string;
}

/** Adds `--queue`. */
export function addQueueOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--queue <url>',
      'the Redis or Valkey server, redis://HOST:PORT/DATABASE, or rediss:// for TLS; its password is taken from the ' +
        'environment variable REDIS_PASSWORD',
    )
      .env('VOXSTREAM_QUEUE')
      .makeOptionMandatory(),
  );
}

/** Runs a command on the queue that its flags name. */
export async function onQueue<Result>(
  { queue }: QueueFlags,
  use: (store: Store) => Promise<Result>,
): Promise<Result> {
  return withStore(await connect(queue), use);
}

/** Parser for a priority. */
export function priority(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isInteger(number) || Math.abs(number) > 1000)
    throw new InvalidArgumentError('It must be a whole number from -1000 to 1000.');
  return number;
}

/** Parser for seconds, at least `least`. */
export function seconds(least: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() === '' || !(number >= least && number <= 86_400))
      throw new InvalidArgumentError(`It must be a number of seconds from ${least} to 86400.`);
    return number;
  };
}
