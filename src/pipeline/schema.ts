import { z } from 'zod';
import type { Configurable } from '../options.js';
import { createRegistry, type Registry } from './registry.js';
import { runtimeBlock } from './runtimeBlock.js';
import { trainBlock, validationBlock } from './trainBlock.js';

type JsonSchema = Record<string, unknown>;

/** Any option may also be a reference to a variable. */
const reference: JsonSchema = { type: 'string', pattern: '\\$\\{[^{}]+\\}' };

/**
 * The JSON Schema of pipeline files, generated from the registry. `schema/pipeline.schema.json` is the schema
 * for the built-in definitions. Editors use it to complete and check pipeline files.
 */
export function pipelineSchema(registry: Registry = createRegistry()): JsonSchema {
  const alternatives = (definitions: Iterable<Configurable & { summary: string }>, beside: JsonSchema) => {
    const list = [...definitions];
    return [
      { enum: list.filter((definition) => required(definition).length === 0).map(({ name }) => name) },
      ...list.map((definition) => ({
        type: 'object',
        title: definition.name,
        description: definition.summary,
        properties: { [definition.name]: optionsSchema(definition), ...beside },
        required: [definition.name],
        additionalProperties: false,
      })),
    ];
  };
  const beside = {
    id: {
      type: 'string',
      pattern: '^[\\w-]+$',
      description: 'Name in overrides, timings and failures. Default: the name of the operator or sink',
    },
    disabled: { type: 'boolean', default: false, description: 'Skip this entry' },
  };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'voxstream pipeline',
    description: 'A dataset, the steps that process its cases, and the outputs.',
    type: 'object',
    properties: {
      name: { type: 'string', description: 'Name of the pipeline. Default: the file name' },
      output: { type: 'string', description: 'The output folder. Default: results/NAME' },
      vars: { type: 'object', description: 'Variables, used as a name in braces after a dollar sign' },
      source: { description: 'The dataset', anyOf: alternatives(registry.sources.values(), {}) },
      steps: {
        type: 'array',
        minItems: 1,
        description: 'Operators, in order',
        items: { anyOf: alternatives(registry.operators.values(), beside) },
      },
      sinks: {
        type: 'array',
        description: 'Outputs',
        items: { anyOf: alternatives(registry.sinks.values(), beside) },
      },
      publicEnv: {
        type: 'array',
        items: { type: 'string' },
        description:
          'Names of environment variables whose values may appear in records. Others are hidden there',
      },
      train: trainSchema(registry, alternatives, beside),
      runtime: { ...optionsSchema(runtimeBlock), description: 'How the run uses the machine' },
    },
    // Nothing is required, because a file may be one of several that are merged.
    additionalProperties: false,
  };
}

/** The schema of the train block, which contains choices and a nested pipeline. */
function trainSchema(
  registry: Registry,
  alternatives: (
    definitions: Iterable<Configurable & { summary: string }>,
    beside: JsonSchema,
  ) => JsonSchema[],
  beside: JsonSchema,
): JsonSchema {
  const choice = (definitions: Iterable<Configurable & { summary: string }>) => ({
    anyOf: alternatives(definitions, {}),
  });
  // Inference needs no model here.
  const inference = alternatives(
    [...registry.operators.values()]
      .filter(({ name }) => name === 'inference')
      .map((definition) => ({
        ...definition,
        options: { ...definition.options, model: definition.options.model.optional() },
      })),
    beside,
  );
  const own = optionsSchema(trainBlock);
  const validation = optionsSchema(validationBlock);
  const described = (definition: Configurable, key: string, schema: JsonSchema) => ({
    description: definition.options[key].description,
    ...schema,
  });
  return {
    ...own,
    description: 'How to train a network, for "voxstream train"',
    // Nothing is required, because a file may be one of several that are merged.
    required: [],
    properties: {
      ...(own.properties as JsonSchema),
      network: described(trainBlock, 'network', choice(registry.networks.values())),
      loss: described(trainBlock, 'loss', choice(registry.losses.values())),
      optimizer: described(trainBlock, 'optimizer', choice(registry.optimizers.values())),
      schedule: described(trainBlock, 'schedule', choice(registry.schedules.values())),
      validation: described(trainBlock, 'validation', {
        ...validation,
        properties: {
          ...(validation.properties as JsonSchema),
          source: described(validationBlock, 'source', { $ref: '#/properties/source' }),
          steps: described(validationBlock, 'steps', {
            type: 'array',
            minItems: 1,
            items: { anyOf: [...inference, { $ref: '#/properties/steps/items' }] },
          }),
        },
      }),
    },
  };
}

/** Names of the required options. */
function required(definition: Configurable): string[] {
  return Object.keys(definition.options).filter(
    (name) => !definition.options[name].safeParse(undefined).success,
  );
}

function optionsSchema(definition: Configurable): JsonSchema {
  const properties = Object.fromEntries(
    Object.entries(definition.options).map(([name, type]) => [name, optionSchema(type)]),
  );
  const needed = required(definition);
  return {
    type: needed.length > 0 ? 'object' : ['object', 'null'],
    properties,
    ...(needed.length > 0 && { required: needed }),
    additionalProperties: definition.rest ? optionSchema(definition.rest) : false,
  };
}

function optionSchema(type: z.ZodType): JsonSchema {
  const {
    $schema,
    description,
    default: initial,
    ...schema
  } = z.toJSONSchema(type, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  return {
    ...(description !== undefined && { description }),
    ...(initial !== undefined && { default: initial }),
    anyOf: [
      ...(Object.keys(schema).length === 1 && Array.isArray(schema.anyOf) ? schema.anyOf : [schema]),
      reference,
    ],
  };
}
