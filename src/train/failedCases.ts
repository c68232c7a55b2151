import { messageOf } from '../errors.js';

/** Cases that could not be used, each with the message of its first failure. */
export class FailedCases {
  readonly messages = new Map<string, string>();
  #closed = false;

  /**
   * @param onFirst Called with the first failure of a case: its message and the error.
   * @param mask Hides what messages must not say; see `maskOf`.
   */
  constructor(
    readonly onFirst: (id: string, message: string, error: unknown) => void,
    readonly mask: (message: string) => string = (message) => message,
  ) {}

  /** Notes a failure. Only the first one of a case counts. */
  readonly note = (id: string, error: unknown): void => {
    if (this.#closed || this.messages.has(id)) return;
    const masked = this.mask(messageOf(error));
    this.messages.set(id, masked);
    this.onFirst(id, masked, error);
  };

  /** Ignores later failures: cases prepared ahead fail when the threads end. */
  close(): void {
    this.#closed = true;
  }
}
