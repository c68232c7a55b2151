import { statSync } from 'node:fs';
import { listNames, showBytes } from '../errors.js';
import type { ModelCard } from '../models/card.js';
import type { ModelFiles } from '../models/findModel.js';
import { fieldLines, shortPath, showDifference } from './terminal.js';

/** A model's card as lines of text: its name, then one line per field. */
export function cardLines(
  { file, sha256, card }: ModelFiles,
  more: readonly (readonly [name: string, value: string])[] = [],
): string[] {
  const { input, output, optimized } = card;
  const labels = Object.entries(card.labels).map(([number, name]) => `${number} ${name}`);
  const fields: [string, string | undefined][] = [
    ['about', card.description],
    ['intended use', card.intendedUse],
    ['license', card.license ?? textOf(card['copyright'])],
    ['training', card.training && trainingText(card.training)],
    ['network', card.network && networkText(card.network)],
    ['folds', card.nnunet && listNames(card.nnunet.folds.map(({ name }) => name))],
    ['labels', labels.join(', ') || undefined],
    [
      'input',
      joined([
        channels(input.channels),
        input.modality,
        input.valueRange && `values ${input.valueRange.join(' to ')}`,
      ]),
    ],
    [
      'input volume',
      joined([
        input.axcodes && `axes to ${input.axcodes}`,
        input.spacing && `voxels of ${input.spacing.join(' x ')} mm`,
      ]),
    ],
    ['preprocessing', input.preprocessing?.map(stepText).join(', ')],
    ['patch', input.patch && `${input.patch.join(' x ')} voxels`],
    ['output', joined([channels(output.channels), output.activation && `for ${output.activation}`])],
    ['axes', card.axes === 'xyz' ? 'xyz, as in MONAI' : 'zyx, as in nnU-Net and ITK'],
    [
      'optimized',
      optimized &&
        `for ${optimized.target}, ${optimized.precision}: ` +
          `${optimized.passes.join(', ') || 'no pass changes it'}; differs from the original by at most ` +
          `${showDifference(optimized.maxDifference)}`,
    ],
    ['file', `${shortPath(file)} (${showBytes(statSync(file).size)})`],
    ['SHA-256', sha256],
    ...more.map(([name, value]): [string, string] => [name, value]),
  ];
  const known = fields.filter((field): field is [string, string] => Boolean(field[1]));
  return [`${card.name}${card.version ? ` ${card.version}` : ''}`, ...fieldLines(known)];
}

function channels(count: number | undefined): string | undefined {
  return count === undefined ? undefined : count === 1 ? '1 channel' : `${count} channels`;
}

function joined(parts: readonly (string | undefined | false)[]): string | undefined {
  return parts.filter(Boolean).join(', ') || undefined;
}

function networkText({ type, ...parameters }: NonNullable<ModelCard['network']>): string {
  const list = Object.entries(parameters).map(([name, value]) => `${name}=${plain(value)}`);
  return `${type}(${list.join(', ')})`;
}

function trainingText(training: object): string {
  return Object.entries(training)
    .map(([name, value]) => `${name}: ${plain(value)}`)
    .join('; ');
}

function stepText(step: NonNullable<ModelCard['input']['preprocessing']>[number]): string {
  if (typeof step === 'string') return step;
  const [[name, options]] = Object.entries(step);
  const list = Object.entries(options ?? {}).map(([option, value]) => `${option} ${plain(value)}`);
  return list.length > 0 ? `${name} (${list.join(', ')})` : name;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value).replaceAll(',', ', ');
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
