import { firstValueFrom, type OperatorFunction, of } from 'rxjs';
import * as assert from 'uvu/assert';
import type { Case } from '#src/case.js';
import { OptionError, unknownName } from '#src/errors.js';
import { operators } from '#src/operators/index.js';
import { sayFault } from '#src/options.js';
import type { Runtime } from '#src/runtime/runtime.js';

/** A step as pipeline files write it: an operator's name, or a map from it to its options. */
export type Step = string | Readonly<Record<string, unknown>>;

/**
 * Sends one case through the steps, an RxJS pipe of the public operators. Throws OptionError with the number
 * of the step if there is no such operator, or if it has no such option.
 */
export async function runSteps(subject: Case, steps: readonly Step[], runtime: Runtime): Promise<Case> {
  let stream = of(subject);
  for (const [i, step] of steps.entries()) stream = stream.pipe(buildStep(step, i, runtime));
  return firstValueFrom(stream);
}

function buildStep(step: Step, place: number, runtime: Runtime): OperatorFunction<Case, Case> {
  const [name, options] = typeof step === 'string' ? [step, {}] : Object.entries(step)[0];
  const definition = operators.find((known) => known.name === name);
  if (!definition) {
    const names = operators.map((known) => known.name);
    throw new OptionError(`Step ${place + 1}: ${unknownName('operator', name, names)}`);
  }
  const { built, faults } = definition.configure(options);
  if (!built) throw new OptionError(faults.map((fault) => sayFault(name, fault)).join('\n'));
  return built.create({ id: `${place + 1} ${name}`, runtime });
}

/** Sends one case through an operator in a plain RxJS pipe. */
export function through(operator: OperatorFunction<Case, Case>, subject: Case): Promise<Case> {
  return firstValueFrom(of(subject).pipe(operator));
}

/** Asserts that building an operator throws an OptionError with this message. */
export function refused(build: () => unknown, message: string | RegExp): void {
  assert.throws(build, (error: Error) => {
    assert.instance(error, OptionError);
    if (typeof message === 'string') assert.is(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}
