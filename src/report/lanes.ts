/** What is recorded of a lane. */
interface LaneState {
  /** Seconds of work so far, summed over all places. */
  readonly busySeconds: number;
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

/**
 * The most stretches kept, an even number. When they are full, neighbours are merged: each covers twice the
 * time.
 */
const mostStretches = 480;

/** Looks at a runtime's lanes once a second. Its memory does not grow with the length of the run. */
export class LaneRecorder {
  readonly #timer: NodeJS.Timeout;
  readonly #busy = new Map<string, number[]>();
  readonly #stretchStart = new Map<string, number>();
  #start: number;
  #looks = 0;
  #perStretch = 1;

  /** @param start Now, in seconds. */
  constructor(
    readonly lanes: Readonly<Record<string, LaneState>>,
    start = performance.now() / 1000,
  ) {
    this.#start = start;
    this.#begin(start);
    this.#timer = setInterval(() => this.look(), 1000).unref();
  }

  /** Ends a stretch where one is due. */
  look(now = performance.now() / 1000): void {
    this.#looks++;
    if (this.#looks % this.#perStretch === 0) this.#end(now);
  }

  /** Stops recording. An unfinished stretch is dropped, unless it is the only one. */
  stop(now = performance.now() / 1000): LaneSamples {
    clearInterval(this.#timer);
    if (this.#busy.size === 0) {
      const seconds = now - this.#start;
      this.#end(now);
      return { seconds, busy: Object.fromEntries(this.#busy) };
    }
    return { seconds: this.#perStretch, busy: Object.fromEntries(this.#busy) };
  }

  #begin(now: number): void {
    this.#start = now;
    for (const [name, { busySeconds }] of Object.entries(this.lanes)) {
      this.#stretchStart.set(name, busySeconds);
    }
  }

  #end(now: number): void {
    const seconds = Math.max(now - this.#start, 1e-6);
    for (const [name, { busySeconds, width }] of Object.entries(this.lanes)) {
      const worked = busySeconds - (this.#stretchStart.get(name) ?? 0);
      const share = Math.min(1, worked / width / seconds);
      this.#busy.set(name, [...(this.#busy.get(name) ?? []), share]);
    }
    this.#begin(now);
    if ([...this.#busy.values()].some((values) => values.length >= mostStretches)) this.#merge();
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
  }
}
