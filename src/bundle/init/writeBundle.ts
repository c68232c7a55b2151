import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OptionError } from '../../errors.js';
import { writeFileAside } from '../../formats/files.js';
import { weightsOf } from '../../models/exportModel.js';
import type { ModelFiles } from '../../models/findModel.js';
import { writeStateDict } from '../../onnx/checkpoint/writeStateDict.js';
import { readModel } from '../../onnx/modelFile.js';
import { inferenceConfig } from './inferenceConfig.js';
import { metadataOf } from './metadata.js';

const logging = `[loggers]
keys=root

[handlers]
keys=consoleHandler

[formatters]
keys=fullFormatter

[logger_root]
level=INFO
handlers=consoleHandler

[handler_consoleHandler]
class=StreamHandler
level=INFO
formatter=fullFormatter
args=(sys.stdout,)

[formatter_fullFormatter]
format=%(asctime)s - %(name)s - %(levelname)s - %(message)s
`;

/**
 * Writes a model as a MONAI bundle: its inference, metadata and weights.
 *
 * @param folder A folder that is missing or empty.
 * @returns The files, and sentences for the user.
 * @throws OptionError if the folder holds something, or MONAI lacks what the model needs; ModelError if the
 * weights cannot be written as a state dict.
 */
export async function writeBundle(
  model: ModelFiles,
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly notes: readonly string[] }> {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new OptionError(`${folder} is not empty. Name another folder with -o.`);
  }
  const { card, file } = model;
  const config = inferenceConfig(card);
  const { tensors, notes } = weightsOf(card, readModel(await readFile(file), file));
  const json = (content: object) => `${JSON.stringify(content, null, 4)}\n`;
  const texts = [
    ['configs/metadata.json', json(metadataOf(card))],
    ['configs/inference.json', json(config)],
    ['configs/logging.conf', logging],
    ['docs/README.md', readme(card.name, card.intendedUse)],
  ] as const;
  for (const [name, text] of texts) await writeFileAside(join(folder, name), text);
  await writeStateDict(join(folder, 'models/model.pt'), tensors);
  const files = [...texts.map(([name]) => name), 'models/model.pt'];
  return { files: files.map((name) => join(folder, name)), notes };
}

function readme(name: string, intendedUse = 'research; not a medical device'): string {
  return `# ${name}

Trained with voxstream. Intended use: ${intendedUse}.

\`\`\`
python -m monai.bundle run --config_file configs/inference.json --dataset_dir PATH
voxstream bundle run --config_file configs/inference.json --dataset_dir PATH
\`\`\`

\`PATH\` is a folder with images (\`*.nii.gz\`). Label maps are written to \`eval\`.
`;
}
