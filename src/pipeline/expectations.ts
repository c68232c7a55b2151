import type { Case } from '../case.js';
import { DataError, OptionError, show } from '../errors.js';
import { readGrid } from '../formats/index.js';
import type { ModelInput } from '../operators/define.js';
import type { Forecast, Forecaster, VolumeForecast } from '../operators/forecast.js';
import type { PlacedStep } from '../operators/fusion.js';
import type { Runtime } from '../runtime/runtime.js';
import type { SourceItem } from '../sources/define.js';
import { spacingOf } from '../volume/affine.js';
import { axcodesOf } from '../volume/orientation.js';
import { isHere } from './localCase.js';
import { StepFailure } from './steps.js';
import type { Pipeline } from './types.js';

/** What a model's card says about its input, beside what the steps deliver. */
export interface Comparison {
  /** The id of the step that runs the model. */
  readonly step: string;
  readonly model: string;
  readonly what: string;
  readonly expects: string;
  readonly gets: string;
  readonly same: boolean;
  /** Whether it is compared when a case has been read. */
  readonly later?: true;
}

/** Compares what the models of a pipeline expect with what the steps make of a case. */
export type Comparer = (subject: Case) => Promise<readonly Comparison[]>;

/** How far a voxel size may be from the one that a model expects, as a fraction of it. */
const spacingTolerance = 0.02;

/**
 * Returns the comparer of a pipeline; undefined if no card says anything that can be compared.
 *
 * @throws ModelError if a model cannot be found.
 */
export async function comparerFor({ steps }: Pipeline, runtime: Runtime): Promise<Comparer | undefined> {
  const stages: Stage[] = [];
  for (const [at, step] of steps.entries()) {
    stages.push({
      id: step.id,
      before: steps.slice(0, at),
      expected: (await step.built.expects?.(runtime)) ?? [],
      forecast: await step.built.forecast?.(runtime),
    });
  }
  const says = ({ input }: ModelInput) =>
    Boolean(input.spacing || input.axcodes || input.channels || input.valueRange || input.preprocessing);
  if (!stages.some(({ expected }) => expected.some(says))) return undefined;
  return async ({ files }) => {
    const grids = Object.entries(files).map(async ([key, file]) => [key, await readGrid(file)] as const);
    let state: Forecast = { files: Object.fromEntries(await Promise.all(grids)), volumes: {}, peak: 0 };
    const found: Comparison[] = [];
    for (const { id, before, expected, forecast } of stages) {
      for (const { key, model, input } of expected) {
        const rows = [...compareGrid(state.volumes[key], input), ...compareSteps(before, input)];
        found.push(...rows.map((row) => ({ step: id, model, ...row })));
      }
      state = forecast?.(state) ?? state;
    }
    return found;
  };
}

interface Stage {
  readonly id: string;
  readonly before: readonly PlacedStep[];
  readonly expected: readonly ModelInput[];
  readonly forecast: Forecaster | undefined;
}

type Row = Omit<Comparison, 'step' | 'model'>;

/** A sentence about a difference. `of` says of what, e.g. `case ct_1`. */
export function differenceText({ step, model, what, expects, gets }: Comparison, of: string): string {
  return (
    `The model ${model} (${step}) expects ${what} ${expects}, but it gets ${gets} (${of}). The results may be ` +
    'wrong. Change the steps before it, or correct input on its card.'
  );
}

function compareGrid(volume: VolumeForecast | undefined, input: ModelInput['input']): Row[] {
  if (!volume) return [];
  const rows: Row[] = [];
  if (input.axcodes) {
    const gets = axcodesOf(volume.affine);
    rows.push({ what: 'orientation', expects: input.axcodes, gets, same: gets === input.axcodes });
  }
  const expected = input.spacing;
  if (expected) {
    const spacing = spacingOf(volume.affine);
    rows.push({
      what: 'voxel size',
      expects: sizeText(expected),
      gets: sizeText(spacing),
      same: spacing.every((mm, axis) => isNear(mm, expected[axis], volume.size[axis])),
    });
  }
  if (input.channels) {
    const [expects, gets] = [input.channels, volume.channels];
    rows.push({
      what: 'channel count',
      expects: String(expects),
      gets: String(gets),
      same: expects === gets,
    });
  }
  if (input.valueRange) {
    const expects = input.valueRange.join(' to ');
    rows.push({ what: 'values', expects, gets: '', same: true, later: true });
  }
  return rows;
}

/** Whether `n` voxels of `mm` are as long as expected, or no other number of voxels would be nearer. */
function isNear(mm: number, expected: number, n: number): boolean {
  const ratio = mm / expected;
  return Math.abs(ratio - 1) <= spacingTolerance || Math.abs(ratio * n - n) <= 0.5;
}

function sizeText(mm: readonly number[]): string {
  return `${mm.map((length) => Number(length.toPrecision(4))).join(' x ')} mm`;
}

/**
 * Operators whose result is compared instead of their options, or that only choose the part of the volume
 * that is processed.
 */
const comparedByResult = new Set([
  'load',
  'orient',
  'spacing',
  'resampleToMatch',
  'cropForeground',
  'cropNonzero',
  'centerCrop',
  'spatialCrop',
  'spatialPad',
  'divisiblePad',
  'borderPad',
]);

/** Options that say which volumes a step works on, not how. */
const whereOptions = new Set(['keys', 'key']);

/** Compares the steps that change intensities with those on the card. */
function compareSteps(before: readonly PlacedStep[], { preprocessing = [] }: ModelInput['input']): Row[] {
  return preprocessing.flatMap((step): Row[] => {
    const [name, given] = typeof step === 'string' ? [step, {}] : Object.entries(step)[0];
    if (comparedByResult.has(name)) return [];
    const what = `step ${name}`;
    const placed = before.filter(({ definition }) => definition.name === name);
    const options = Object.entries(given ?? {}).filter(([option]) => !whereOptions.has(option));
    const expects = optionsText(options);
    if (placed.length === 0) return [{ what, expects, gets: 'no such step', same: false }];
    // The definition fills in defaults and short forms.
    const wanted = placed[0].definition.configure(given ?? {}).options ?? given ?? {};
    const names = options.map(([option]) => option);
    const differs = (one: PlacedStep) =>
      names.filter((option) => JSON.stringify(one.options[option]) !== JSON.stringify(wanted[option]));
    const same = placed.some((one) => differs(one).length === 0);
    const gets = optionsText(names.map((option): [string, unknown] => [option, placed[0].options[option]]));
    return [{ what, expects, gets: same ? expects : gets, same }];
  });
}

function optionsText(options: readonly (readonly [string, unknown])[]): string {
  return options.length === 0 ? 'without options' : show(Object.fromEntries(options), 300);
}

/**
 * Checks a case before it is opened. Throws StepFailure in a strict run if it is not what a model expects.
 */
export type InputCheck = (subject: Case) => Promise<void>;

/**
 * Checks the first case, and returns the check for the others. A difference is reported once for each step
 * and property, unless `strict` refuses it.
 *
 * @throws OptionError if `strict` is set and the first case is not what a model expects.
 */
export async function checkInputs(
  compare: Comparer | undefined,
  items: readonly SourceItem[],
  { strict = false, onWarning }: { readonly strict?: boolean; readonly onWarning: (text: string) => void },
): Promise<InputCheck> {
  if (!compare) return async () => {};
  const reported = new Set<string>();
  const differences = async (subject: Case) => {
    // Headers that cannot be read fail their case later, with the reason.
    const rows = await compare(subject).catch(() => []);
    return rows.filter(({ same }) => !same);
  };
  const first = items.find(isHere);
  if (strict && first) {
    const found = await differences(first);
    if (found.length > 0) {
      const sentences = found.map((one) => differenceText(one, `case ${first.id}`));
      throw new OptionError([...sentences, 'Nothing was started, because of --strict.'].join('\n'));
    }
  }
  return async (subject) => {
    for (const difference of await differences(subject)) {
      const text = differenceText(difference, `case ${subject.id}`);
      if (strict) throw new StepFailure(difference.step, new DataError(text));
      const key = `${difference.step} ${difference.model} ${difference.what}`;
      if (!reported.has(key)) onWarning(text);
      reported.add(key);
    }
  };
}

/** The lines of a plan that compare what models expect with what they get. */
export function expectationLines(rows: readonly Comparison[], of: string): string[] {
  const models = [...new Set(rows.map(({ step, model }) => `${model} (${step})`))];
  return models.flatMap((name) => [
    `Model ${name}, for ${of}`,
    ...rows
      .filter(({ step, model }) => `${model} (${step})` === name)
      .map(({ what, expects, gets, same, later }) => {
        if (later) return `  ${what}: expects ${expects}; checked in each case`;
        return same ? `  ${what}: ${expects}, as expected` : `  ${what}: expects ${expects}, gets ${gets}`;
      }),
  ]);
}
