import type { OrtHere } from './blockSize.js';

let known: OrtHere | undefined;

/** Returns what a thread reported with `reportOrt`. Otherwise ONNX Runtime is loaded to find out. */
export async function ortHere(): Promise<OrtHere> {
  if (!known) {
    const { findOrt } = await import('./blockSize.js');
    known = await findOrt();
  }
  return known;
}

/** Spares this thread from loading ONNX Runtime, because another thread did. */
export function reportOrt(found: OrtHere): void {
  known = found;
}
