import { readFile } from 'node:fs/promises';
import { ModelError, messageOf, show } from '../../errors.js';
import { readFault } from '../../formats/aside.js';
import { findGlobal } from '../../onnx/checkpoint/globals.js';
import { unpickle } from '../../onnx/checkpoint/pickle.js';
import { Global, type Pickled, Tuple } from '../../onnx/checkpoint/pickled.js';
import { plainValues } from '../../onnx/checkpoint/plainValues.js';
import { isTree } from '../tree.js';

/** The labels of which only the largest component is kept, together as one object. */
export type KeptObject = readonly number[];

const onlyFunction = 'remove_all_but_largest_component_from_segmentation';

/** More bytes than rules for postprocessing ever have. */
const largestFile = 2 ** 24;

/**
 * Reads the rules that nnU-Net found for postprocessing: `postprocessing.pkl` or `postprocessing.json`. They
 * are applied one after the other. A pickle is read as data; nothing in it is executed.
 *
 * @throws ModelError when the file is damaged, or asks for something that is not known here.
 */
export async function readPostprocessing(file: string): Promise<KeptObject[]> {
  const bytes = await readFile(file).catch((error) => {
    throw readFault(file, error);
  });
  const advice = file.endsWith('.pkl') ? ' nnU-Net writes the same rules to postprocessing.json.' : '';
  const refuse = (why: string) =>
    new ModelError(`${file} cannot be read as rules for postprocessing: ${why}.${advice}`);
  if (bytes.length > largestFile)
    throw refuse(`it has ${bytes.length} bytes, more than such rules ever have`);
  try {
    const rules = file.endsWith('.json') ? fromJson(bytes.toString('utf8')) : fromPickle(bytes);
    return rules.map(({ name, kwargs }) => keptObject(name, kwargs));
  } catch (error) {
    if (error instanceof ModelError || error instanceof SyntaxError)
      throw refuse(messageOf(error).replace(/\.$/, ''));
    throw error;
  }
}

interface Rule {
  readonly name: unknown;
  readonly kwargs: unknown;
}

function fromJson(text: string): Rule[] {
  const content: unknown = JSON.parse(text);
  const { postprocessing_fns: names, postprocessing_kwargs: kwargs } = isTree(content) ? content : {};
  return paired(names, kwargs);
}

function fromPickle(bytes: Uint8Array): Rule[] {
  const top = unpickle(bytes, {
    find: findGlobal,
    load: () => {
      throw new ModelError('it refers to data outside of it');
    },
  });
  const [names, kwargs] = top instanceof Tuple ? top.items : Array.isArray(top) ? top : [];
  const plain = Array.isArray(kwargs) ? kwargs.map((one) => plainValues(one)) : kwargs;
  return paired(Array.isArray(names) ? names.map(nameOf) : names, plain);
}

function nameOf(value: Pickled): unknown {
  return value instanceof Global ? value.name.split('.').at(-1) : value;
}

function paired(names: unknown, kwargs: unknown): Rule[] {
  if (!Array.isArray(names) || !Array.isArray(kwargs) || names.length !== kwargs.length) {
    throw new ModelError('it must hold a list of functions, and a list of their arguments that is as long');
  }
  return names.map((name, i) => ({ name, kwargs: kwargs[i] }));
}

function keptObject(name: unknown, kwargs: unknown): KeptObject {
  if (name !== onlyFunction) {
    throw new ModelError(
      `it calls ${typeof name === 'string' ? name : show(name)}, but only ${onlyFunction} is known`,
    );
  }
  const {
    labels_or_regions: labels,
    background_label: background = 0,
    ...others
  } = isTree(kwargs) ? kwargs : {};
  const unknown = Object.keys(others)[0];
  if (unknown) throw new ModelError(`it gives ${onlyFunction} the argument ${unknown}, which is not known`);
  if (background !== 0) throw new ModelError(`its background_label is ${show(background)}, but it must be 0`);
  const all = [labels].flat(3);
  if (all.length > 0 && all.every((label): label is number => Number.isInteger(label) && Number(label) > 0))
    return all;
  throw new ModelError(`its labels_or_regions is ${show(labels)}, but it must be labels above 0`);
}
