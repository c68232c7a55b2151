import { diceCELoss, diceLoss, type Loss } from '../onnx/training/losses.js';
import { adam, adamw, novograd, type Optimizer, sgd } from '../onnx/training/optimizers.js';
import {
  cosineSchedule,
  polySchedule,
  type Schedule,
  stepSchedule,
  warmUp,
} from '../onnx/training/schedules.js';
import type { Choice, TrainBlock } from '../pipeline/trainBlock.js';

const losses: Readonly<Record<string, (options: object) => Loss>> = { diceCE: diceCELoss, dice: diceLoss };
const optimizers: Readonly<Record<string, (options: object) => Optimizer>> = { adam, adamw, novograd, sgd };

/** The loss that a training names. */
export function lossOf({ name, options }: Choice): Loss {
  return losses[name](options);
}

/** The optimizer that a training names. */
export function optimizerOf({ name, options }: Choice): Optimizer {
  return optimizers[name](options);
}

/** The options of all schedules, defaults filled in. */
interface ScheduleOptions {
  readonly per: 'epoch' | 'step';
  readonly warmUp: number;
  readonly warmUpFrom: number;
  readonly total?: number;
  readonly size: number;
  readonly gamma: number;
  readonly power: number;
  readonly low: number;
}

/**
 * The learning rate at an epoch and a step, both from 0 on. Where a schedule has no `total`, it takes the
 * whole training, its warm-up left out.
 *
 * @param steps The steps of the whole training.
 */
export function learningRateOf(
  { schedule, optimizer, epochs }: Pick<TrainBlock, 'schedule' | 'optimizer' | 'epochs'>,
  steps: number,
): (epoch: number, step: number) => number {
  const rate = optimizer.options['learningRate'] as number;
  const options = schedule.options as unknown as ScheduleOptions;
  const all = options.per === 'epoch' ? epochs : steps;
  const total = options.total ?? Math.max(1, all - options.warmUp);
  const schedules: Readonly<Record<string, () => Schedule>> = {
    constant: () => () => rate,
    step: () => stepSchedule(rate, options),
    poly: () => polySchedule(rate, { ...options, total }),
    cosine: () => cosineSchedule(rate, { ...options, total }),
  };
  const plain = schedules[schedule.name]();
  const whole =
    options.warmUp > 0 ? warmUp(plain, { length: options.warmUp, from: options.warmUpFrom }) : plain;
  return (epoch, step) => whole(options.per === 'epoch' ? epoch : step);
}
