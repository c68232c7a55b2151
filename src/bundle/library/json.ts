import { Refusal } from '../language/refusal.js';
import { Dict, type Value } from '../language/values.js';

/** JSON may be nested this deep. */
const mostNesting = 200;

const space = /[ \t\n\r]*/y;
const plain = /[^"\\]*/y;
const number = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y;
const word = /true|false|null|NaN|-?Infinity/y;
const words: Readonly<Record<string, Value>> = {
  true: true,
  false: false,
  null: null,
  NaN: Number.NaN,
  Infinity,
  '-Infinity': -Infinity,
};

/**
 * Parses JSON as Python's `json.load` does: `1` is an int and `1.0` a float, and of two equal keys the last
 * one wins.
 *
 * @param onDuplicate Called with each key that occurs twice in its map.
 * @throws Refusal naming the line.
 */
export function parseJson(text: string, onDuplicate: (key: string) => void = () => {}): Value {
  let at = text.startsWith('\ufeff') ? 1 : 0;
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at += found[0].length;
    return found;
  };
  const fail = (what: string): never => {
    const line = text.slice(0, at).split('\n').length;
    throw new Refusal(`line ${line}: ${what}`);
  };
  const expect = (char: string, where: string) => {
    take(space);
    if (text[at] !== char)
      fail(`"${char}" was expected ${where}, but there is ${at < text.length ? `"${text[at]}"` : 'the end'}`);
    at++;
  };
  const readText = (): string => {
    const start = at++;
    for (;;) {
      take(plain);
      if (text[at] === '"') break;
      if (at >= text.length) fail('a text has no closing quote');
      at += 2;
    }
    at++;
    try {
      // Python reads control characters as errors, too.
      return JSON.parse(text.slice(start, at)) as string;
    } catch {
      return fail('a text has an unknown escape or a control character');
    }
  };
  const readValue = (depth: number): Value => {
    if (depth > mostNesting) fail(`the content is nested more than ${mostNesting} levels deep`);
    take(space);
    const char = text[at];
    if (char === '"') return readText();
    if (char === '{') return readMap(depth);
    if (char === '[') return readList(depth);
    const named = take(word);
    if (named) return words[named[0]];
    const found = take(number);
    if (!found) return fail(at < text.length ? `unexpected "${char}"` : 'the end comes too early');
    if (found[0].length > 400) return fail('a number has too many digits');
    return found[1] || found[2] ? Number(found[0]) : BigInt(found[0]);
  };
  const readList = (depth: number): Value[] => {
    at++;
    const items: Value[] = [];
    take(space);
    if (text[at] === ']') at++;
    else {
      for (;;) {
        items.push(readValue(depth + 1));
        take(space);
        if (text[at] !== ',') break;
        at++;
      }
      expect(']', 'after an item');
    }
    return items;
  };
  const readMap = (depth: number): Dict => {
    at++;
    const map = new Dict();
    take(space);
    if (text[at] === '}') {
      at++;
      return map;
    }
    for (;;) {
      take(space);
      if (text[at] !== '"') fail('a key must be a text in double quotes');
      const key = readText();
      expect(':', 'after a key');
      if (map.has(key)) onDuplicate(key);
      map.set(key, readValue(depth + 1));
      take(space);
      if (text[at] !== ',') break;
      at++;
    }
    expect('}', 'after a value');
    return map;
  };
  const value = readValue(0);
  take(space);
  if (at < text.length) fail('there is more after the end');
  return value;
}
