import { concatMap, type OperatorFunction, of } from 'rxjs';
import { type Case, chooseKeys, type Keys, volumeOf, withVolumes } from '../case.js';
import type { LaneName } from '../runtime/runtime.js';
import type { Random } from '../volume/random.js';
import type { Volume } from '../volume/volume.js';
import type { StepContext } from './define.js';
import { drawsFor } from './draws.js';

/**
 * An operator that does `work` for one case after another on a lane, and notes in `timings` how many seconds it
 * took, waiting for the lane left out. Work that calls `leave` gives its place on the lane back before it ends. What `work` throws goes down the stream as its error.
 */
export function mapCase(
  context: StepContext,
  lane: LaneName,
  work: (subject: Case, leave: () => void) => Promise<Case>,
): OperatorFunction<Case, Case> {
  return concatMap((subject) =>
    context.runtime.on(lane, async (leave) => {
      const start = performance.now();
      const next = await work(subject, leave);
      const seconds = (next.timings[context.id] ?? 0) + (performance.now() - start) / 1000;
      return { ...next, timings: { ...next.timings, [context.id]: seconds } };
    }),
  );
}

/** Like `mapCase`, for work that makes several cases of one. */
export function splitCase(
  context: StepContext,
  lane: LaneName,
  work: (subject: Case) => Promise<readonly Case[]>,
): OperatorFunction<Case, Case> {
  return concatMap((subject) => {
    let parts: readonly Case[] = [];
    const whole = mapCase(context, lane, async (inner) => {
      parts = await work(inner);
      return inner;
    });
    return of(subject).pipe(
      whole,
      concatMap(({ timings }) => parts.map((part) => ({ ...part, timings }))),
    );
  });
}

/** An operator that replaces each chosen volume by what `work` makes of it; see `mapCase` and `chooseKeys`. */
export function mapVolumes(
  context: StepContext,
  lane: LaneName,
  keys: Keys | undefined,
  defaults: readonly string[],
  work: (volume: Volume, key: string) => Promise<Volume>,
): OperatorFunction<Case, Case> {
  return mapCase(context, lane, async (subject) => {
    const made: Record<string, Volume> = {};
    for (const key of chooseKeys(subject, keys, defaults)) {
      made[key] = await work(volumeOf(subject, key), key);
    }
    return withVolumes(subject, made);
  });
}

/** What steps that act by chance share; see `drawsFor`. */
export interface ChanceOptions {
  /** How likely a case is changed, 0 to 1. */
  readonly prob: number;
  readonly seed: number | undefined;
  readonly keys: Keys | undefined;
  /** The keys where none are given; see `chooseKeys`. */
  readonly defaults: readonly string[];
}

/** What is done to one volume. */
type VolumeWork = (volume: Volume, key: string) => Promise<Volume>;

/**
 * An operator that changes the chosen volumes of some cases, by chance: `draw` draws once for a case, and what it returns is
 * done to each of its volumes; `otherwise` to those of the cases that are left out, nothing by default.
 */
export function mapByChance(
  context: StepContext,
  { prob, seed, keys, defaults }: ChanceOptions,
  draw: (random: Random) => VolumeWork,
  otherwise?: VolumeWork,
): OperatorFunction<Case, Case> {
  return mapCase(context, 'cpu', async (subject) => {
    const random = drawsFor(subject, context, seed);
    const work = random.uniform() < prob ? draw(random) : otherwise;
    if (!work) return subject;
    const made: Record<string, Volume> = {};
    for (const key of chooseKeys(subject, keys, defaults)) {
      made[key] = await work(volumeOf(subject, key), key);
    }
    return withVolumes(subject, made);
  });
}
