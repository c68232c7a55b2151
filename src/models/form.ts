import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { ModelError, messageOf, show, VoxError } from '../errors.js';
import { writeAside } from '../formats/aside.js';
import { cacheFolder } from '../machine.js';
import type { OptimizeOptions } from '../onnx/optimize.js';
import { ortHere } from '../onnx/ortHere.js';
import { type LayerCosts, usualCosts } from '../onnx/slices/costs.js';
import { UnsafeModel } from '../onnx/unsafeModel.js';
import type { RunnableModel } from '../runtime/loadModel.js';
import type { Vec3 } from '../volume/volume.js';
import type { ModelAxes } from '../volume/windows.js';
import { checksumOf } from './checksum.js';
import type { ModelFiles } from './findModel.js';
import { keptCosts, machineCosts } from './machineCosts.js';
import { isPrivateFile, makePrivateFolder } from './privateFolder.js';

/** How a model will be used. It is rewritten for that use. */
export interface ModelForm {
  /**
   * The size of all windows, x first. Default: the card's patch. Without either, the model is not rewritten.
   */
  readonly roiSize?: Vec3;
  /** Whether later steps use only differences between channels, as softmax and argmax do. Default: false. */
  readonly onlyDifferences?: boolean;
  /** The channels of the output, if they are known. Default: the model is run once to count them. */
  readonly outputChannels?: number;
}

/** A model as it is run. Its axes may differ from the card's. */
export interface ModelInForm extends RunnableModel {
  /** Why the model was not rewritten although it could have been. */
  readonly warning?: string;
}

/** The JSON file beside a rewritten model. */
export interface RewrittenCard {
  /** The SHA-256 of the original model. */
  readonly original: string;
  /** The SHA-256 of the rewritten model. */
  readonly sha256: string;
  /** The file beside it with its large weights, if it has any; see `splitWeights`. */
  readonly weights?: { readonly name: string; readonly sha256: string };
  readonly passes: readonly string[];
  /** The largest difference from the original's output, on random windows. */
  readonly maxDifference: number;
  readonly axes: ModelAxes;
  readonly difference: boolean;
  /** About how many bytes a session on a CPU takes for it. */
  readonly sessionBytes?: number;
  /** Channels of the original's output. */
  readonly outputChannels?: number;
}

/** Increase this when the passes produce different models, so that cached ones are not used. */
const revision = 15;

/** The largest allowed difference of a rewritten model from the original, on random windows. */
const mostDifference = 1e-3;

/**
 * Rewrites a model into the form that is fastest on a device. The form is kept in the cache folder, under the
 * model's SHA-256 and its use, with its own SHA-256. A kept form that is damaged, or that somebody else could
 * have changed, is rebuilt. A model that cannot be rewritten, or that `voxstream models optimize` made, is
 * returned as it is.
 *
 * @param folder Where forms are kept. Default: in the cache folder.
 * @throws ModelError when the model stores weights in other files, which its checksum does not cover, or when
 * a model of `voxstream models optimize` was made for another device, processor or window.
 */
export async function runnableModel(
  files: ModelFiles,
  { roiSize = files.card.input.patch, onlyDifferences = false }: ModelForm,
  provider: string,
  folder?: string,
): Promise<ModelInForm> {
  const { file, card } = files;
  const original: ModelInForm = { file, axes: card.axes, difference: false };
  if (card.optimized) {
    await checkOptimized(files, roiSize, provider);
    await checkOriginal(file);
    return original;
  }
  if (!roiSize?.every((n) => n > 0)) {
    await checkOriginal(file);
    return original;
  }
  try {
    const made = await modelForm(files, roiSize, onlyDifferences, targetOf(provider), folder);
    if (!isExact(made)) {
      const warning =
        `${card.name} is run as it is: rewritten for ${provider}, its output differs from the original's ` +
        `by ${made.maxDifference}, more than ${mostDifference}.`;
      return { ...original, warning };
    }
    return asRun(made, made.file);
  } catch (error) {
    if (error instanceof UnsafeModel) throw error;
    const why =
      error instanceof Unwritable
        ? error.message
        : `it cannot be rewritten for ${provider}: ` +
          (error instanceof VoxError
            ? messageOf(error)
            : `its graph is not understood (${messageOf(error)})`);
    return { ...original, warning: `${card.name} is run as it is, because ${why}` };
  }
}

/**
 * The form that `runnableModel` would return, if it is kept and can be used as it is. Looking for it takes no
 * thread and loads little code; making one takes both.
 */
export async function keptModel(
  { sha256, card }: ModelFiles,
  { roiSize = card.input.patch, onlyDifferences = false }: ModelForm,
  provider: string,
  folder?: string,
): Promise<ModelInForm | undefined> {
  if (card.optimized || !roiSize?.every((n) => n > 0)) return undefined;
  const target = targetOf(provider);
  const costs = target === 'cpu' ? await keptCosts(await blockHere()) : usualCosts;
  if (!costs) return undefined;
  const options = fullOptions(card, roiSize, onlyDifferences, target, costs);
  const name = await formName(sha256, options);
  for (const place of placesOf(folder)) {
    const isPrivate = await makePrivateFolder(place).then(
      () => true,
      () => false,
    );
    const file = join(place, name);
    const kept = isPrivate ? await keptForm(file, sha256) : undefined;
    if (kept && isExact(kept)) return asRun(kept, file);
  }
  return undefined;
}

function asRun(card: RewrittenCard, file: string): ModelInForm {
  const { axes, difference, sessionBytes, outputChannels } = card;
  return { file, axes, difference, ...(sessionBytes && { sessionBytes, outputChannels }) };
}

const isExact = ({ maxDifference }: RewrittenCard) => maxDifference <= mostDifference;

/** Throws UnsafeModel if a model must not be run. Other faults are left to ONNX Runtime. */
async function checkOriginal(file: string): Promise<void> {
  const { checkModel } = await import('../onnx/modelFile.js');
  try {
    checkModel(await readFile(file), file);
  } catch (error) {
    if (error instanceof UnsafeModel) throw error;
  }
}

/** The target of rewriting for an execution provider. */
export function targetOf(provider: string): OptimizeOptions['target'] {
  return provider === 'cpu' || provider === 'webgpu' ? provider : 'cuda';
}

/**
 * The options to rewrite a model for windows of `roiSize`, x first, so that it reads volumes in memory order.
 */
export function formOptions(
  { axes }: ModelFiles['card'],
  roiSize: Vec3,
  target: OptimizeOptions['target'],
): OptimizeOptions {
  return {
    target,
    roiSize: axes === 'xyz' ? [...roiSize] : [roiSize[2], roiSize[1], roiSize[0]],
    axes: axes === 'xyz' ? 'reverse' : 'keep',
  };
}

/**
 * The form of a model for a target: from `folder`, or made and stored there.
 *
 * @throws ModelError when the model cannot be rewritten; Unwritable when neither `folder` nor a folder beside
 * other temporary files can be written, or only by others too.
 */
export async function modelForm(
  { file, sha256, card }: ModelFiles,
  roiSize: Vec3,
  onlyDifferences: boolean,
  target: OptimizeOptions['target'],
  folder?: string,
): Promise<RewrittenCard & { readonly file: string }> {
  const costs = target === 'cpu' ? await machineCosts(await blockHere()) : usualCosts;
  const options = fullOptions(card, roiSize, onlyDifferences, target, costs);
  const name = await formName(sha256, options);
  const reasons: string[] = [];
  for (const place of placesOf(folder)) {
    const path = join(place, name);
    try {
      await makePrivateFolder(place).catch(unwritable);
      const made = (await keptForm(path, sha256)) ?? (await rewrite(file, sha256, options, path));
      return { ...made, file: path };
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
      reasons.push(error.message);
    }
  }
  throw new Unwritable(`its form cannot be kept: ${reasons.join('; ')}`);
}

function fullOptions(
  card: ModelFiles['card'],
  roiSize: Vec3,
  onlyDifferences: boolean,
  target: OptimizeOptions['target'],
  costs: LayerCosts,
): OptimizeOptions {
  return { ...formOptions(card, roiSize, target), head: onlyDifferences ? 'difference' : 'logits', costs };
}

/** The file name of a form. */
async function formName(sha256: string, options: OptimizeOptions): Promise<string> {
  const block = options.target === 'cpu' ? await blockHere() : 0;
  const key = createHash('sha256').update(JSON.stringify([sha256, options, block, revision]));
  return `${key.digest('hex').slice(0, 32)}.onnx`;
}

async function blockHere(): Promise<number> {
  return (await ortHere()).block;
}

/** Where forms are kept: in a folder, or beside other temporary files if it cannot be written. */
function placesOf(folder = join(cacheFolder(), 'rewritten')): readonly string[] {
  return [folder, join(tmpdir(), `voxstream-rewritten-${process.getuid?.() ?? 'user'}`)];
}

/** Throws ModelError unless a model of `voxstream models optimize` was made for this use. */
async function checkOptimized(
  { card, file }: ModelFiles,
  roiSize: Vec3 | undefined,
  provider: string,
): Promise<void> {
  const { target, channelBlock: block } = card.optimized!;
  const advice = 'Give the original model, or make another form of it with "voxstream models optimize".';
  if (target !== targetOf(provider)) {
    throw new ModelError(`${file} is a form for ${target}, but the device is ${provider}. ${advice}`);
  }
  const { patch } = card.input;
  if (patch && roiSize && patch.some((n, axis) => n !== roiSize[axis])) {
    throw new ModelError(
      `${file} is a form for windows of ${show(patch)} voxels, but roiSize is ${show(roiSize)}. ${advice}`,
    );
  }
  const here = block && (await blockHere());
  if (block && block !== here) {
    throw new ModelError(
      `${file} is a form for processors with blocks of ${block} channels, but this one has blocks of ` +
        `${here}. ${advice}`,
    );
  }
}

async function rewrite(
  file: string,
  sha256: string,
  options: OptimizeOptions,
  path: string,
): Promise<RewrittenCard> {
  // Imported here: most runs find the rewritten model in the cache.
  const { optimizeModel } = await import('../onnx/optimize.js');
  const { splitWeights } = await import('../onnx/externalWeights.js');
  const made = await optimizeModel(await readFile(file), options, file);
  const { passes, maxDifference, sessionBytes, outputChannels } = made;
  const { bytes, weights } = splitWeights(made.bytes);
  const reversed = passes.includes('permuteAxes');
  const card: RewrittenCard = {
    original: sha256,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    ...(weights && { weights: { name: weights.name, sha256: weights.sha256 } }),
    passes: [...passes],
    maxDifference,
    axes: options.axes === 'reverse' && !reversed ? 'xyz' : 'zyx',
    difference: passes.includes('twoClassHead'),
    ...(sessionBytes && { sessionBytes }),
    outputChannels,
  };
  if (weights) await writePrivately(join(dirname(path), weights.name), weights.parts);
  await writePrivately(cardOf(path), `${JSON.stringify(card, null, 2)}\n`);
  await writePrivately(path, bytes);
  return card;
}

function writePrivately(path: string, content: string | Uint8Array | readonly Uint8Array[]): Promise<void> {
  return writeAside(path, (temporary) => writeFile(temporary, content, { mode: 0o600 })).catch(unwritable);
}

const cardOf = (path: string) => path.replace(/\.onnx$/, '.json');

/** The card of a kept form; undefined when the form is missing, damaged, or could be changed by others. */
async function keptForm(path: string, original: string): Promise<RewrittenCard | undefined> {
  if (!(await isPrivateFile(cardOf(path)))) return undefined;
  const text = await readFile(cardOf(path), 'utf8').catch(() => '');
  const card = parseJson(text);
  if (!isRewrittenCard(card) || card.original !== original) return undefined;
  const files = [{ name: basename(path), sha256: card.sha256 }, ...(card.weights ? [card.weights] : [])];
  const right = await Promise.all(files.map((one) => isKept(join(dirname(path), one.name), one.sha256)));
  return right.includes(false) ? undefined : card;
}

/** Whether a file has this checksum and nobody else can change it. */
async function isKept(file: string, sha256: string): Promise<boolean> {
  if (!(await isPrivateFile(file))) return false;
  return (await checksumOf(file, 'sha256').catch(() => undefined)) === sha256;
}

/** Written out, so that worker threads need not load zod. */
function isRewrittenCard(value: unknown): value is RewrittenCard {
  const { original, sha256, passes, maxDifference, axes, difference } = Object(value);
  const { sessionBytes, outputChannels, weights } = Object(value);
  return (
    [original, sha256].every((one) => typeof one === 'string') &&
    (weights === undefined || isWeights(weights)) &&
    Array.isArray(passes) &&
    typeof maxDifference === 'number' &&
    (axes === 'xyz' || axes === 'zyx') &&
    typeof difference === 'boolean' &&
    [sessionBytes, outputChannels].every((one) => ['number', 'undefined'].includes(typeof one))
  );
}

function isWeights(value: unknown): boolean {
  const { name, sha256 } = Object(value);
  return typeof name === 'string' && basename(name) === name && typeof sha256 === 'string';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A folder cannot be written. Another one is tried. */
class Unwritable extends Error {}

function unwritable(error: unknown): never {
  throw new Unwritable(messageOf(error), { cause: error });
}
