import { listNames, show } from '../errors.js';

/** Labels by number, with names that differ, and what was assumed. */
export interface DistinctNames {
  readonly names: Readonly<Record<number, string>>;
  /** Full sentences. */
  readonly notes: readonly string[];
}

/**
 * The names of labels without surrounding spaces. Labels that share a name get their numbers behind it, and a
 * label with an empty name is named by its number.
 *
 * @param file Named in notes.
 */
export function distinctNames(
  labels: readonly (readonly [number: number, name: string])[],
  file: string,
): DistinctNames {
  const trimmed = labels.map(([number, name]) => [number, name.trim() || String(number)] as const);
  const numbersOf = new Map<string, Set<number>>();
  for (const [number, name] of trimmed) {
    numbersOf.set(name, (numbersOf.get(name) ?? new Set()).add(number));
  }
  const shared = (name: string) => (numbersOf.get(name)?.size ?? 0) > 1;
  const notes = [...numbersOf]
    .filter(([name]) => shared(name))
    .map(([name, numbers]) => {
      const given = listNames([...numbers].map(String));
      const kept = listNames([...numbers].map((number) => show(`${name}_${number}`)));
      return `${file} gives the labels ${given} one name, ${show(name)}; they are kept apart as ${kept}.`;
    });
  const names = trimmed.map(([number, name]) => [number, shared(name) ? `${name}_${number}` : name]);
  return { names: Object.fromEntries(names), notes };
}
