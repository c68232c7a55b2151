import { Observable, type OperatorFunction } from 'rxjs';
import { OptionError, show } from '../errors.js';
import { Random } from '../volume/random.js';

/** How cases are shuffled. */
export interface ShuffleOptions {
  /**
   * Size of the buffer. A larger buffer shuffles better. If it holds the whole stream, all orders are equally
   * likely.
   */
  readonly bufferSize: number;
  /** Seed of the order. Default: 0. */
  readonly seed?: number;
  /** Selects another order for the same seed, e.g. the epoch. Default: 0. */
  readonly stream?: number;
}

/**
 * Shuffles a stream of any values. It buffers `bufferSize` values and emits a random one of them for each
 * further value. When the source ends, it emits the rest in random order. The same seed and stream give the
 * same order.
 *
 * @throws OptionError when built, if `bufferSize` is not a positive integer.
 */
export function shuffle<T>({ bufferSize, seed = 0, stream = 0 }: ShuffleOptions): OperatorFunction<T, T> {
  if (!Number.isInteger(bufferSize) || bufferSize < 1) {
    throw new OptionError(`shuffle: bufferSize must be a positive integer, but it is ${show(bufferSize)}.`);
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
