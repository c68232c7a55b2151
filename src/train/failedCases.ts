/** Cases that could not be used, each with the message of its first failure. */
export class FailedCases {
  readonly messages = new Map<string, string>();
  #closed = false;

  /** `mask` hides what messages must not say; see `maskOf`. */
  constructor(
    readonly onFirst: (id: string, message: string) => void,
    readonly mask: (message: string) => string = (message) => message,
  ) {}

  /** Notes a failure. Only the first one of a case counts. */
  readonly note = (id: string, message: string): void => {
    if (this.#closed || this.messages.has(id)) return;
    const masked = this.mask(message);
    this.messages.set(id, masked);
    this.onFirst(id, masked);
  };

  /** Ignores later failures: cases prepared ahead fail when the threads end. */
  close(): void {
    this.#closed = true;
  }
}
