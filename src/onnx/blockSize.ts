import * as ort from 'onnxruntime-node';
import { Graph } from './graph.js';
import { writeModel } from './modelFile.js';
import { nchwc } from './slices/values.js';

/**
 * How many channels ONNX Runtime's convolutions on this machine's processor hold together: 8 (AVX2), 16 (AVX-512), or 1
 * where it has no such kernels. Found by letting it reorder the numbers 0 to 31, two of each of 16 channels.
 */
export async function channelBlock(): Promise<number> {
  const graph = new Graph({ domains: { [nchwc]: 1 } });
  graph.addInput('x', 'float32', [1, 16, 1, 2]);
  graph.addOutput(graph.addNode('ReorderInput', ['x'], {}, { domain: nchwc }), 'float32', [1, 16, 1, 2]);
  const numbers = Float32Array.from({ length: 32 }, (_, i) => i);
  try {
    const session = await ort.InferenceSession.create(writeModel(graph), { logSeverityLevel: 4 });
    const result = await session.run({ x: new ort.Tensor('float32', numbers, [1, 16, 1, 2]) });
    await session.release();
    // Each channel's second number, 1 for the first, comes after all first numbers of its block.
    return (result[session.outputNames[0]].data as Float32Array).indexOf(1);
  } catch {
    return 1;
  }
}
