import { ModelError } from '../errors.js';
import { channelBlock } from './blockSize.js';
import type { Graph } from './graph.js';
import { hasLoop } from './loops.js';
import { readModel, writeModel } from './modelFile.js';
import * as ort from './ort.js';
import { bindSizes } from './passes/bindSizes.js';
import { convTransposePhases } from './passes/convTransposePhases.js';
import { delayShuffle } from './passes/delayShuffle.js';
import { dropIdentity } from './passes/dropIdentity.js';
import { foldBatchNorm } from './passes/foldBatchNorm.js';
import { foldConstants } from './passes/foldConstants.js';
import { foldResidual } from './passes/foldResidual.js';
import { halfPrecision } from './passes/halfPrecision.js';
import { mergeConvs } from './passes/mergeConvs.js';
import { permuteAxes } from './passes/permuteAxes.js';
import { lowerPixelShuffle } from './passes/pixelShuffle.js';
import { preciseNorms } from './passes/preciseNorms.js';
import { preluToLeakyRelu } from './passes/preluToLeakyRelu.js';
import { reserveMemory } from './passes/reserveMemory.js';
import { sliceConvs } from './passes/sliceConvs.js';
import { differenceHead, headKey, twoClassHead } from './passes/twoClassHead.js';
import { ungroupConvs } from './passes/ungroupConvs.js';
import { sessionBytes } from './sessionBytes.js';
import { inferShapes, type Shapes, windowDims } from './shapes.js';
import type { LayerCosts } from './slices/costs.js';
import { sizeOf } from './tensor.js';

export interface OptimizeOptions {
  /** Where the model will run: each has its own form that is fastest. */
  readonly target: 'cpu' | 'webgpu' | 'cuda';
  /**
   * Sizes of the windows, in the order of the axes of the model as it is given: the rewritten one takes no
   * others.
   */
  readonly roiSize: readonly [number, number, number];
  /**
   * `reverse` makes a model that reads [N, C, X, Y, Z] one that reads [N, C, Z, Y, X] (or the other way
   * round), which spares the transposition of every window where volumes lie the other way. Default: `keep`.
   */
  readonly axes?: 'keep' | 'reverse';
  /**
   * `float16` computes with half the bits, for `webgpu` and `cuda`; inputs and outputs stay float32. Default:
   * `float32`.
   */
  readonly precision?: 'float32' | 'float16';
  /**
   * `difference` lets a model of two classes give one channel d that stands for the logits (0, d), for a
   * softmax or argmax that follows; see `twoClassHead`. Default: `logits`, the output as it was.
   */
  readonly head?: 'logits' | 'difference';
  /** For `cpu`: what parts of a layer cost there. Default: the costs on a usual processor. */
  readonly costs?: LayerCosts;
}

export interface OptimizedModel {
  readonly bytes: Uint8Array;
  /** Names of the passes that changed something, in order. */
  readonly passes: readonly string[];
  /**
   * The largest difference of its output from the original's, on random windows. For `cpu`, the original is
   * computed with precise normalizations.
   */
  readonly maxDifference: number;
  /** For `cpu`: about how many bytes a session takes for the model; see `sessionBytes`. */
  readonly sessionBytes?: number;
  /** Channels of the original's output. */
  readonly outputChannels: number;
}

type Pass = readonly [name: string, run: (graph: Graph) => Graph];

/**
 * The most output slices per tile of Winograd's algorithm, largest first. The fastest that keeps the output
 * within `tileTolerance` is used, or the last.
 */
const tiles = [6, 4, 2] as const;

/** The most that an output may differ, as a share of the largest output. */
const tileTolerance = 1e-5;

/**
 * Rewrites a model for the device it will run on, and compares it with the original on the CPU, on windows of
 * random numbers from 0 to 1. Parts of a model that no pass knows stay as they are. A form for `cpu` takes
 * one window at a time, unless the model declares another batch.
 *
 * @param file The model's name, for messages.
 * @throws ModelError when the model cannot be read, has a `Loop`, does not take such windows, or returns
 * numbers that are not finite; also when float16 is requested for a CPU, or does not suit the model.
 */
export async function optimizeModel(
  bytes: Uint8Array,
  options: OptimizeOptions,
  file?: string,
): Promise<OptimizedModel> {
  const original = readModel(bytes, file);
  if (hasLoop(original)) {
    // It would have to be run, to be compared. A thread cannot be stopped while ONNX Runtime works in it.
    throw new ModelError(
      `${file ?? 'The model'} has a Loop, which may run forever; such models are not rewritten.`,
    );
  }
  const dims = comparedDims(original, options);
  const input = Float32Array.from({ length: sizeOf(dims) }, Math.random);
  let expected: Values | undefined;
  let made: OptimizedModel | undefined;
  for (const tile of options.target === 'cpu' ? tiles : [1]) {
    const { graph, passes } = await rewrite(original, options, tile, file);
    const rewritten = writeModel(graph);
    expected ??= await runModel(referenceOf(original, bytes, options), input, dims);
    const { difference, largest } = await compare(expected, rewritten, input, {
      reversed: passes.includes('permuteAxes'),
      difference: graph.metadata[headKey] === differenceHead,
    });
    made = {
      bytes: rewritten,
      passes,
      maxDifference: difference,
      outputChannels: expected.dims[1],
      ...sizeIn(options, graph, passes),
    };
    if (!passes.includes('sliceConvs') || difference <= tileTolerance * largest) break;
  }
  if (!made || !Number.isFinite(made.maxDifference)) {
    throw new ModelError(
      `The outputs of ${file ?? 'the model'} and of its form for ${options.target} are not all finite numbers.${
        options.precision === 'float16' ? ' Values beyond 65,504 overflow in float16; use float32.' : ''
      }`,
    );
  }
  return made;
}

function sizeIn({ target, roiSize }: OptimizeOptions, graph: Graph, passes: readonly string[]) {
  if (target !== 'cpu') return {};
  const sizes = passes.includes('permuteAxes') ? [...roiSize].reverse() : roiSize;
  return { sessionBytes: sessionBytes(graph, inferShapes(graph, windowDims(graph, sizes))) };
}

/** The sizes of the input on which a model and its form are compared. */
function comparedDims(original: Graph, { roiSize, target }: OptimizeOptions): number[] {
  const [windowSize] = Object.values(windowDims(original, roiSize));
  const [batch] = original.inputs[0].dims;
  // A CPU runs one window at a time, and two windows of many classes would take much memory.
  const windows = typeof batch === 'number' ? batch : target === 'cpu' ? 1 : 2;
  return [windows, ...windowSize.slice(1)];
}

/** The model to compare with: the original, in forms for CPUs with precise normalizations. */
function referenceOf(original: Graph, bytes: Uint8Array, options: OptimizeOptions): Uint8Array {
  if (options.target !== 'cpu') return bytes;
  const plain = dropIdentity(foldConstants(original));
  const precise = preciseNorms(plain, inferShapes(plain, windowDims(plain, options.roiSize)));
  return precise === plain ? bytes : writeModel(precise);
}

async function rewrite(
  original: Graph,
  options: OptimizeOptions,
  tile: number,
  file: string | undefined,
): Promise<{ graph: Graph; passes: string[] }> {
  const passes: string[] = [];
  let graph = original;
  for (const [name, run] of await passesOf(options, tile)) {
    const next = run(graph);
    if (next !== graph && !passes.includes(name)) passes.push(name);
    graph = next;
  }
  if (options.precision === 'float16' && !passes.includes('halfPrecision')) {
    throw new ModelError(
      `${file ?? 'The model'} cannot be computed in float16: it has casts, inner graphs, operators that are not ONNX's own, ` +
        'numbers other than float32, or constants beyond 65,504. Use float32.',
    );
  }
  return { graph, passes };
}

/** @param tile The most output slices that Winograd's algorithm may compute at a time. */
async function passesOf(options: OptimizeOptions, tile: number): Promise<Pass[]> {
  const { target, roiSize, axes, precision, head, costs } = options;
  let sizes: readonly number[] = roiSize;
  const reverse: Pass = [
    'permuteAxes',
    (graph) => {
      const permuted = permuteAxes(graph);
      if (permuted !== graph) sizes = [...roiSize].reverse();
      return permuted;
    },
  ];
  const shapesOf = (graph: Graph) => inferShapes(graph, windowDims(graph, sizes));
  /** Those of the values that are left when slices have been made of others. */
  let shapes: Shapes = new Map();
  const lower: Pass = ['lowerPixelShuffle', (graph) => lowerPixelShuffle(graph, shapesOf(graph))];
  const exact: Pass[] = [
    ['foldConstants', foldConstants],
    ['dropIdentity', dropIdentity],
    ...(axes === 'reverse' ? [reverse] : []),
    ['foldBatchNorm', foldBatchNorm],
    ['preluToLeakyRelu', preluToLeakyRelu],
    ['foldResidual', foldResidual],
  ];
  if (head === 'difference') exact.push(['twoClassHead', twoClassHead]);
  const block = target === 'cpu' ? await channelBlock() : 1;
  const forTarget: Record<OptimizeOptions['target'], Pass[]> = {
    cpu: [
      ['bindSizes', (graph) => bindWindow(graph, windowDims(graph, sizes))],
      ['dropIdentity', dropIdentity],
      ['convTransposePhases', convTransposePhases],
      ...(block > 1
        ? ([
            // Convolutions stay behind the shuffle: in blocks, those of few channels have a form of their
            // own.
            ['delayShuffle', (graph) => delayShuffle(graph, 0)],
            [
              'sliceConvs',
              (graph) => {
                shapes = shapesOf(graph);
                const oneWindow = takesOneWindow(graph);
                return sliceConvs(graph, shapes, block, { largestTile: tile, oneWindow, costs });
              },
            ],
          ] satisfies Pass[])
        : []),
      lower,
      ['preciseNorms', (graph) => preciseNorms(graph, new Map([...shapesOf(graph), ...shapes]))],
      ...(block > 1
        ? ([
            [
              'reserveMemory',
              (graph) => (takesOneWindow(graph) ? reserveMemory(graph, shapesOf(graph)) : graph),
            ],
          ] satisfies Pass[])
        : []),
    ],
    // WebGPU has no transposed 3D convolution, and none of several groups.
    webgpu: [
      ['mergeConvs', mergeConvs],
      ['ungroupConvs', ungroupConvs],
      ['convTransposePhases', convTransposePhases],
      lower,
    ],
    cuda: [],
  };
  const passes = [...exact, ...forTarget[target]];
  if (precision !== 'float16') return passes;
  if (target === 'cpu') {
    throw new ModelError(
      'The precision is "float16", but ONNX Runtime computes in float32 on CPUs; use float32.',
    );
  }
  return [...passes, ['halfPrecision', halfPrecision]];
}

/** Whether a form for CPUs takes one window at a time. */
function takesOneWindow({ inputs: [{ dims }] }: Graph): boolean {
  return typeof dims[0] !== 'number' || dims[0] === 1;
}

/**
 * Computes all that a model computes from the sizes of its windows. Inputs and outputs keep their declared
 * sizes: with fixed ones, ONNX Runtime reuses buffers in a way that took 600 MiB more for a SegResNet.
 */
function bindWindow(graph: Graph, dims: Readonly<Record<string, readonly number[]>>): Graph {
  const [input] = graph.inputs;
  const batch = typeof input.dims[0] === 'number' ? input.dims[0] : 1;
  const bound = bindSizes(graph, { [input.name]: [batch, ...dims[input.name].slice(1)] });
  if (bound.nodes.length === graph.nodes.length) return graph;
  bound.inputs = [...graph.inputs];
  bound.outputs = [...graph.outputs];
  return bound;
}

/** How far a form's output is from the original's, and the original's largest output. */
async function compare(
  expected: Values,
  bytes: Uint8Array,
  input: Float32Array,
  form: { readonly reversed: boolean; readonly difference: boolean },
): Promise<{ difference: number; largest: number }> {
  const dims = expected.inputDims;
  const turned = form.reversed ? reversed(input, dims) : { data: input, dims };
  let actual: Pick<Values, 'data' | 'dims'> = await runModel(bytes, turned.data, turned.dims);
  if (form.reversed) actual = reversed(actual.data, actual.dims);
  const reference = form.difference ? logitDifference(expected) : expected.data;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < reference.length; i++) {
    difference = Math.max(difference, Math.abs(reference[i] - actual.data[i]));
    largest = Math.max(largest, Math.abs(reference[i]));
  }
  return { difference, largest };
}

interface Values {
  readonly data: Float32Array;
  readonly dims: readonly number[];
  readonly inputDims: readonly number[];
}

async function runModel(bytes: Uint8Array, data: Float32Array, dims: readonly number[]): Promise<Values> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const result = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, dims) });
  const output = result[session.outputNames[0]];
  await session.release();
  return { data: output.data as Float32Array, dims: output.dims, inputDims: dims };
}

/** [n, c, i, j, k] as [n, c, k, j, i]. */
function reversed(data: Float32Array, dims: readonly number[]): Pick<Values, 'data' | 'dims'> {
  const [n, c, ni, nj, nk] = dims;
  const out = new Float32Array(data.length);
  let at = 0;
  for (let start = 0; start < n * c * ni * nj * nk; start += ni * nj * nk) {
    for (let k = 0; k < nk; k++) {
      for (let j = 0; j < nj; j++) {
        for (let i = 0; i < ni; i++) out[at++] = data[start + (i * nj + j) * nk + k];
      }
    }
  }
  return { data: out, dims: [n, c, nk, nj, ni] };
}

/** The second of two channels minus the first. */
function logitDifference({ data, dims: [, , ...sizes] }: Values): Float32Array {
  const voxels = sizeOf(sizes);
  return Float32Array.from({ length: data.length / 2 }, (_, i) => {
    const first = i + Math.floor(i / voxels) * voxels;
    return data[first + voxels] - data[first];
  });
}
