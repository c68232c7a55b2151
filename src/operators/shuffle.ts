import { Observable, type OperatorFunction } from 'rxjs';
import { OptionError, show } from '../errors.js';
import { Random } from '../volume/random.js';

export interface ShuffleOptions {
  /** Values held back to choose from: the more, the better mixed. All of a stream no longer than this are equally likely. */
  readonly bufferSize: number;
  /** Seed of the order. Default: 0. */
  readonly seed?: number;
  /** Another order of the same seed, the epoch for one. Default: 0. */
  readonly stream?: number;
}

/**
 * Mixes the values of a stream: holds `bufferSize` of them back, and for each further one lets a random one of them go; at
 * the end the rest, in random order. The same seed and stream give the same order. For values of any kind.
 *
 * @throws OptionError when built, if `bufferSize` is not a whole number from 1 on.
 */
export function shuffle<T>({ bufferSize, seed = 0, stream = 0 }: ShuffleOptions): OperatorFunction<T, T> {
  if (!Number.isInteger(bufferSize) || bufferSize < 1) {
    throw new OptionError(
      `shuffle: bufferSize must be a whole number from 1 on, but it is ${show(bufferSize)}.`,
    );
  }
  return (source) =>
    new Observable<T>((subscriber) => {
      const random = new Random(seed, stream);
      const held: T[] = [];
      const letGo = () => {
        const at = random.integer(held.length);
        const value = held[at];
        held[at] = held[held.length - 1];
        held.pop();
        subscriber.next(value);
      };
      return source.subscribe({
        next: (value) => {
          held.push(value);
          if (held.length > bufferSize) letGo();
        },
        error: (error) => subscriber.error(error),
        complete: () => {
          while (held.length > 0 && !subscriber.closed) letGo();
          subscriber.complete();
        },
      });
    });
}
