import { VoxError } from '../../errors.js';
import { plainValues } from '../../onnx/checkpoint/plainValues.js';
import { parsePickledFile } from '../../onnx/checkpoint/readCheckpoint.js';
import { functions, type Given } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import { Dict, PyObject, str, type Value } from '../language/values.js';
import type { BoundedFiles } from './files.js';
import { Module } from './module.js';
import { ignored } from './standard.js';
import { DataType, Device } from './symbols.js';

/** The module `torch`: what configurations use of it. */
export function torch(files: BoundedFiles, accelerators: number): Module {
  const cuda = new Module(
    'torch.cuda',
    {
      ...functions('torch.cuda', {
        is_available: () => accelerators > 0,
        device_count: () => BigInt(accelerators),
        current_device: () => 0n,
      }),
      ...ignored('torch.cuda', ['set_device', 'empty_cache', 'manual_seed', 'manual_seed_all']),
    },
    true,
  );
  const distributed = new Module(
    'torch.distributed',
    {
      ...functions('torch.distributed', {
        is_initialized: () => false,
        is_available: () => false,
        // One process does it all, on all devices.
        get_rank: () => 0n,
        get_world_size: () => 1n,
      }),
      ...ignored('torch.distributed', ['init_process_group', 'destroy_process_group', 'barrier']),
    },
    true,
  );
  const jit = new Module(
    'torch.jit',
    functions('torch.jit', {
      load: () => {
        throw new Refusal(
          'it loads a TorchScript program, which voxstream does not run; name the configuration with the network before ' +
            'this one, and its weights are used: --config_file "[\'configs/inference.json\', …]"',
        );
      },
    }),
    true,
  );
  return new Module(
    'torch',
    {
      ...torchTypes(),
      jit,
      cuda,
      distributed,
      ...functions('torch', {
        device: (given) => {
          const type = given.named('device') ?? given.required('type');
          const index = given.optional('index') ?? null;
          if (type instanceof Device) return type;
          return new Device(index === null ? str(type) : `${str(type)}:${str(index)}`);
        },
        load: (given) => {
          const file = str(given.required('f'));
          // Where the tensors would go, and what may be unpickled: nothing but data is, in any case.
          for (const name of ['map_location', 'weights_only', 'pickle_module', 'mmap']) given.optional(name);
          return pickledValues(file, files);
        },
        // Arrays and tensors are nested lists.
        from_numpy: (given) => given.required('ndarray'),
        as_tensor: (given) => asTensor(given),
        tensor: (given) => asTensor(given),
      }),
      ...ignored('torch', ['manual_seed', 'set_num_threads', 'set_float32_matmul_precision']),
    },
    true,
  );
}

function asTensor(given: Given): Value {
  const data = given.required('data');
  for (const name of ['dtype', 'device']) given.optional(name);
  return data;
}

/** What a file of `torch.save` holds, e.g. the search code of DiNTS, as data. */
function pickledValues(file: string, files: BoundedFiles): Value {
  if (files.assumeEmpty && !files.exists(file)) return new Missing(file);
  const bytes = files.readBytes(file);
  try {
    return fromPlain(plainValues(parsePickledFile(bytes, file)));
  } catch (error) {
    if (error instanceof VoxError) throw new Refusal(error.message);
    throw error;
  }
}

/** The content of a file that is not there, in a survey of a configuration without its files. */
class Missing extends PyObject {
  override readonly typeName = 'file';

  constructor(readonly file: string) {
    super();
  }

  override show(): string {
    return `the content of ${this.file}`;
  }

  override item(): Value {
    return [];
  }
}

function fromPlain(value: unknown): Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(fromPlain);
  if (typeof value !== 'object' || value === null) return null;
  return new Dict(Object.entries(value).map(([key, item]) => [key, fromPlain(item)]));
}

function torchTypes(): Record<string, DataType> {
  const names = 'float16 bfloat16 float32 float64 uint8 int8 int16 int32 int64 bool'.split(' ');
  const types = Object.fromEntries(names.map((name) => [name, new DataType(`torch.${name}`)]));
  const short = {
    half: 'float16',
    float: 'float32',
    double: 'float64',
    short: 'int16',
    int: 'int32',
    long: 'int64',
  };
  return {
    ...types,
    ...Object.fromEntries(Object.entries(short).map(([name, long]) => [name, types[long]])),
  };
}
