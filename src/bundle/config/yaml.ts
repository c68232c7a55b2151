import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node as YamlNode } from 'yaml';
import { Refusal } from '../language/refusal.js';
import { Dict, Tuple, type Value } from '../language/values.js';

/** Aliases could make a small file cost any amount of memory. */
const mostNodes = 200_000;

/** YAML may be nested this deep. */
const mostNesting = 200;

/**
 * Parses YAML 1.1 as PyYAML's `safe_load` does for MONAI: `1e-3` is a text, `yes` is true, `017` is 15, and
 * merge keys (`<<`) are refused.
 *
 * @param onDuplicate Called with each key that occurs twice in its map.
 * @throws Refusal naming the line.
 */
export function parseYaml(text: string, onDuplicate: (key: string) => void = () => {}): Value {
  const lines = new LineCounter();
  const document = parse(text, lines);
  const lineOf = (position: number) => `line ${lines.linePos(position).line}`;
  const [problem] = [
    ...document.errors,
    ...document.warnings.filter(({ code }) => code !== 'TAG_RESOLVE_FAILED'),
  ];
  if (problem && /call stack/.test(problem.message)) throw tooDeep;
  if (problem) throw new Refusal(`${lineOf(problem.pos[0])}: ${problem.message}`);
  const place = (node: YamlNode) => lineOf(node.range?.[0] ?? 0);
  const anchors = new Map<string, YamlNode>();
  let nodes = 0;
  const read = (node: unknown, depth: number): Value => {
    if (node === null || node === undefined) return null;
    if (++nodes > mostNodes) throw new Refusal(`it has more than ${mostNodes} values, aliases counted`);
    const here = node as YamlNode;
    if (depth > mostNesting) throw tooDeep;
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (!target) throw new Refusal(`${place(here)}: there is no anchor &${node.source}`);
      return read(target, depth + 1);
    }
    if ((isScalar(node) || isSeq(node) || isMap(node)) && node.anchor) anchors.set(node.anchor, node);
    if (isScalar(node)) return scalar(String(node.value), node.type === 'PLAIN', node.tag, () => place(here));
    if (isSeq(node)) return node.items.map((item) => read(item, depth + 1));
    if (!isMap(node)) throw new Refusal(`${place(here)}: this is neither a map, a list nor a value`);
    const map = new Dict();
    for (const { key, value } of node.items) {
      const name = read(key, depth + 1);
      if (name === '<<' && isScalar(key) && key.type === 'PLAIN') {
        throw new Refusal(`${place(key)}: merge keys (<<) are not supported, and MONAI refuses them, too`);
      }
      const found = Array.isArray(name) ? new Tuple(name) : name;
      if (map.has(found)) onDuplicate(String(found));
      map.set(found, read(value, depth + 1));
    }
    return map;
  };
  return read(document.contents, 0);
}

const tooDeep = new Refusal(`the content is nested more than ${mostNesting} levels deep`);

function parse(text: string, lineCounter: LineCounter) {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      schema: 'failsafe',
      version: '1.1',
      uniqueKeys: false,
      merge: false,
    });
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep;
    throw error;
  }
}

const patterns: readonly (readonly [RegExp, (text: string) => Value])[] = [
  [/^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/, () => true],
  [/^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/, () => false],
  [/^(?:~|null|Null|NULL|)$/, () => null],
  [/^[-+]?0b[01_]+$/, (text) => signed(text, (digits) => BigInt(digits))],
  [/^[-+]?0[0-7_]+$/, (text) => signed(text, (digits) => BigInt(`0o${digits}`))],
  [/^[-+]?0x[0-9a-fA-F_]+$/, (text) => signed(text, (digits) => BigInt(digits))],
  [/^[-+]?(?:0|[1-9][0-9_]*)$/, (text) => signed(text, (digits) => BigInt(digits))],
  [/^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/, (text) => signed(text, (digits) => BigInt(sixties(digits)))],
  [/^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*$/, (text) => Number(signed(text, sixties))],
  [/^[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?$/, (text) => Number(text.replaceAll('_', ''))],
  [/^[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$/, (text) => Number(text.replaceAll('_', ''))],
  [/^[-+]?\.(?:inf|Inf|INF)$/, (text) => (text.startsWith('-') ? -Infinity : Infinity)],
  [/^\.(?:nan|NaN|NAN)$/, () => Number.NaN],
];

function scalar(text: string, plain: boolean, tag: string | undefined, place: () => string): Value {
  const short = tag?.replace('tag:yaml.org,2002:', '');
  if (short === 'str' || (!plain && short === undefined) || tag === '!') return text;
  const known = patterns.find(([pattern]) => pattern.test(text));
  const value = known ? known[1](text) : text;
  if (short === undefined) return value;
  const kinds: Readonly<Record<string, string>> = { int: 'bigint', float: 'number', bool: 'boolean' };
  if (short === 'float' && typeof value === 'bigint') return Number(value);
  if (kinds[short] === typeof value || (short === 'null' && value === null)) return value;
  throw new Refusal(`${place()}: the tag ${tag} is not supported`);
}

function signed<T extends bigint | number>(text: string, read: (digits: string) => T): T {
  const value = read(text.replace(/^[-+]/, '').replaceAll('_', ''));
  return (text.startsWith('-') ? -value : value) as T;
}

function sixties(digits: string): number {
  return digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}
