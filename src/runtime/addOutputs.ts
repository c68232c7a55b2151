import { CellSums } from '../volume/cellSums.js';
import type { Vec3 } from '../volume/volume.js';
import { WholeSums } from '../volume/wholeSums.js';
import { awaitTurn, Control, type InferenceJob, isTurn, passTurn } from './inferenceJob.js';

/** Adds a model's outputs to the result of a job, which several threads do together. */
export interface OutputAdder {
  /** The first voxel of the window of a step. */
  start(step: number): Vec3;
  /**
   * Adds the outputs for the windows from step `first` on, blocking the thread until it is their turn.
   * Returns false for an abandoned job.
   */
  add(first: number, outputs: readonly Float32Array[]): boolean;
}

export function outputAdder(job: InferenceJob): OutputAdder {
  const { result, control } = job;
  if (!('out' in result)) return inOrder(new CellSums({ ...job, ...result }), control);
  return slabBySlab(new WholeSums({ ...job, ...result }), control);
}

/** Adds windows one after the other. */
function inOrder(sums: CellSums, control: Int32Array): OutputAdder {
  return {
    start: (step) => sums.start(step),
    add(first, outputs) {
      if (!awaitTurn(control, Control.added, first)) return false;
      for (const [i, values] of outputs.entries()) sums.add(first + i, values);
      passTurn(control, Control.added, first + outputs.length);
      return true;
    },
  };
}

/** The part of a window's output that is in one slab. */
interface Part {
  readonly step: number;
  readonly slab: number;
  readonly values: Float32Array;
}

/**
 * Adds windows slab by slab. A GPU finishes windows faster than one thread adds them, so several threads add
 * at once, each to other slabs.
 */
function slabBySlab(sums: WholeSums, control: Int32Array): OutputAdder {
  const element = ({ slab }: Part) => Control.slabs + slab;
  const turn = ({ step, slab }: Part) => sums.turn(step, slab);
  return {
    start: (step) => sums.start(step),
    add(first, outputs) {
      const parts: Part[] = outputs.flatMap((values, i) => {
        const { start, end } = sums.slabs(first + i);
        return Array.from({ length: end - start }, (_, k) => ({ step: first + i, slab: start + k, values }));
      });
      // Lowest slab first, and in a slab the earliest window. When every window before these is added, it is
      // the turn of the first part, so a thread that waits for that part never blocks the others for good.
      parts.sort((a, b) => a.slab - b.slab || a.step - b.step);
      while (parts.length > 0) {
        const ready = parts.findIndex((part) => isTurn(control, element(part), turn(part)));
        if (ready < 0) {
          if (!awaitTurn(control, element(parts[0]), turn(parts[0]))) return false;
          continue;
        }
        const [part] = parts.splice(ready, 1);
        sums.add(part.step, part.slab, part.values);
        passTurn(control, element(part), turn(part) + 1);
      }
      Atomics.add(control, Control.added, outputs.length);
      return true;
    },
  };
}
