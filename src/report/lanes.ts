/** What is recorded of a lane. */
interface LaneState {
  /** Places that are busy now. */
  readonly active: number;
  /** Places in all. */
  readonly width: number;
}

/** How busy the lanes of a run were over time. */
export interface LaneSamples {
  /** The seconds that each value covers. */
  readonly seconds: number;
  /** Per lane, the share of its places that was busy in each stretch of time, 0 to 1. */
  readonly busy: Readonly<Record<string, readonly number[]>>;
}

/** The seconds between two looks at the lanes. */
const interval = 0.25;

/**
 * The most stretches kept, an even number. When they are full, neighbours are merged: each covers twice the
 * time.
 */
const mostStretches = 480;

/** Looks at a runtime's lanes four times a second. Its memory does not grow with the length of the run. */
export class LaneRecorder {
  readonly #timer: NodeJS.Timeout;
  readonly #busy = new Map<string, number[]>();
  readonly #sums = new Map<string, number>();
  #looks = 0;
  #perStretch = 4;

  constructor(readonly lanes: Readonly<Record<string, LaneState>>) {
    this.#timer = setInterval(() => this.look(), interval * 1000).unref();
  }

  /** Records how many places are busy now. */
  look(): void {
    this.#looks++;
    const full = this.#looks % this.#perStretch === 0;
    for (const [name, { active, width }] of Object.entries(this.lanes)) {
      const sum = (this.#sums.get(name) ?? 0) + active / width;
      this.#sums.set(name, full ? 0 : sum);
      if (full) this.#busy.set(name, [...(this.#busy.get(name) ?? []), sum / this.#perStretch]);
    }
    if ([...this.#busy.values()].some((values) => values.length >= mostStretches)) this.#merge();
  }

  /** Stops recording. An unfinished stretch is dropped. */
  stop(): LaneSamples {
    clearInterval(this.#timer);
    return { seconds: interval * this.#perStretch, busy: Object.fromEntries(this.#busy) };
  }

  #merge(): void {
    for (const [name, values] of this.#busy) {
      const half = Array.from(
        { length: values.length >> 1 },
        (_, i) => (values[2 * i] + values[2 * i + 1]) / 2,
      );
      this.#busy.set(name, half);
    }
    this.#perStretch *= 2;
    this.#looks = 0;
    this.#sums.clear();
  }
}
