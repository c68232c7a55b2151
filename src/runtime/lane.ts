/** A place where at most `width` pieces of work run at once; the others wait in the order they came. */
export class Lane {
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #busySeconds = 0;

  constructor(readonly width: number) {
    this.#free = width;
  }

  /** Pieces of work that run now. */
  get active(): number {
    return this.width - this.#free;
  }

  /** Seconds of work done so far, over all places. */
  get busySeconds(): number {
    return this.#busySeconds;
  }

  /**
   * Waits for a place, holds it while `work` runs or until it calls `leave`, and gives it to the next in line.
   */
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
