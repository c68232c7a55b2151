import { evaluate } from '../language/evaluate.js';
import type { Node } from '../language/nodes.js';
import { parseExpression } from '../language/parse.js';
import { Refusal } from '../language/refusal.js';
import type { Value } from '../language/values.js';

/** Names of the parameters of MONAI's `run`, in the order of its positional arguments. */
const parameters = [
  'run_id',
  'init_id',
  'final_id',
  'meta_file',
  'config_file',
  'logging_file',
  'tracking',
  'args_file',
] as const;

/** What a command line gives, by name, with its values typed. */
export type Given = Map<string, Value>;

/**
 * Reads the words after `python -m monai.bundle run` as Python's `fire` does: `--name value`, `--name=value`,
 * a name without a value is True, `-` in a name is `_`, and values are Python's literals where they are some.
 */
export function readCommandLine(words: readonly string[]): Given {
  const given: Given = new Map();
  let position = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (!isFlag(word)) {
      const name = parameters[position++];
      if (name === undefined) throw new Refusal(`"${word}" is one argument too many`);
      given.set(name, literal(word));
      continue;
    }
    const equals = word.indexOf('=');
    const name = (equals < 0 ? word : word.slice(0, equals)).replace(/^-+/, '').replaceAll('-', '_');
    if (equals >= 0) given.set(name, literal(word.slice(equals + 1)));
    else if (i + 1 < words.length && !isFlag(words[i + 1])) given.set(name, literal(words[++i]));
    else if (name.startsWith('no') && name.length > 2) given.set(name.slice(2), false);
    else given.set(name, true);
  }
  return given;
}

function isFlag(word: string): boolean {
  return /^--|^-[a-zA-Z]/.test(word);
}

/** The value of a word: a literal of Python, where names without quotes are texts; else the word itself. */
export function literal(word: string): Value {
  try {
    const node = parseExpression(word);
    if (node.kind === 'binary' || word.length > 10_000) return word;
    return evaluate(asLiteral(node), { name: () => undefined, reference: () => null });
  } catch (error) {
    if (error instanceof Refusal) return word;
    throw error;
  }
}

function asLiteral(node: Node): Node {
  switch (node.kind) {
    case 'constant':
      return node;
    case 'name':
      return { kind: 'constant', value: node.name };
    case 'unary':
      if (node.operator !== 'not' && node.value.kind === 'constant' && typeof node.value.value !== 'string')
        return node;
      break;
    case 'list':
    case 'tuple':
    case 'set':
      if (node.items.every(({ spread }) => !spread)) {
        return {
          ...node,
          items: node.items.map(({ spread, value }) => ({ spread, value: asLiteral(value) })),
        };
      }
      break;
    case 'dict':
      if (node.items.every(({ key }) => key)) {
        return {
          ...node,
          items: node.items.map(({ key, value }) => ({
            key: key && asLiteral(key),
            value: asLiteral(value),
          })),
        };
      }
  }
  throw new Refusal('it is not a literal');
}
