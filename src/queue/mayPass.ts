import { memoryFault } from '../errors.js';
import { StepFailure } from '../pipeline/steps.js';
import { StorageFault } from '../storage/retry.js';

/** Codes of errors of a network file system, a network, a full disk or a lack of memory. */
const codes = new Set([
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTCONN',
  'ENOLINK',
  'EREMOTEIO',
  'EPIPE',
  'EAI_AGAIN',
  'EAGAIN',
  'EBUSY',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOSPC',
  'EDQUOT',
  'ERR_WORKER_OUT_OF_MEMORY',
]);

/** Whether the error of a case may be gone when the case is tried again. Bad input stays bad. */
export function mayPass(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one instanceof StepFailure ? one.reason : one.cause) {
    if (one instanceof StorageFault && one.passing) return true;
    if (codes.has((one as NodeJS.ErrnoException).code ?? '') || memoryFault(one) !== undefined) return true;
  }
  return false;
}
