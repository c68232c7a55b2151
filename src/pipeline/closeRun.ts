import { messageOf } from '../errors.js';
import type { Sink } from '../sinks/define.js';
import type { Records } from './records.js';

/**
 * Closes the sinks and the records of a run. Returns one sentence for each file that could not be written,
 * e.g. on a full disk: the results of the cases are safe at this point, and the remaining files are still
 * written.
 */
export async function closeRun(
  { sinks, records }: { readonly sinks: readonly { readonly sink: Sink }[]; readonly records: Records },
  outcome: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const finished = records.finished();
  const problems: string[] = [];
  const closing = async (close: () => Promise<void> | undefined) => {
    try {
      await close();
    } catch (error) {
      problems.push(messageOf(error));
    }
  };
  for (const { sink } of sinks) await closing(() => sink.close?.(finished.map(({ id }) => id)));
  await closing(() => records.close(outcome));
  for (const { sink } of sinks) await closing(() => sink.finish?.(finished));
  return problems;
}
