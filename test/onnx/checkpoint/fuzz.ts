import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ModelError } from '#src/errors.js';
import { ZipArchive } from '#src/formats/zip.js';
import { buildNetwork } from '#src/onnx/builders/buildNetwork.js';
import { parseCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { Random } from '#src/volume/random.js';
import { mutate } from '../../fuzz/mutate.js';
import { buildZip } from './buildCheckpoint.js';

// A process of its own, so that a crash, a hang or a hunger for memory is seen from outside: reads and
// imports mutated checkpoints, and prints what became of them as JSON.

/** What became of the files. */
export interface FuzzResult {
  /** Read and imported as a network. */
  readonly imported: number;
  /** Refused with a ModelError. */
  readonly refused: number;
  /** Whatever else was thrown. */
  readonly others: readonly string[];
  /** The most memory this process held, in bytes. */
  readonly peak: number;
}

const fixture = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../../../test/fixtures/${path}`, import.meta.url)));

/** The files that are mutated, by format, and the networks that they hold. */
const bare = {
  in_channels: 1,
  out_channels: 1,
  channels: [3, 4],
  strides: [2],
  norm: null,
  adn_ordering: 'A',
};
const { type: _, ...packaged } = JSON.parse(fixture('packagings/config.json').toString()).network;
const formats = {
  zip: { file: fixture('networks/unet_bare.pt'), network: bare },
  safetensors: { file: fixture('packagings/plain.safetensors'), network: packaged },
  legacy: { file: fixture('packagings/legacy.pt'), network: packaged },
  torchscript: { file: fixture('packagings/torchscript.pt'), network: packaged },
};
const format = process.argv[2] as keyof typeof formats;
const { file: original, network } = formats[format];
const others = ['checkpoints/training.pt', 'checkpoints/types.pt', 'checkpoints/script.pt'].map(fixture);
const isArchive = format === 'zip' || format === 'torchscript';
const members = isArchive ? membersOf(original) : [];
const random = new Random(3);

function membersOf(file: Uint8Array) {
  const archive = new ZipArchive(file);
  return archive.names.map((name) => ({ name, data: archive.read(name, 1 << 20) }));
}

const damaged = (file: Uint8Array) => mutate(file, random, others);

/**
 * A mutated file. Half of the archives have right checksums, so that the readers behind the archive see the
 * damage; half of the other files are damaged near their beginning, where their descriptions are.
 */
function nextFile(i: number): Uint8Array {
  if (i % 2 === 0) return damaged(original);
  if (!isArchive) {
    const head = original.subarray(0, 4000);
    return Buffer.concat([damaged(head), original.subarray(head.length)]);
  }
  const chosen = random.integer(4) > 0 ? 'data.pkl' : members[random.integer(members.length)].name;
  return buildZip(
    members.map((one) => (one.name.endsWith(chosen) ? { ...one, data: damaged(one.data) } : one)),
  );
}

const count = Number(process.argv[3]);
let imported = 0;
let refused = 0;
const unexpected: string[] = [];
for (let i = 0; i < count; i++) {
  try {
    writeModel(buildNetwork('UNet', network, parseCheckpoint(nextFile(i), 'mutated.pt')));
    imported++;
  } catch (error) {
    // A message is for the user: a sentence that names the file or the network.
    if (error instanceof ModelError && /mutated\.pt|UNet/.test(error.message)) refused++;
    else unexpected.push(`file ${i}: ${error instanceof Error ? error.stack : error}`);
  }
}
const peak = process.resourceUsage().maxRSS * 1024;
process.stdout.write(
  JSON.stringify({ imported, refused, others: unexpected.slice(0, 5), peak } satisfies FuzzResult),
);
