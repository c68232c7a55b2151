import { z } from 'zod';
import type { Configurable } from '../options.js';
import { createRegistry, type Registry } from './registry.js';
import { runtimeBlock } from './runtimeBlock.js';
import { trainBlock, validationBlock } from './trainBlock.js';

type JsonSchema = Record<string, unknown>;

/** Any option may be given as a reference to a variable instead. */
const reference: JsonSchema = { type: 'string', pattern: '\\$\\{[^{}]+\\}' };

/**
 * The JSON Schema of a pipeline file, made from the registry's definitions. `schema/pipeline.schema.json` is this for what
 * comes with voxstream; editors complete and check pipeline files with it.
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
      description: 'Name in overrides, timings and failures. Default: the name',
    },
    disabled: { type: 'boolean', default: false, description: 'Leave it out' },
  };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'voxstream pipeline',
    description: 'A dataset, the steps its cases go through, and where the results go.',
    type: 'object',
    properties: {
      name: { type: 'string', description: "Name of the pipeline. Default: the file's" },
      output: { type: 'string', description: "The run's folder. Default: results/NAME" },
      vars: { type: 'object', description: 'Variables; a dollar sign and a name in braces stand for one' },
      source: { description: 'The dataset', anyOf: alternatives(registry.sources.values(), {}) },
      steps: {
        type: 'array',
        minItems: 1,
        description: 'Operators, in order',
        items: { anyOf: alternatives(registry.operators.values(), beside) },
      },
      sinks: {
        type: 'array',
        description: 'Where results go',
        items: { anyOf: alternatives(registry.sinks.values(), beside) },
      },
      train: trainSchema(registry, alternatives, beside),
      runtime: { ...optionsSchema(runtimeBlock), description: 'How the machine is used' },
    },
    // Not required: a file may be one of several that are merged.
    additionalProperties: false,
  };
}

/** The schema of the train block, which holds choices and a pipeline of its own. */
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
  // Here inference needs no model.
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
    description: 'How a network is trained, for "voxstream train"',
    // Not required: a file may be one of several that are merged.
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

/** Names of the options that must be given. */
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
