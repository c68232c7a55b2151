/** A memory budget. Requests wait until enough is free and are served in order. */
export class Budget {
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly grant: () => void }[] = [];

  constructor(readonly bytes: number) {
    this.#free = bytes;
  }

  /**
   * Waits until `bytes` are free and takes them. A later request is never served first, so that small ones
   * cannot delay a large one forever.
   *
   * @returns A function that gives the bytes back. Calling it again does nothing.
   * @throws RangeError for more bytes than the whole budget.
   */
  async take(bytes: number): Promise<() => void> {
    if (bytes > this.bytes) throw new RangeError(`${bytes} of ${this.bytes} bytes can never be free.`);
    if (this.#waiting.length > 0 || bytes > this.#free) {
      await new Promise<void>((grant) => this.#waiting.push({ bytes, grant }));
    } else {
      this.#free -= bytes;
    }
    let taken = bytes;
    return () => {
      this.#free += taken;
      taken = 0;
      this.#serve();
    };
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#waiting[0].bytes <= this.#free) {
      const { bytes, grant } = this.#waiting.shift()!;
      this.#free -= bytes;
      grant();
    }
  }
}
