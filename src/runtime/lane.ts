/** Runs at most `width` pieces of work at once. Others wait in order. */
export class Lane {
  /** Called with the seconds that a piece of work held its place. */
  onWork: ((seconds: number) => void) | undefined;
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #busySeconds = 0;
  /** When `busySeconds` was last brought up to date, in ms. */
  #counted = performance.now();

  constructor(readonly width: number) {
    this.#free = width;
  }

  /** The number of places in use. */
  get active(): number {
    return this.width - this.#free;
  }

  /** Seconds of work so far, summed over all places. Work that still runs counts too. */
  get busySeconds(): number {
    this.#count();
    return this.#busySeconds;
  }

  /** Waits for a place and holds it while `work` runs, or until it calls `leave`. */
  async run<T>(work: (leave: () => void) => Promise<T>): Promise<T> {
    if (this.#free > 0) {
      this.#count();
      this.#free--;
    } else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const start = performance.now();
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      this.#count();
      this.onWork?.((performance.now() - start) / 1000);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
    try {
      return await work(leave);
    } finally {
      leave();
    }
  }

  #count(): void {
    const now = performance.now();
    this.#busySeconds += (this.active * (now - this.#counted)) / 1000;
    this.#counted = now;
  }
}
