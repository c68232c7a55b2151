import { listNames, OptionError } from '../errors.js';
import { isMetric } from '../operators/defineMetric.js';
import type { PlacedStep } from '../operators/fusion.js';
import { operators } from '../operators/index.js';
import { load } from '../operators/load.js';
import { isRefused, isRemote, type SourceItem } from '../sources/define.js';
import type { UsedPackage } from './registry.js';
import type { Pipeline } from './types.js';

/**
 * Compares what metrics need with the files of the cases, before any case is read.
 *
 * @param onWarning Called for cases that will fail, for a pipeline that saves nothing, and for built-in
 * definitions that a package replaces.
 * @throws OptionError if a metric has no reference in any case.
 */
export function checkNeeds(
  { steps, sinks, train, packages }: Pipeline,
  items: readonly SourceItem[],
  onWarning: (message: string) => void,
): void {
  warnOfReplaced(packages, onWarning);
  if (sinks.length === 0 && !train) {
    onWarning('The pipeline has no sinks, so it saves no results. Add one, e.g. nifti or metricsCsv.');
  }
  // What a remote case has is known once it is fetched.
  const cases = items.flatMap((item) => (isRefused(item) || isRemote(item) ? [] : [item]));
  if (cases.length < items.filter((item) => !isRefused(item)).length) return;
  const lacks = new Map<string, { ids: string[]; metrics: string[] }>();
  const optional = new Map<string, { ids: string[]; metrics: string[] }>();
  for (const [at, { id, definition, options }] of steps.entries()) {
    const key = options['label'];
    if (!isMetric(definition) || typeof key !== 'string') continue;
    if (!definition.needsReference || steps.slice(0, at).some((step) => mayMake(step, key))) continue;
    const ids = cases.filter(({ files }) => !(key in files)).map((subject) => subject.id);
    const list = options['optional'] === true ? optional : lacks;
    const found = list.get(key);
    if (found) found.metrics.push(id);
    else if (ids.length > 0) list.set(key, { ids, metrics: [id] });
  }
  for (const [key, { ids, metrics }] of optional) {
    const measured = cases.length - ids.length;
    onWarning(
      `${listNames(metrics)} will be measured in ${measured} of ${cases.length} cases: the others have no ${key}.`,
    );
  }
  for (const [key, { ids, metrics }] of lacks) {
    const needed = `${listNames(metrics)} ${metrics.length === 1 ? 'needs' : 'need'} ${key}`;
    const advice = `Remove the metrics, e.g. with --set ${metrics[0]}.disabled=true, or set optional: true.`;
    if (ids.length === cases.length) {
      throw new OptionError(`${needed}, but none of the ${ids.length} case(s) has such a file. ${advice}`);
    }
    onWarning(
      `${needed}, but ${ids.length} of ${cases.length} cases have no such file and will fail after their volumes are ` +
        `written: ${listNames(ids.slice(0, 5))}${ids.length > 5 ? ' and others' : ''}. ${advice}`,
    );
  }
}

/** Warns of built-in definitions that packages replace, because a pipeline then gives other results. */
export function warnOfReplaced(packages: readonly UsedPackage[], onWarning: (message: string) => void): void {
  for (const { use, replaces = [] } of packages) {
    if (replaces.length > 0) onWarning(`${use} (--use) replaces what is built in: ${listNames(replaces)}.`);
  }
}

/**
 * Whether a step may make a volume, because its options name it or because it comes from a package. `load`
 * reads files only.
 */
function mayMake({ definition, options }: PlacedStep, key: string): boolean {
  return definition !== load && (!operators.includes(definition) || names(options, key));
}

function names(value: unknown, key: string): boolean {
  if (typeof value === 'string') return value === key;
  return typeof value === 'object' && value !== null && Object.values(value).some((one) => names(one, key));
}
