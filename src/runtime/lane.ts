/** Runs at most `width` pieces of work at once. Others wait in order. */
export class Lane {
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #busySeconds = 0;

  constructor(readonly width: number) {
    this.#free = width;
  }

  /** The number of places in use. */
  get active(): number {
    return this.width - this.#free;
  }

  /** Seconds of finished work, summed over all places. */
  get busySeconds(): number {
    return this.#busySeconds;
  }

  /** Waits for a place and holds it while `work` runs, or until it calls `leave`. */
  async run<T>(work: (leave: () => void) => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const start = performance.now();
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      this.#busySeconds += (performance.now() - start) / 1000;
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
}
