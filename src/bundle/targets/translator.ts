import type { Args } from './args.js';
import type { BundleStep } from './steps.js';

/** What is known of a case's volumes between two transforms. */
export interface TransformState {
  /** Whether there are no cases, so that every key may be loaded. */
  readonly anyKey: boolean;
  /** Keys of volumes that are there, each with the key of the file whose name it has. */
  readonly sources: Map<string, string>;
  /** Keys that are label maps by now. */
  readonly labels: Set<string>;
  /** The interpolation with which each key was resampled. */
  readonly modes: Map<string, string>;
  /** Keys of the cases' data that are not files. */
  readonly otherKeys?: ReadonlySet<string>;
  /** The number of labels for which DeepEdit adds channels of clicks. */
  guided?: number | undefined;
}

export type Options = Readonly<Record<string, unknown>>;

/** Translates a transform into steps. */
export type Translator = (
  args: Args,
  keys: readonly string[],
  state: TransformState,
) => readonly BundleStep[];

/** One operator whose options can differ from key to key: as few steps as possible. */
export function operatorFor(
  name: string,
  read: (args: Args, keys: readonly string[]) => readonly Options[] | Options,
): Translator {
  return (args, keys) => {
    const read_ = read(args, keys);
    const all = Array.isArray(read_) ? (read_ as readonly Options[]) : keys.map(() => read_ as Options);
    const groups = new Map<string, string[]>();
    keys.forEach((key, i) => {
      const options = JSON.stringify(all[i]);
      groups.set(options, [...(groups.get(options) ?? []), key]);
    });
    return [...groups].map(([options, members]) => ({
      kind: 'operator',
      name,
      options: { ...JSON.parse(options), keys: members.length === 1 ? members[0] : members },
      id: args.id,
    }));
  };
}

/** Options without those that are not given. */
export const given = (options: Readonly<Record<string, unknown>>): Options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
