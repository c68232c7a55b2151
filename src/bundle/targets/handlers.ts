import { listNames } from '../../errors.js';
import type { Component } from '../config/component.js';
import { Dict, type Value } from '../language/values.js';
import { Args } from './args.js';
import { type ChosenPart, translateSchedule } from './learning.js';
import type { Problems } from './problems.js';

/** When and under which name `CheckpointSaver` writes the network's weights. */
export interface SaverTarget {
  readonly folder: string;
  /** `best`: when the key metric improves. `end`: after the training. `epoch`: every `interval` epochs. */
  readonly when: 'best' | 'end' | 'epoch';
  /** The file's name. Undefined: made from `prefix` and `name` as ignite does. */
  readonly file: string | undefined;
  readonly prefix: string;
  /** ignite's name of the checkpoint: the key of the only object, or `checkpoint`. */
  readonly name: string;
  readonly interval: number;
  /** How many files are kept. Undefined: all. */
  readonly kept: number | undefined;
  /** The key of the weights in the file. Undefined: the weights are all that the file holds. */
  readonly key: string | undefined;
  /** Whether a lower metric is better. */
  readonly lower: boolean;
}

/** A file of TensorBoard. */
export interface BoardTarget {
  readonly folder: string;
  /** The tag of the loss at each iteration. Undefined: not written. */
  readonly lossTag: string | undefined;
  /** Iterations between two values. */
  readonly every: number;
  /** Whether metrics are written after each epoch. */
  readonly metrics: boolean;
}

/** A validator and when it runs. */
export interface ValidationTarget {
  readonly validator: Component;
  readonly every: number;
  readonly atStart: boolean;
}

/** What handlers write. */
export interface Writers {
  readonly savers: readonly SaverTarget[];
  readonly boards: readonly BoardTarget[];
}

/** What the handlers of a trainer ask for. */
export interface TrainerHandlers extends Writers {
  readonly loaders: readonly Component[];
  readonly schedule: ChosenPart | undefined;
  readonly validation: ValidationTarget | undefined;
}

/** Handlers whose output is replaced by the progress that voxstream shows and the records that it keeps. */
const quiet = ['StatsHandler', 'GarbageCollector', 'MetricLogger', 'ProfileHandler'];

/** Handlers that leave files in MONAI and none here. */
const silent = ['TensorBoardImageHandler', 'LogfileHandler'];

/**
 * Translates the handlers of a trainer.
 *
 * @param network The trainer's network, as the configuration has it.
 * @param epochs Those of the training.
 */
export function translateTrainerHandlers(
  handlers: readonly Component[],
  { network, epochs, problems }: { network: Value | undefined; epochs: number; problems: Problems },
): TrainerHandlers {
  const named = (name: string) => handlers.filter((handler) => handler.name === name);
  const one = (name: string): Args | undefined => {
    const [first, second] = named(name).map((handler) => new Args(handler, problems));
    second?.problem('is a second one, but a training has one');
    return first;
  };
  const known = ['CheckpointLoader', 'CheckpointSaver', 'TensorBoardStatsHandler', 'LrScheduleHandler'];
  for (const handler of handlers) {
    if ([...known, ...quiet, ...silent, 'ValidationHandler'].includes(handler.name)) continue;
    problems.add(handler.id, `is ${handler.target}, a handler that has no counterpart in training`);
  }
  const scheduler = one('LrScheduleHandler');
  const validator = one('ValidationHandler');
  return {
    ...translateWriters(handlers, network, problems),
    loaders: named('CheckpointLoader'),
    schedule: scheduler && scheduleOf(scheduler, epochs),
    validation: validator && validationOf(validator),
  };
}

/** What the handlers of a trainer or of its validator write. */
export function translateWriters(
  handlers: readonly Component[],
  network: Value | undefined,
  problems: Problems,
): Writers {
  const named = (name: string) =>
    handlers.filter((handler) => handler.name === name).map((handler) => new Args(handler, problems));
  for (const { id, name } of handlers.filter((handler) => silent.includes(handler.name))) {
    problems.note(id, `(${name}) writes no file here`);
  }
  return {
    savers: named('CheckpointSaver').flatMap((args) => saversOf(args, network)),
    boards: named('TensorBoardStatsHandler').map(boardOf),
  };
}

function scheduleOf(args: Args, epochs: number): ChosenPart | undefined {
  args.ignore('print_lr', 'name');
  args.supports('step_transform');
  const perStep = !args.flag('epoch_level', true);
  const schedule = translateSchedule(args.made('lr_scheduler'), args, epochs, perStep);
  args.checkAllAsked();
  return schedule;
}

function saversOf(args: Args, network: Value | undefined): SaverTarget[] {
  const saved = args.value('save_dict');
  const entries = saved instanceof Dict ? saved.entries() : [];
  const key = entries.find(([, value]) => value === network)?.[0];
  if (key === undefined || key === null) {
    args.problem("needs save_dict with the trainer's network in it");
    return [];
  }
  const others = entries.filter(([other]) => other !== key).map(([other]) => String(other));
  if (others.length > 0) {
    args.problems.note(args.id, `(CheckpointSaver) saves the network alone here, not ${listNames(others)}`);
  }
  const common = {
    folder: args.text('save_dir', './'),
    prefix: args.text('file_prefix', ''),
    name: others.length > 0 ? 'checkpoint' : String(key),
    key: others.length > 0 ? String(key) : undefined,
    lower: args.flag('key_metric_negative_sign', false),
    interval: args.number('save_interval', 0),
  };
  args.ignore('name', 'key_metric_name', 'key_metric_save_state', 'key_metric_greater_or_equal');
  const best = args.text('key_metric_filename', undefined);
  const bestKept = args.number('key_metric_n_saved', 1);
  const end = args.text('final_filename', undefined);
  const kept = args.number('n_saved', undefined);
  const savers: SaverTarget[] = [];
  if (args.flag('save_key_metric', false))
    savers.push({ ...common, when: 'best', file: best, kept: bestKept });
  if (args.flag('save_final', false)) savers.push({ ...common, when: 'end', file: end, kept: undefined });
  if (common.interval > 0) {
    if (args.flag('epoch_level', true)) savers.push({ ...common, when: 'epoch', file: undefined, kept });
    else args.problem('saves every some iterations (epoch_level false), but only epochs are counted here');
  } else args.ignore('epoch_level');
  args.checkAllAsked();
  return savers;
}

function boardOf(args: Args): BoardTarget {
  const writer = args.value('summary_writer');
  if (writer !== undefined) args.problem('has a summary_writer, which is not supported; give log_dir');
  args.ignore('output_transform', 'global_epoch_transform', 'epoch_interval');
  args.supports('epoch_event_writer');
  args.supports('iteration_event_writer');
  args.supports('state_attributes');
  const board = {
    folder: args.text('log_dir', './runs'),
    lossTag: args.flag('iteration_log', true) ? args.text('tag_name', 'Loss') : undefined,
    every: args.number('iteration_interval', 1),
    metrics: args.flag('epoch_log', true),
  };
  args.ignore('tag_name');
  args.checkAllAsked();
  return board;
}

function validationOf(args: Args): ValidationTarget | undefined {
  if (!args.flag('epoch_level', true)) {
    args.problem('validates every some iterations (epoch_level false), but only epochs are counted here');
  }
  const validator = args.made('validator');
  if (!validator) args.problem('has no validator');
  const target = validator && {
    validator,
    every: args.number('interval', 1),
    atStart: args.flag('exec_at_start', false),
  };
  args.checkAllAsked();
  return target;
}
