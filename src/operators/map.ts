import { concatMap, type OperatorFunction, of } from 'rxjs';
import { type Case, chooseKeys, type Keys, volumeOf, withVolumes } from '../case.js';
import type { LaneName } from '../runtime/runtime.js';
import type { Random } from '../volume/random.js';
import type { Volume } from '../volume/volume.js';
import type { StepContext } from './define.js';
import { drawsFor } from './draws.js';

/**
 * An operator that runs `work` for one case at a time on a lane and adds the elapsed seconds, without the
 * time spent waiting for the lane, to `timings`. Work that calls `leave` releases its place on the lane
 * before it ends. If `work` throws, the stream fails with that error.
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

/** Like `mapCase`, for work that splits a case into several. */
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

/**
 * An operator that replaces each selected volume with the result of `work`; see `mapCase` and `chooseKeys`.
 */
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

/** Options shared by random steps; see `drawsFor`. */
export interface RandomOptions {
  /** Probability that a case is changed, 0 to 1. */
  readonly prob: number;
  readonly seed: number | undefined;
  readonly keys: Keys | undefined;
  /** The keys to use if none are given; see `chooseKeys`. */
  readonly defaults: readonly string[];
}

/** The work on one volume. */
type VolumeWork = (volume: Volume, key: string) => Promise<Volume>;

/**
 * An operator that randomly changes the selected volumes of some cases. `draw` draws once per case and
 * returns the work to apply to each of its volumes. `otherwise` is applied to the volumes of all other cases;
 * by default they stay unchanged.
 */
export function mapRandomly(
  context: StepContext,
  { prob, seed, keys, defaults }: RandomOptions,
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
