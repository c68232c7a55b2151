import type { ModelCard } from '../../models/card.js';

/** The `metadata.json` of a bundle, by the schema that MONAI's `verify_metadata` knows. */
export function metadataOf(card: ModelCard): Readonly<Record<string, unknown>> {
  const { name, version = '1.0.0', description, labels, input, output, training, network } = card;
  const shape = input.patch ?? [96, 96, 96];
  const classes = Object.entries(labels);
  const inputs = input.channels ?? 1;
  const outputs = output.channels ?? Math.max(classes.length, 2);
  const known = network?.['monai_version'];
  const tensor = (channels: number) => ({
    num_channels: channels,
    spatial_shape: shape,
    dtype: 'float32',
    is_patch_data: true,
  });
  const channel = (i: number) => labels[i] ?? `class ${i}`;
  const names = Object.fromEntries(Array.from({ length: outputs }, (_, i) => [i, channel(i)]));
  return {
    schema:
      'https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20220324.json',
    version,
    changelog: { [version]: 'written by voxstream' },
    monai_version: typeof known === 'string' ? known : '1.3.2',
    pytorch_version: '1.13.1',
    numpy_version: '1.24.4',
    optional_packages_version: { nibabel: '5.0.0', 'pytorch-ignite': '0.4.12' },
    name,
    task: `Segmentation: ${classes
      .map(([, label]) => label)
      .filter((label) => label !== 'background')
      .join(', ')}`,
    description: description ?? name,
    authors: String(card['authors'] ?? ''),
    copyright: String(card['copyright'] ?? ''),
    ...(card.license !== undefined && { license: card.license }),
    data_source: String(training?.['data'] ?? ''),
    data_type: 'nibabel',
    intended_use: card.intendedUse ?? '',
    network_data_format: {
      inputs: {
        image: {
          type: 'image',
          format: 'magnitude',
          ...(input.modality !== undefined && { modality: input.modality }),
          ...tensor(inputs),
          value_range: input.valueRange ?? [0, 1],
          channel_def: Object.fromEntries(
            Array.from({ length: inputs }, (_, i) => [i, i === 0 ? 'image' : `image ${i}`]),
          ),
        },
      },
      outputs: {
        pred: {
          type: 'image',
          format: 'segmentation',
          ...tensor(outputs),
          value_range: [0, 1],
          channel_def: names,
        },
      },
    },
  };
}
