/** Memory for the work that is open: whoever asks waits until there is enough, and is served in the order of asking. */
export class Budget {
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly grant: () => void }[] = [];

  constructor(readonly bytes: number) {
    this.#free = bytes;
  }

  /**
   * Waits until so many bytes are free and takes them; returns what gives them back, once. Nobody who came later is served
   * first, so that a large piece of work is not put off for ever by small ones.
   *
   * @throws RangeError for more bytes than there will ever be.
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
