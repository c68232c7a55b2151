/** Cases that could not be used, each with the message of its first failure. */
export class FailedCases {
  readonly messages = new Map<string, string>();
  #closed = false;

  constructor(readonly onFirst: (id: string, message: string) => void) {}

  /** Notes a failure. Only the first one of a case counts. */
  readonly note = (id: string, message: string): void => {
    if (this.#closed || this.messages.has(id)) return;
    this.messages.set(id, message);
    this.onFirst(id, message);
  };

  /** Ignores later failures: cases prepared ahead fail when the threads end. */
  close(): void {
    this.#closed = true;
  }
}
