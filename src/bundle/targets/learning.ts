import type { Component } from '../config/component.js';
import { Args } from './args.js';
import { given, type Options } from './translator.js';

/** A loss, an optimizer or a schedule of voxstream: its name and its options. */
export interface ChosenPart {
  readonly name: string;
  readonly options: Options;
}

type Reader = (args: Args) => ChosenPart;

const dice = (args: Args) => {
  args.supports('other_act');
  args.supports('reduction', 'mean', 'sum');
  return given({
    includeBackground: args.flag('include_background', true),
    toOnehotY: args.flag('to_onehot_y', false),
    sigmoid: args.flag('sigmoid', false),
    softmax: args.flag('softmax', false),
    squaredPred: args.flag('squared_pred', false),
    jaccard: args.flag('jaccard', false),
    reduction: args.text('reduction', 'mean'),
    smoothNr: args.number('smooth_nr', 1e-5),
    smoothDr: args.number('smooth_dr', 1e-5),
    batch: args.flag('batch', false),
  });
};

const weights = (args: Args, ...names: readonly string[]) => {
  const values = names.map((name) => args.numbers(name)).filter((value) => value !== undefined);
  return values.at(0);
};

const losses: Readonly<Record<string, Reader>> = {
  DiceLoss: (args) => ({ name: 'dice', options: given({ ...dice(args), weight: weights(args, 'weight') }) }),
  DiceCELoss: (args) => {
    args.supports('label_smoothing', 0);
    return {
      name: 'diceCE',
      options: given({
        ...dice(args),
        lambdaDice: args.number('lambda_dice', 1),
        lambdaCe: args.number('lambda_ce', 1),
        weight: weights(args, 'weight', 'ce_weight'),
      }),
    };
  },
  DiceFocalLoss: (args) => {
    args.supports('alpha');
    return {
      name: 'diceFocal',
      options: given({
        ...dice(args),
        gamma: args.number('gamma', 2),
        lambdaDice: args.number('lambda_dice', 1),
        lambdaFocal: args.number('lambda_focal', 1),
        weight: weights(args, 'weight', 'focal_weight'),
      }),
    };
  },
};

const adam = (args: Args) => ({
  learningRate: args.number('lr', 1e-3),
  betas: args.numbers('betas'),
  eps: args.number('eps', 1e-8),
});

/** How PyTorch does the same arithmetic. */
const ways = ['foreach', 'capturable', 'differentiable', 'fused', 'maximize'];

const optimizers: Readonly<Record<string, Reader>> = {
  Adam: (args) => {
    args.supports('amsgrad', false);
    return { name: 'adam', options: given({ ...adam(args), weightDecay: args.number('weight_decay', 0) }) };
  },
  AdamW: (args) => {
    args.supports('amsgrad', false);
    const weightDecay = args.number('weight_decay', 0.01);
    return { name: 'adamw', options: given({ ...adam(args), weightDecay }) };
  },
  SGD: (args) => {
    args.supports('dampening', 0);
    return {
      name: 'sgd',
      options: given({
        learningRate: args.number('lr', 1e-3),
        momentum: args.number('momentum', 0),
        nesterov: args.flag('nesterov', false),
        weightDecay: args.number('weight_decay', 0),
      }),
    };
  },
  Novograd: (args) => ({
    name: 'novograd',
    options: given({
      ...adam(args),
      weightDecay: args.number('weight_decay', 0),
      gradAveraging: args.flag('grad_averaging', false),
      amsgrad: args.flag('amsgrad', false),
    }),
  }),
};

const schedules: Readonly<Record<string, Reader>> = {
  StepLR: (args) => ({
    name: 'step',
    options: given({ size: args.number('step_size', undefined), gamma: args.number('gamma', 0.1) }),
  }),
  ExponentialLR: (args) => ({
    name: 'step',
    options: given({ size: 1, gamma: args.number('gamma', undefined) }),
  }),
  CosineAnnealingLR: (args) => ({
    name: 'cosine',
    options: given({ total: args.number('T_max', undefined), low: args.number('eta_min', 0) }),
  }),
  PolynomialLR: (args) => ({
    name: 'poly',
    options: given({ total: args.number('total_iters', 5), power: args.number('power', 1) }),
  }),
  WarmupCosineSchedule: (args) => {
    args.supports('cycles', 0.5);
    args.supports('end_lr', 0);
    const warmUp = args.number('warmup_steps', 0);
    const total = args.number('t_total', undefined);
    return {
      name: 'cosine',
      options: given({
        warmUp,
        total: total === undefined ? undefined : total - warmUp,
        warmUpFrom: args.number('warmup_multiplier', 0),
      }),
    };
  },
};

/** A loss of MONAI. Undefined, with a problem, if it has no counterpart. */
export const translateLoss = (component: Component | undefined, engine: Args): ChosenPart | undefined =>
  translate('loss_function', losses, component, engine);

/** An optimizer of PyTorch or MONAI. */
export const translateOptimizer = (component: Component | undefined, engine: Args): ChosenPart | undefined =>
  translate('optimizer', optimizers, component, engine);

/**
 * A learning-rate schedule.
 *
 * @param epochs Those of the training: behind the end of a cosine, PyTorch raises the rate again.
 */
export function translateSchedule(
  component: Component | undefined,
  handler: Args,
  epochs: number,
  perStep: boolean,
): ChosenPart | undefined {
  const found = translate('lr_scheduler', schedules, component, handler);
  if (!found || !component) return undefined;
  const { total, warmUp } = found.options;
  if (found.name === 'cosine' && !perStep && Number(total) + Number(warmUp ?? 0) < epochs) {
    handler.problems.add(
      component.id,
      `(${component.name}) ends after ${String(total)} epochs, but the training has ${epochs}: the rate would rise again`,
    );
  }
  return perStep ? { ...found, options: { ...found.options, per: 'step' } } : found;
}

function translate(
  argument: string,
  known: Readonly<Record<string, Reader>>,
  component: Component | undefined,
  { id, component: engine, problems }: Args,
): ChosenPart | undefined {
  if (!component) {
    problems.add(id, `(${engine.name}) has no ${argument}`);
    return undefined;
  }
  if (!Object.hasOwn(known, component.name)) {
    const names = Object.keys(known).join(', ');
    problems.add(component.id, `is ${component.target}, which has no counterpart; known are ${names}`);
    return undefined;
  }
  const args = new Args(component, problems);
  args.ignore('params', 'optimizer', 'last_epoch', 'verbose', ...ways);
  args.supports('maximize', false);
  const part = known[component.name](args);
  args.checkAllAsked();
  return part;
}
