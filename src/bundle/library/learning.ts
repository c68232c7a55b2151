import { functions, type Given } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import { iterate, type PyObject, repr, Tuple, truth, type Value } from '../language/values.js';
import { numpyFunctions } from './arrays.js';
import { datasetFunctions } from './datasets.js';
import type { BoundedFiles } from './files.js';
import { Module } from './module.js';
import { ignored } from './standard.js';
import { DataType, FromEngine } from './symbols.js';
import { torch } from './torch.js';

/** Modules of numpy, torch and MONAI. */
export function learningModules(files: BoundedFiles, accelerators: number): Record<string, PyObject> {
  const numpy = new Module(
    'numpy',
    {
      ...numpyTypes(),
      ...numpyFunctions,
      pi: Math.PI,
      inf: Infinity,
      nan: Number.NaN,
      random: new Module('numpy.random', ignored('numpy.random', ['seed'])),
    },
    true,
  );
  return {
    numpy,
    torch: torch(files, accelerators),
    monai: monai(files),
    ignite: new Module('ignite', {}, true),
  };
}

function numpyTypes(): Record<string, DataType> {
  const names = 'float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64'.split(' ');
  const types = Object.fromEntries(names.map((name) => [name, new DataType(`numpy.${name}`)]));
  return { ...types, bool_: new DataType('numpy.bool'), single: types['float32'], double: types['float64'] };
}

function monai(files: BoundedFiles): Module {
  const data = new Module('monai.data', datasetFunctions(files), true);
  const handlers = new Module(
    'monai.handlers',
    functions('monai.handlers', { from_engine: fromEngine }),
    true,
  );
  const config = new Module('monai.config', ignored('monai.config', ['print_config']), true);
  const networks = new Module(
    'monai.networks',
    functions('monai.networks', {
      // It wraps a network for TensorRT, which --device chooses here.
      trt_compile: (given) => {
        const network = given.required('model');
        given.rest();
        given.restNamed();
        return network;
      },
    }),
    true,
  );
  return new Module('monai', { data, handlers, config, networks, utils: utils() }, true);
}

/** The keys of MONAI's dictionaries. */
const commonKeys = {
  IMAGE: 'image',
  LABEL: 'label',
  PRED: 'pred',
  LOSS: 'loss',
  LATENT: 'latent',
  METADATA: 'metadata',
};

/** MONAI's enumerations of texts. */
const enumerations: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  CommonKeys: commonKeys,
  BlendMode: { CONSTANT: 'constant', GAUSSIAN: 'gaussian' },
  GridSampleMode: { NEAREST: 'nearest', BILINEAR: 'bilinear', BICUBIC: 'bicubic' },
  GridSamplePadMode: { ZEROS: 'zeros', BORDER: 'border', REFLECTION: 'reflection' },
  InterpolateMode: {
    NEAREST: 'nearest',
    NEAREST_EXACT: 'nearest-exact',
    LINEAR: 'linear',
    BILINEAR: 'bilinear',
    BICUBIC: 'bicubic',
    TRILINEAR: 'trilinear',
    AREA: 'area',
  },
  MetricReduction: {
    NONE: 'none',
    MEAN: 'mean',
    SUM: 'sum',
    MEAN_BATCH: 'mean_batch',
    SUM_BATCH: 'sum_batch',
    MEAN_CHANNEL: 'mean_channel',
    SUM_CHANNEL: 'sum_channel',
  },
  NumpyPadMode: { CONSTANT: 'constant', EDGE: 'edge', REFLECT: 'reflect', WRAP: 'wrap' },
  PytorchPadMode: { CONSTANT: 'constant', REFLECT: 'reflect', REPLICATE: 'replicate', CIRCULAR: 'circular' },
};

function utils(): Module {
  const asTuple = (value: Value) => (value === null ? [] : sequence(value) ? iterate(value) : [value]);
  const enums = Object.fromEntries(
    Object.entries(enumerations).map(([name, members]) => [name, new Module(`monai.utils.${name}`, members)]),
  );
  const all = {
    ...enums,
    ...ignored('monai.utils', ['set_determinism', 'evenly_divisible_all_gather']),
    ...functions('monai.utils', {
      ensure_tuple: (given) => new Tuple([...asTuple(given.required('vals'))]),
      ensure_tuple_size: (given) => {
        const [values, size] = [asTuple(given.required('vals')), given.int('dim')];
        const fill = given.optional('pad_val') ?? 0n;
        return new Tuple(Array.from({ length: Math.min(size, 1000) }, (_, i) => values[i] ?? fill));
      },
      ensure_tuple_rep: (given) => {
        const [value, size] = [given.required('tup'), given.int('dim')];
        const values = sequence(value) ? iterate(value) : undefined;
        if (size > 1000 || (values && values.length !== size)) {
          throw new Refusal(`ensure_tuple_rep got ${repr(value)} for ${size} items`);
        }
        return new Tuple(values ? [...values] : Array.from({ length: size }, () => value));
      },
      first: (given) => {
        const [items, otherwise] = [iterate(given.required('iterable')), given.optional('default') ?? null];
        return items[0] ?? otherwise;
      },
      issequenceiterable: (given) => sequence(given.required('obj')),
    }),
  };
  const misc = new Module('monai.utils.misc', all, true);
  return new Module(
    'monai.utils',
    { ...all, misc, enums: new Module('monai.utils.enums', enums, true) },
    true,
  );
}

function sequence(value: Value): boolean {
  return value !== null && typeof value === 'object' && (Array.isArray(value) || value instanceof Tuple);
}

function fromEngine(given: Given): Value {
  const keys = given.required('keys');
  const first = given.optional('first') ?? false;
  const names = (sequence(keys) ? iterate(keys) : [keys]).map((key) => {
    if (typeof key !== 'string') throw new Refusal(`from_engine needs texts as keys, but got ${repr(key)}`);
    return key;
  });
  return new FromEngine(names, truth(first));
}
