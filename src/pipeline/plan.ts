import type { Case } from '../case.js';
import { listNames, messageOf, show, showBytes } from '../errors.js';
import { maskError, maskOf } from '../mask.js';
import { chooseDevice } from '../runtime/chooseDevice.js';
import { parseDevice } from '../runtime/device.js';
import { deviceSessions } from '../runtime/deviceSessions.js';
import type { Runtime } from '../runtime/runtime.js';
import { isRefused, type SourceItem } from '../sources/define.js';
import { checkNeeds } from './checkNeeds.js';
import { checkModels } from './checkRun.js';
import { describeOptions } from './describe.js';
import { autoInFlight } from './engine.js';
import { checkInputs, comparerFor, expectationLines } from './expectations.js';
import { fuseSteps } from './fuse.js';
import { isHere } from './localCase.js';
import { type Estimate, estimatorFor, memoryBudget } from './memory.js';
import { type Selection, selectCases } from './select.js';
import type { Pipeline } from './types.js';

/**
 * Describes what a run would do: cases, steps with their options, the output folder, and the memory of the
 * largest case. Opens the source and reads headers, but no voxels.
 */
export async function planText(pipeline: Pipeline, selection: Selection, runtime: Runtime): Promise<string> {
  const mask = maskOf(pipeline);
  try {
    return mask(await textOf(pipeline, selection, runtime));
  } catch (error) {
    throw maskError(mask, error);
  }
}

async function textOf(pipeline: Pipeline, selection: Selection, runtime: Runtime): Promise<string> {
  const notes: string[] = [];
  const onWarning = (message: string) => notes.push(message);
  const items = await selectCases(pipeline.source.built.open({ onWarning }), selection);
  checkNeeds(pipeline, items, onWarning);
  await checkModels(pipeline, runtime);
  const lines = [`Pipeline ${pipeline.name}, into ${pipeline.output}`];
  lines.push(`Source ${pipeline.source.definition.name}: ${items.length} case(s)`);
  for (const item of items.slice(0, 10)) {
    lines.push(
      isRefused(item)
        ? `  ${item.id}: refused. ${item.refused}`
        : `  ${item.id}: ${isHere(item) ? Object.keys(item.files).join(', ') : 'fetched when it starts'}`,
    );
  }
  if (items.length > 10) lines.push(`  … and ${items.length - 10} more`);
  lines.push(...notes.map((note) => `  Note: ${note}`));
  for (const [title, steps] of [
    ['Steps', pipeline.steps],
    ['Sinks', pipeline.sinks],
  ] as const) {
    if (steps.length > 0) lines.push(title);
    steps.forEach(({ id, definition, options }, i) => {
      const given = describeOptions(definition)
        .filter(({ name }) => options[name] !== undefined)
        .map(({ name }) => `${name} ${show(options[name])}`);
      const name = id === definition.name ? id : `${id} (${definition.name})`;
      lines.push(`  ${i + 1}. ${[name, given.join(', ')].filter(Boolean).join(': ')}`);
    });
  }
  const fused = fuseSteps(pipeline.steps, pipeline.fusions).filter(({ steps }) => steps.length > 1);
  for (const { steps } of fused) lines.push(`One pass: ${listNames(steps)}`);
  const { device, inFlight, workers } = pipeline.runtime;
  lines.push(
    `Runtime: device ${device}, ${inFlight === 'auto' ? autoInFlight(runtime) : inFlight} case(s) at once, ` +
      `workers ${workers}`,
    await memoryText(pipeline, items, runtime),
    ...(await modelMemory(pipeline, runtime)),
    ...(await expectationText(pipeline, items, runtime)),
  );
  return `${lines.join('\n')}\n`;
}

/**
 * Compares the first case with what models expect, as a strict run does.
 *
 * @throws OptionError if it differs.
 */
export async function checkStrictly(
  pipeline: Pipeline,
  selection: Selection,
  runtime: Runtime,
): Promise<void> {
  const onWarning = () => {};
  const items = await selectCases(pipeline.source.built.open({ onWarning }), selection);
  await checkInputs(await comparerFor(pipeline, runtime), items, { strict: true, onWarning });
}

/** What models expect and get, for the first case. */
async function expectationText(
  pipeline: Pipeline,
  items: readonly SourceItem[],
  runtime: Runtime,
): Promise<string[]> {
  const first = items.find(isHere);
  if (!first) return [];
  try {
    const compare = await comparerFor(pipeline, runtime);
    return compare ? expectationLines(await compare(first), `case ${first.id}`) : [];
  } catch {
    // What cannot be found or read is said where the memory is estimated.
    return [];
  }
}

/** The memory that models take on a CPU, beside what cases need. */
async function modelMemory(pipeline: Pipeline, runtime: Runtime): Promise<string[]> {
  const { device } = await chooseDevice(pipeline.runtime.device);
  if (parseDevice(device).provider !== 'cpu') return [];
  const lines = new Set<string>();
  for (const { built } of pipeline.steps) {
    for (const { model, needs } of (await built.expects?.(runtime)) ?? []) {
      const found = await needs();
      const sessions = deviceSessions(device, found);
      const [{ threads }] = sessions;
      const each = threads > 1 ? ` of ${threads} threads` : '';
      lines.add(
        found?.sessionBytes
          ? `Memory of ${model}: about ${showBytes(sessions.length * found.sessionBytes)} for weights and features, ` +
              `in ${sessions.length} session(s)${each}`
          : `Memory of ${model}: known after the first run, which rewrites it for this processor`,
      );
    }
  }
  return [...lines];
}

/** The memory that cases need and the memory they may use. */
async function memoryText(
  pipeline: Pipeline,
  items: readonly SourceItem[],
  runtime: Runtime,
): Promise<string> {
  const budget = memoryBudget(pipeline);
  const allowed =
    `Memory: ${showBytes(budget)} for open ` +
    `cases${pipeline.runtime.memory === 'auto' ? ' (half of the available memory)' : ''}`;
  let largest: (Estimate & Pick<Case, 'id'>) | undefined;
  let tooLarge = 0;
  let remote = 0;
  try {
    const estimate = await estimatorFor(pipeline, runtime);
    for (const item of items) {
      if (!isRefused(item) && !isHere(item)) remote++;
      const needed = isHere(item) ? await estimate(item) : undefined;
      if (needed && needed.bytes > budget) tooLarge++;
      if (needed && needed.bytes > (largest?.bytes ?? 0)) largest = { ...needed, id: item.id };
    }
  } catch (error) {
    return `${allowed}; the memory per case is unknown: ${messageOf(error)}`;
  }
  if (!largest) return remote > 0 ? `${allowed}; what a case needs is known once it is fetched` : allowed;
  const rest = tooLarge > 0 ? `; ${tooLarge} case(s) need more than that and would fail` : '';
  return (
    `${allowed}; the largest case, ${largest.id}, needs about ${showBytes(largest.bytes)} (in ` +
    `${largest.step})${rest}`
  );
}
