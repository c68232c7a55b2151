import * as ort from './ort.js';

/**
 * One `ReorderInput` of `com.microsoft.nchwc`, from x, float32 [1, 16, 1, 2], as an ONNX file: written out,
 * so that who asks `channelBlock` need not load what writes ONNX files.
 */
export const probeModel =
  'CAgSCXZveHN0cmVhbTqQAQpCCgF4EgxSZW9yZGVySW5wdXQaDFJlb3JkZXJJbnB1dCIMUmVvcmRlcklucHV0OhNjb20ubWljcm9zb2Z0Lm5jaHdj' +
  'EgVncmFwaFobCgF4EhYKFAgBEhAKAggBCgIIEAoCCAEKAggCYiYKDFJlb3JkZXJJbnB1dBIWChQIARIQCgIIAQoCCBAKAggBCgIIAkIECgAQEUIX' +
  'ChNjb20ubWljcm9zb2Z0Lm5jaHdjEAE=';

/**
 * How many channels ONNX Runtime's convolutions on this machine's processor hold together: 8 (AVX2), 16
 * (AVX-512), or 1 where it has no such kernels. Found by letting it reorder the numbers 0 to 31, two of each
 * of 16 channels.
 */
export async function channelBlock(): Promise<number> {
  const numbers = Float32Array.from({ length: 32 }, (_, i) => i);
  try {
    const session = await ort.InferenceSession.create(Buffer.from(probeModel, 'base64'), {
      logSeverityLevel: 4,
    });
    const result = await session.run({ x: new ort.Tensor('float32', numbers, [1, 16, 1, 2]) });
    await session.release();
    // Each channel's second number, 1 for the first, comes after all first numbers of its block.
    return (result[session.outputNames[0]].data as Float32Array).indexOf(1);
  } catch {
    return 1;
  }
}

/** ONNX Runtime on this machine, as far as forms of models depend on it. */
export interface OrtHere {
  /** See `channelBlock`. */
  readonly block: number;
  /** The versions of ONNX Runtime's parts. */
  readonly versions: Readonly<Record<string, string | undefined>>;
}

/** Finds out what `ortHere` returns. */
export async function findOrt(): Promise<OrtHere> {
  return { block: await channelBlock(), versions: { ...ort.env.versions } };
}
