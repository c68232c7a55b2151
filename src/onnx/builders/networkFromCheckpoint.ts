import { listNames, ModelError, show } from '../../errors.js';
import { readStateDicts, readTensors } from '../checkpoint/readCheckpoint.js';
import type { StateDict } from '../checkpoint/stateDicts.js';
import { StoredTensor } from '../checkpoint/storedTensor.js';
import type { Graph } from '../graph.js';
import { layersOf } from './buildNetwork.js';
import type { Network } from './network.js';
import type { BuildContext, NetworkBuilder } from './networkBuilder.js';

/** How a network is made from a checkpoint. */
export interface CheckpointContext extends BuildContext {
  /** What stands before the names of the weights, where it is known. Default: it is found. */
  readonly prefix?: string;
  /**
   * The weights are those of a 2D network, which is built as a 3D one: along this axis (0, 1 or 2 for x, y or
   * z), kernels have one voxel. Default: they are those of a 3D network.
   */
  readonly sliceAxis?: number;
}

/** A network with the weights of a checkpoint. */
export interface LoadedNetwork {
  readonly graph: Graph;
  /** Sentences about what was taken and decided, for the user. */
  readonly notes: readonly string[];
}

/**
 * A network with the weights of a checkpoint. The state dict in the file, and what stands before the names of
 * the network in it (`module.` of DataParallel, `_model.` of Lightning, `_orig_mod.` of `torch.compile`), are
 * those with which all weights of the network are there in the right shapes. What lies beside them is
 * ignored.
 *
 * @throws ModelError when the file cannot be read, the weights do not fit, or several prefixes fit;
 * OptionError for a faulty configuration.
 */
export async function networkFromCheckpoint(
  name: string | Network,
  config: object,
  file: string,
  { prefix, sliceAxis, ...context }: CheckpointContext = {},
): Promise<LoadedNetwork> {
  const read = await readStateDicts(file);
  const states = sliceAxis === undefined ? read : read.map((state) => in3d(state, sliceAxis));
  // Without weights, the network asks for all of them.
  const wanted = layersOf(name, config, () => new Map(), context);
  const taken = chooseWeights(wanted, states, file, prefix);
  const state = readTensors(taken.tensors, file);
  const net = layersOf(name, config, () => state, context);
  net.finish();
  return { graph: net.graph, notes: [...taken.notes, ...net.notes] };
}

/** The weights of a 2D network with kernels of one voxel along a third axis. */
function in3d({ path, tensors }: StateDict, axis: number): StateDict {
  const widened = [...tensors].map(([name, stored]): [string, StoredTensor] => {
    if (stored.dims.length !== 4) return [name, stored];
    const dims = stored.dims.toSpliced(2 + axis, 0, 1);
    return [name, new StoredTensor(stored.type, dims, (asked) => ({ ...stored.read(asked), dims }))];
  });
  return { path, tensors: new Map(widened) };
}

interface Taken {
  readonly tensors: StateDict['tensors'];
  readonly notes: readonly string[];
}

/**
 * Chooses the state dict and the prefix that fit a network. Where none fits, the likeliest, whose faults are
 * reported.
 */
function chooseWeights(
  wanted: NetworkBuilder,
  states: readonly StateDict[],
  file: string,
  prefix: string | undefined,
): Taken {
  const tried = states.flatMap((state) =>
    (prefix === undefined ? prefixesOf(wanted, state) : [prefix]).map((one) => ({
      state,
      prefix: one,
      fitting: countFitting(wanted, state, one),
    })),
  );
  const whole = tried.filter(({ fitting }) => fitting === wanted.expected.size);
  const [first] = whole.length > 0 ? whole : [...tried].sort((a, b) => b.fitting - a.fitting);
  const others = whole.filter(({ state, prefix: one }) => state === first.state && one !== first.prefix);
  if (first.prefix !== '' && others.length > 0) {
    const names = [first, ...others].map(({ prefix: one }) => show(one));
    throw new ModelError(
      `${file} holds the weights of several networks that fit, with the prefixes ${listNames(names)}. Give one with --prefix.`,
    );
  }
  if (prefix && first.fitting === 0) {
    const names = [...states[0].tensors.keys()].slice(0, 3);
    throw new ModelError(
      `No tensor of ${file} has the prefix ${show(prefix)} before the name of a weight; the first are ${names.join(', ')}.`,
    );
  }
  return { tensors: withoutPrefix(first.state, first.prefix), notes: notesOn(first, whole) };
}

function notesOn(
  taken: { readonly state: StateDict; readonly prefix: string },
  whole: readonly { readonly state: StateDict; readonly prefix: string }[],
): string[] {
  const notes: string[] = [];
  const { path } = taken.state;
  const others = [...new Set(whole.map(({ state }) => state.path))].filter((other) => other !== path);
  if (others.length > 0) {
    const also = listNames(others.slice(0, 5).map((one) => show(one)));
    notes.push(`The weights are those under ${show(path || 'the top')}; ${also} would fit, too.`);
  } else if (path) notes.push(`The weights are those under ${show(path)}.`);
  if (taken.prefix) {
    notes.push(
      `The prefix ${show(taken.prefix)} of the weights' names was taken off; tensors without it are ignored.`,
    );
  }
  return notes;
}

/** What may stand before the names of a network in a state dict; an empty text is always among them. */
function prefixesOf(wanted: NetworkBuilder, { tensors }: StateDict): string[] {
  const prefixes = new Set(['']);
  // A long name occurs in no other module; several of them, for one may be missing.
  const rare = [...wanted.expected.keys()].sort((a, b) => b.length - a.length).slice(0, 3);
  for (const known of tensors.keys()) {
    for (const name of rare) {
      if (known.endsWith(`.${name}`)) prefixes.add(known.slice(0, -name.length));
    }
  }
  return [...prefixes].slice(0, 100);
}

/** How many weights of the network are there in the right shape. */
function countFitting(wanted: NetworkBuilder, { tensors }: StateDict, prefix: string): number {
  let count = 0;
  for (const [name, dims] of wanted.expected) {
    const found = tensors.get(`${prefix}${name}`)?.dims;
    if (found?.length === dims.length && found.every((n, axis) => n === dims[axis])) count++;
  }
  return count;
}

function withoutPrefix({ tensors }: StateDict, prefix: string): StateDict['tensors'] {
  if (!prefix) return tensors;
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, stored]) => [name.slice(prefix.length), stored]),
  );
}
