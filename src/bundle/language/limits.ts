import { Refusal } from './refusal.js';

/** An expression may have this many characters. The longest of the model zoo has about 150. */
export const mostCharacters = 10_000;

/**
 * The parser's rules may be nested this deep. A pair of brackets takes two levels. CPython stops at 200
 * brackets.
 */
export const mostNesting = 200;

/** Evaluation may be nested this deep: long chains such as `a + a + a` count, too. */
export const mostDepth = 500;

/** A list, a text or a range may have this many items or characters. */
export const mostItems = 1_000_000;

/** An int may have this many bits. */
export const mostBits = 4096;

/** An expression may take this many steps. */
export const mostSteps = 300_000;

/** Throws a Refusal if a list, text or range would have too many items. */
export function checkSize(count: number | bigint): void {
  if (count > mostItems) {
    throw new Refusal(`it makes a value of ${count} items, but ${mostItems} is the limit`);
  }
}

/** Returns an int, or throws a Refusal if it is too large. */
export function checkInt(value: bigint): bigint {
  if (value > 1n << BigInt(mostBits) || value < -(1n << BigInt(mostBits))) {
    throw new Refusal(`it makes an integer of more than ${mostBits} bits`);
  }
  return value;
}
