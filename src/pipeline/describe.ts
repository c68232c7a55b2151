import { z } from 'zod';
import { show } from '../errors.js';
import type { Configurable } from '../options.js';

/** An option, described in words. */
export interface OptionText {
  readonly name: string;
  /** The accepted values in a few words: `3 numbers`, `"RAS" or …`. */
  readonly type: string;
  /** The default. Undefined if the option is required or its description states the default. */
  readonly initial?: string;
  readonly required: boolean;
  readonly description: string;
}

/** The options of an operator, source or sink, for help texts and the reference. */
export function describeOptions(definition: Configurable): OptionText[] {
  return Object.entries(definition.options).map(([name, type]) => {
    const missing = type.safeParse(undefined);
    const initial = missing.success && missing.data !== undefined ? show(missing.data) : undefined;
    const schema = z.toJSONSchema(type, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
    return {
      name,
      type: typeText(schema),
      ...(initial !== undefined && { initial }),
      required: !missing.success,
      description: type.description ?? '',
    };
  });
}

function typeText(schema: Record<string, unknown>): string {
  if (Array.isArray(schema.anyOf)) return [...new Set(schema.anyOf.map(typeText))].join(' or ');
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => show(value)).join(' or ');
  if (schema.const !== undefined) return show(schema.const);
  switch (schema.type) {
    case 'array': {
      if (Array.isArray(schema.prefixItems)) {
        const types = schema.prefixItems.map(typeText);
        const same = types.length > 1 && types.every((type) => type === types[0]);
        return same ? `${types.length} ${plural(types[0])}` : `[${types.join(', ')}]`;
      }
      return `list of ${plural(typeText((schema.items ?? {}) as Record<string, unknown>))}`;
    }
    case 'object': {
      const values = schema.additionalProperties;
      return values && typeof values === 'object'
        ? `map to ${typeText(values as Record<string, unknown>)}`
        : 'map';
    }
    case 'integer':
      return 'whole number';
    case 'string':
      return 'text';
    case 'boolean':
      return 'true or false';
    default:
      return typeof schema.type === 'string' ? schema.type : 'value';
  }
}

function plural(type: string): string {
  if (type.includes(' or ')) return `(${type})`;
  return /^(whole number|number|text|map|value|list)$/.test(type) ? `${type}s` : type;
}
