// Runs a pipeline file on a dataset and prints what happens:
//
//   node dist/runPipeline.js PIPELINE DATASET OUTPUT
import { loadPipeline, runPipeline, VoxError } from 'voxstream';

const [file, dataset, output] = process.argv.slice(2);
if (!file || !dataset || !output) throw new Error('Usage: runPipeline.js PIPELINE DATASET OUTPUT');

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

try {
  // The same values as --set on the command line.
  const pipeline = await loadPipeline([file], { set: [`dataset=${dataset}`, `output=${output}`] });
  const { done, failed, failures } = await runPipeline(pipeline, {
    signal: stop.signal,
    resume: true,
    onEvent(event) {
      if (event.event === 'windows') console.log(`${event.case}: window ${event.done} of ${event.all}`);
      if (event.event === 'caseDone') console.log(`${event.case}: done in ${event.seconds.toFixed(1)} s`);
    },
  });
  for (const one of failures) console.error(`${one.case} failed at ${one.step}: ${one.message}`);
  console.log(`${done} done, ${failed} failed`);
} catch (error) {
  // A problem that a user can solve: its message is a sentence.
  if (!(error instanceof VoxError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
