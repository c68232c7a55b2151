import { unknownName } from '../../errors.js';
import type { NamedNetwork } from '../../onnx/builders/network.js';
import { networkNames } from '../../onnx/builders/networks/index.js';
import { Component } from '../config/component.js';
import { toPlain } from '../config/plain.js';
import { Dict, iterate, Tuple, type Value } from '../language/values.js';
import { Device } from '../library/symbols.js';
import type { Problems } from './problems.js';

/** A network as a configuration has it. */
export interface NetworkTarget extends NamedNetwork {
  /** For a 2D network, which is built as a 3D one: the axis of the slices. */
  readonly sliceAxis?: number;
}

/** Options of a network that have a value for each axis. */
const perAxis = ['kernel_size', 'up_kernel_size'] as const;

/** A 2D network as a 3D one whose kernels and strides are 1 along the axis of the slices. */
export function networkOfSlices(
  { type, config }: NetworkTarget,
  sliceAxis: number,
  id: string,
  problems: Problems,
): NetworkTarget {
  if (type !== 'UNet' || config['spatial_dims'] !== 2) {
    problems.add(
      id,
      `has a SliceInferer, which needs a UNet with spatial_dims 2, but the network is a ${type}`,
    );
  }
  const widened = (value: unknown) =>
    (Array.isArray(value) ? value : [value, value]).toSpliced(sliceAxis, 0, 1);
  const strides = config['strides'];
  return {
    type,
    sliceAxis,
    config: {
      ...config,
      spatial_dims: 3,
      ...(Array.isArray(strides) && { strides: strides.map(widened) }),
      ...Object.fromEntries(perAxis.map((name) => [name, widened(config[name] ?? 3)])),
    },
  };
}

/** The network of an engine. Undefined, with a problem, if voxstream does not have it. */
export function translateNetwork(
  value: Value | undefined,
  id: string,
  problems: Problems,
): NetworkTarget | undefined {
  if (!(value instanceof Component)) {
    problems.add(id, 'has no network: it must be an object with _target_');
    return undefined;
  }
  if (value.name === 'DistributedDataParallel' || value.name === 'DataParallel') {
    return translateNetwork(value.args.get('module'), value.id, problems);
  }
  const type = networkNames.find((name) => name.toLowerCase() === value.name.toLowerCase());
  if (type === undefined) {
    problems.add(value.id, `is ${value.target}: ${unknownName('network', value.name, networkNames)}`);
    return undefined;
  }
  const config = Object.fromEntries(
    [...value.args]
      // The device does not change what a network computes.
      .filter(([name, item]) => name !== 'device' && !(item instanceof Device))
      .map(([name, item]) => [name, plainPart(item)]),
  );
  return { type, config };
}

/** An argument as plain data. Parts of networks are their parameters, with the class as `type`. */
function plainPart(value: Value): unknown {
  if (value instanceof Component) {
    const parts = [...value.args].filter(([name]) => name !== 'device');
    return { type: value.name, ...Object.fromEntries(parts.map(([name, item]) => [name, plainPart(item)])) };
  }
  if (Array.isArray(value) || value instanceof Tuple) return iterate(value).map(plainPart);
  if (value instanceof Dict) {
    return Object.fromEntries(value.entries().map(([key, item]) => [String(key), plainPart(item)]));
  }
  return toPlain(value);
}
