/**
 * A seeded stream of random numbers: the same seed and stream give the same numbers on every machine.
 *
 * The generator is xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * 2021), its state filled from the seed and the stream's number by a counter with the mixing function of C.
 * Wellons's "hash prospector" (multipliers 0x21f0aaad and 0x735a2d97).
 */
export class Random {
  readonly #state = new Uint32Array(4);
  #spare: number | undefined;

  /** `seed` and `stream` are whole numbers; each pair gives a different stream. */
  constructor(seed: number, stream = 0) {
    let state = 0;
    const mix = () => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    for (const word of [seed, Math.floor(seed / 2 ** 32), stream, Math.floor(stream / 2 ** 32)]) {
      state = mix() ^ word;
    }
    for (let i = 0; i < 4; i++) this.#state[i] = mix();
  }

  /** 32 random bits, as a whole number from 0 to 2^32 - 1. */
  uint32(): number {
    return xoshiro128_(this.#state);
  }

  /** A uniformly distributed number from `low` to `high` (exclusive); 0 to 1 by default. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.uint32() / 2 ** 32);
  }

  /** A uniformly distributed whole number from 0 to `count` (exclusive). */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** A normally distributed number (Box and Muller's method). */
  normal(mean = 0, deviation = 1): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return mean + deviation * spare;
    }
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / 2 ** 32));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return mean + deviation * radius * Math.cos(angle);
  }
}

/** One step of xoshiro128** on a state of four words, which it updates; returns 32 random bits. */
export function xoshiro128_(state: Uint32Array): number {
  const scrambled = Math.imul(state[1], 5);
  const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
  const shifted = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return result;
}
