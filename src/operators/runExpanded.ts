import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import { OptionError } from '../errors.js';
import { sayFault } from '../options.js';
import type { ExpandedStep, StepContext } from './define.js';

/** The operator of steps that another step stands for, for use without the engine. */
export function runExpanded(
  steps: readonly ExpandedStep[],
  context: StepContext,
): OperatorFunction<Case, Case> {
  const operators = steps.map((step) => built(step, context));
  return (source) => operators.reduce((stream, operator) => stream.pipe(operator), source);
}

function built({ definition, options }: ExpandedStep, context: StepContext): OperatorFunction<Case, Case> {
  const configured = definition.configure(options);
  if (configured.built)
    return configured.built.create({ ...context, id: `${context.id}_${definition.name}` });
  throw new OptionError(configured.faults.map((fault) => sayFault(definition.name, fault)).join('\n'));
}
