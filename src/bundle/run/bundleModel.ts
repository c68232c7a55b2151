import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../../errors.js';
import { cacheFolder } from '../../machine.js';
import { checksumOf } from '../../models/checksum.js';
import { writeModelFolder } from '../../models/folder.js';
import { networkFromCheckpoint } from '../../onnx/builders/networkFromCheckpoint.js';
import { withMonaiVersion } from '../../onnx/builders/withMonaiVersion.js';
import { writeModel } from '../../onnx/modelFile.js';
import { preciseNorms } from '../../onnx/passes/preciseNorms.js';
import { version } from '../../version.js';
import type { Triple } from '../../volume/volume.js';
import type { NetworkTarget } from '../targets/network.js';

/** What a model is made from. */
export interface ModelSource {
  readonly network: NetworkTarget;
  readonly checkpoint: string;
  /** The version of MONAI in the bundle's metadata. */
  readonly monaiVersion: string | undefined;
  /** The size of the windows, for networks that are built for one size. */
  readonly roiSize: unknown;
  readonly name: string;
}

/**
 * The folder of a bundle's model as ONNX. It is made from the network and the checkpoint, and kept in the
 * cache folder under a key of both.
 *
 * @returns The folder, and notes for the user where the model was made now.
 * @throws ModelError if the weights do not fit the network, or cannot be read.
 */
export async function bundleModel(
  source: ModelSource,
): Promise<{ folder: string; notes: readonly string[] }> {
  const { checkpoint, monaiVersion, roiSize, name } = source;
  if (!existsSync(checkpoint)) {
    throw new ModelError(
      `There are no weights ${checkpoint}. Download them with "voxstream bundle download FOLDER", if the bundle's large_files.yml names them, or name another file on the command line.`,
    );
  }
  const network = withMonaiVersion(source.network, {
    ...(monaiVersion !== undefined && { found: monaiVersion }),
  });
  const size = windowOf(roiSize);
  const sha256 = await checksumOf(checkpoint, 'sha256');
  const key = createHash('sha256')
    .update(JSON.stringify([version, network, sha256, size]))
    .digest('hex')
    .slice(0, 32);
  const folder = join(cacheFolder(), 'bundles', key);
  if (existsSync(join(folder, 'model.onnx'))) return { folder, notes: [] };
  const { graph, notes } = await networkFromCheckpoint(network.type, network.config, checkpoint, {
    ...(size && { size }),
    ...(source.network.sliceAxis !== undefined && { sliceAxis: source.network.sliceAxis }),
  });
  const [inputs, outputs] = [graph.inputs[0].dims[1], graph.outputs[0].dims[1]];
  const fixed = windowOf(graph.inputs[0].dims.slice(2));
  const card = {
    name,
    input: { ...(typeof inputs === 'number' && { channels: inputs }), ...(fixed && { patch: fixed }) },
    output: typeof outputs === 'number' ? { channels: outputs } : {},
    network: { ...network.config, type: graph.name },
    source: { file: checkpoint, sha256 },
  };
  // Forms for windows of a known size normalize precisely. A model without one is run as it is.
  const precise = size ? graph : preciseNorms(graph);
  await writeModelFolder(folder, { bytes: writeModel(precise), card }, true);
  return { folder, notes };
}

function windowOf(sizes: unknown): Triple | undefined {
  const all = typeof sizes === 'number' ? [sizes, sizes, sizes] : sizes;
  return Array.isArray(all) && all.length === 3 && all.every((n) => Number.isInteger(n) && n > 0)
    ? (all as Triple)
    : undefined;
}
