import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { toErrorData } from '../runtime/threadError.js';
import type { TrainerReply, TrainerRequest, TrainerSetup } from './trainerMessages.js';
import { TrainerThread } from './trainerThread.js';

// The code of a training thread. Importing this module serves the thread's port, so only `new Worker` may
// load it.

async function serve(port: MessagePort, setup: TrainerSetup): Promise<void> {
  const reply = (message: TrainerReply) => port.postMessage(message);
  const thread = new TrainerThread(setup);
  try {
    await thread.open();
    reply({ kind: 'ready' });
  } catch (error) {
    reply({ kind: 'failed', error: toErrorData(error) });
    port.close();
    return;
  }
  port.on('message', async (request: TrainerRequest) => {
    try {
      reply(await thread.answer(request));
    } catch (error) {
      reply({ kind: 'failed', error: toErrorData(error) });
    }
  });
}

await serve(parentPort!, workerData as TrainerSetup);
