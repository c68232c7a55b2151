import { OptionError } from '../errors.js';
import type { Engine } from '../pipeline/engine.js';
import { version } from '../version.js';
import type { RunSpec } from './spec.js';

/** Throws OptionError if this version of voxstream is not the one that a run was submitted with. */
export function checkVersion({ name, version: submitted }: RunSpec): void {
  if (submitted === version) return;
  throw new OptionError(
    `The run ${name} was submitted by voxstream ${submitted}, but this worker is voxstream ${version}. Results of two ` +
      'versions must not be mixed: install the same version, or submit the run again.',
  );
}

/** Throws OptionError if the pipeline of a worker, or a model, is not the one that was submitted. */
export function checkSame(
  { name, identity, models: submitted }: RunSpec,
  engine: Pick<Engine, 'identity' | 'models'>,
): void {
  if (engine.identity === identity) return;
  for (const model of engine.models) {
    const other = submitted.find((one) => one.name === model.name);
    if (!other) continue;
    if (other.sha256 !== model.sha256) {
      throw new OptionError(
        `The model ${model.name} of this worker is not the one that the run ${name} was submitted with: its SHA-256 is ` +
          `${model.sha256}, but ${other.sha256} was submitted. Put the same file on all machines.`,
      );
    }
    if (other.card !== model.card) {
      throw new OptionError(
        `The card of the model ${model.name} (metadata.json) of this worker is not the one that the run ${name} was ` +
          'submitted with. Put the same file on all machines.',
      );
    }
  }
  throw new OptionError(
    `The pipeline of the run ${name} has other options on this worker than where it was submitted. Do environment ` +
      'variables that it uses (${env.NAME}), or packages given with --use, differ between the machines?',
  );
}
