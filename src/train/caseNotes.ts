/** What was assumed about the data of cases. */
export class CaseNotes {
  readonly #texts = new Map<string, Set<string>>();

  /** `mask` hides what notes must not say; see `maskOf`. */
  constructor(
    readonly onFirst: (id: string, text: string) => void,
    readonly mask: (text: string) => string,
  ) {}

  /** Keeps the notes of a case. Each counts once, although epochs read a case again. */
  readonly add = (id: string, notes: readonly string[] = []): void => {
    const known = this.#texts.get(id) ?? new Set();
    this.#texts.set(id, known);
    for (const note of notes) {
      const text = this.mask(note);
      if (known.has(text)) continue;
      known.add(text);
      this.onFirst(id, text);
    }
  };

  /** All notes, by case. */
  get all(): readonly (readonly [id: string, text: string])[] {
    return [...this.#texts].flatMap(([id, texts]) => [...texts].map((text) => [id, text] as const));
  }
}
