import { from, lastValueFrom, type OperatorFunction, of, toArray } from 'rxjs';
import type { Case } from '../case.js';
import { DataError } from '../errors.js';
import { type Batch, collate } from '../operators/batch.js';
import { gridFault } from '../operators/sameGrids.js';
import { shuffle } from '../operators/shuffle.js';
import { withLocalCase } from '../pipeline/localCase.js';
import type { ModelAxes } from '../volume/windows.js';

/** How cases become batches. */
export interface FeedSettings {
  readonly seed: number;
  /** Cases per batch. */
  readonly batchSize: number;
  /** The most cases that are prepared ahead. */
  readonly prefetch: number;
  /** Called once for each case that cannot be used. The training continues without it. */
  readonly onFailure: (id: string, error: unknown) => void;
  /** Called with what was assumed about a case, each time that it is prepared. */
  readonly onNotes: (id: string, notes: readonly string[] | undefined) => void;
}

/** A position in the stream of cases. Both numbers start at 0. */
export interface FeedPosition {
  readonly epoch: number;
  /** Cases taken from the epoch. */
  readonly taken: number;
}

/** The patches of a batch, and the position after them. */
export interface FedBatch {
  readonly epoch: number;
  readonly cases: readonly Case[];
  readonly next: FeedPosition;
}

/** The order of the cases in an epoch: a function of seed and epoch. */
export function epochOrder(cases: readonly Case[], seed: number, epoch: number): Promise<readonly Case[]> {
  return lastValueFrom(
    from(cases).pipe(shuffle({ bufferSize: cases.length, seed, stream: epoch }), toArray()),
  );
}

/**
 * The batches of a training from a position on, without end. Each epoch takes the cases in another order.
 * Cases at its end that do not fill a batch are skipped. Several cases are prepared ahead at the same time
 * but come out in order, so the batches depend only on cases, steps, seed and position.
 *
 * @throws DataError if fewer cases can be used than a batch needs.
 */
export async function* feed(
  cases: readonly Case[],
  steps: OperatorFunction<Case, Case>,
  start: FeedPosition,
  { seed, batchSize, prefetch, onFailure, onNotes }: FeedSettings,
): AsyncGenerator<FedBatch, never> {
  const bad = new Set<string>();
  const prepare = async (subject: Case): Promise<readonly Case[] | undefined> => {
    if (bad.has(subject.id)) return undefined;
    try {
      return await withLocalCase(subject, async (here, text) => {
        const patches = await lastValueFrom(of(here).pipe(steps, toArray()));
        if (patches.length === 0) throw new DataError(`The steps made no patch of case ${subject.id}.`);
        onNotes(subject.id, patches[0].notes?.map(text));
        return patches;
      });
    } catch (error) {
      if (!bad.has(subject.id)) onFailure(subject.id, error);
      bad.add(subject.id);
      return undefined;
    }
  };

  const ahead: { readonly place: FeedPosition; readonly patches: ReturnType<typeof prepare> }[] = [];
  let order: { readonly epoch: number; readonly list: readonly Case[] } | undefined;
  let { epoch, taken } = start;
  /** Starts to prepare one more case. */
  const reach = async () => {
    if (taken >= cases.length) {
      epoch++;
      taken = 0;
    }
    if (order?.epoch !== epoch) order = { epoch, list: await epochOrder(cases, seed, epoch) };
    const place = { epoch, taken };
    ahead.push({ place, patches: prepare({ ...order.list[taken++], epoch }) });
  };

  let parts: (readonly Case[])[] = [];
  let current = start.epoch;
  for (;;) {
    while (ahead.length < Math.max(prefetch, batchSize)) await reach();
    const { place, patches } = ahead.shift()!;
    if (place.epoch !== current) {
      current = place.epoch;
      parts = [];
    }
    const made = await patches;
    if (made) parts.push(made);
    else if (cases.length - bad.size < batchSize) {
      throw new DataError(
        `Only ${cases.length - bad.size} of ${cases.length} training cases can be used, but a batch needs ` +
          `${batchSize}. The warnings above say why. Correct the cases, or lower train.batchSize.`,
      );
    }
    if (parts.length < batchSize) continue;
    const whole = parts.flat();
    parts = [];
    const atEnd = cases.length - place.taken - 1 < batchSize;
    const next = atEnd
      ? { epoch: place.epoch + 1, taken: 0 }
      : { epoch: place.epoch, taken: place.taken + 1 };
    yield { epoch: place.epoch, cases: whole, next };
  }
}

/**
 * Patches as the arrays that a network takes, with checked labels.
 *
 * @throws DataError if a patch has no image or label, or has a label that the network has no class for.
 */
export function trainingBatch(cases: readonly Case[], classes: number, axes: ModelAxes): Batch {
  for (const { id, volumes } of cases) {
    const fault = gridFault({ id, files: {} }, volumes);
    if (fault) throw new DataError(`${fault} Bring them together with resampleToMatch.`);
  }
  const batch = collate(cases, ['image', 'label'], axes);
  const { data, dims } = batch.tensors['label'];
  const most = dims[1] === 1 ? Math.max(classes, 2) - 1 : 1;
  const each = data.length / cases.length;
  for (let i = 0; i < data.length; i++) {
    if (data[i] >= 0 && data[i] <= most && Number.isInteger(data[i])) continue;
    throw new DataError(
      `The label of ${cases[Math.floor(i / each)].id} has the value ${data[i]}, but the network has ` +
        `${classes} output channel(s), so labels must be whole numbers from 0 to ${most}. Raise ` +
        'out_channels of the network, or change the labels with mapLabels.',
    );
  }
  return batch;
}
