import { mostCharacters } from './limits.js';
import { Refusal } from './refusal.js';

/** A token of an expression. `at` is its position in the text. */
export type Token =
  | { readonly kind: 'name' | 'operator' | 'reference'; readonly text: string; readonly at: number }
  | { readonly kind: 'number'; readonly value: bigint | number; readonly text: string; readonly at: number }
  | {
      readonly kind: 'text';
      readonly value: string;
      /** True for `f'…'`, whose value is the text between the quotes as written. */
      readonly formatted: boolean;
      readonly raw: boolean;
      readonly text: string;
      readonly at: number;
    }
  | { readonly kind: 'end'; readonly text: ''; readonly at: number };

const space = /[ \t\f\r\n]+|\\\r?\n/y;
const reference = /@[\p{L}\p{N}_]*(?:::[\p{L}\p{N}_]*)*/uy;
const name = /[\p{L}_][\p{L}\p{N}_]*/uy;
const number =
  /0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*)?\.\d[\d_]*(?:[eE][+-]?\d[\d_]*)?|\d[\d_]*\.?(?:[eE][+-]?\d[\d_]*)?/y;
const operator = /\*\*|\/\/|<<|>>|<=|>=|==|!=|->|:=|[-+*/%<>()[\]{},:.&|^~=]/y;
const stringStart = /([rRfFbBuU]{0,2})('''|"""|'|")/y;

/** Splits an expression into tokens. Throws Refusal for anything that is not a Python expression. */
export function tokenize(text: string): Token[] {
  if (text.length > mostCharacters) {
    throw new Refusal(`it has ${text.length} characters, but ${mostCharacters} is the limit`);
  }
  const tokens: Token[] = [];
  const match = (pattern: RegExp, at: number) => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  let at = 0;
  let depth = 0;
  while (at < text.length) {
    const gap = match(space, at);
    if (gap) {
      // As in Python, an expression goes on in a new line only inside brackets.
      if (depth === 0 && gap[0].includes('\n') && !gap[0].startsWith('\\') && text.slice(at).trim()) {
        throw new Refusal('it has more than one line outside of brackets');
      }
      at += gap[0].length;
      continue;
    }
    const string = match(stringStart, at);
    if (string) {
      const token = readText(text, at, string[1].toLowerCase(), string[2], at + string[0].length);
      tokens.push(token);
      at += token.text.length;
      continue;
    }
    const found =
      readPlain('reference', match(reference, at), at) ??
      readNumber(match(number, at), at) ??
      readPlain('name', match(name, at), at) ??
      readPlain('operator', match(operator, at), at);
    if (!found) throw new Refusal(`it has an unexpected ${JSON.stringify(text[at])} at character ${at + 1}`);
    if ('([{'.includes(found.text)) depth++;
    if (')]}'.includes(found.text)) depth--;
    tokens.push(found);
    at += found.text.length;
  }
  tokens.push({ kind: 'end', text: '', at });
  return tokens;
}

function readPlain(kind: 'name' | 'operator' | 'reference', found: RegExpExecArray | null, at: number) {
  return found ? { kind, text: found[0], at } : undefined;
}

function readNumber(found: RegExpExecArray | null, at: number): Token | undefined {
  if (!found) return undefined;
  const [text] = found;
  const digits = text.replaceAll('_', '');
  if (/_$|__|_[.eE]|[.eE+-]_/.test(text)) throw new Refusal(`"${text}" is not a number`);
  if (/^0[xob]/i.test(text)) return { kind: 'number', value: BigInt(digits.toLowerCase()), text, at };
  if (/[.eE]/.test(text)) return { kind: 'number', value: Number(digits), text, at };
  if (/^0+[1-9]/.test(digits)) throw new Refusal(`"${text}" is not a number: it starts with 0`);
  return { kind: 'number', value: BigInt(digits), text, at };
}

function readText(whole: string, at: number, prefix: string, mark: string, from: number): Token {
  if (prefix.includes('b')) throw new Refusal('it has bytes (b"…"), which are not supported');
  let end = from;
  while (!whole.startsWith(mark, end)) {
    if (end >= whole.length || (mark.length === 1 && whole[end] === '\n')) {
      throw new Refusal(`the text that starts at character ${at + 1} has no closing ${mark}`);
    }
    end += whole[end] === '\\' ? 2 : 1;
  }
  const inside = whole.slice(from, end);
  const [raw, formatted] = [prefix.includes('r'), prefix.includes('f')];
  if (!formatted && /@[\p{L}\p{N}_]/u.test(inside)) {
    // MONAI replaces references before it reads the text, so this would not be what is written there.
    throw new Refusal(`the text '${inside}' has an @ in it, which MONAI takes for a reference`);
  }
  const value = raw || formatted ? inside : readEscapes(inside);
  return { kind: 'text', value, formatted, raw, text: whole.slice(at, end + mark.length), at };
}

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\n': '',
};

/** Replaces Python's escapes. Unknown ones stay as they are. */
export function readEscapes(text: string): string {
  return text.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|[\s\S])/g,
    (whole, code: string) => {
      if (/^[xuU]./.test(code)) return codePoint(Number.parseInt(code.slice(1), 16));
      if (/^[0-7]/.test(code)) return codePoint(Number.parseInt(code, 8));
      return escapes[code] ?? whole;
    },
  );
}

function codePoint(code: number): string {
  if (code > 0x10ffff) throw new Refusal(`U+${code.toString(16)} is not a character`);
  return String.fromCodePoint(code);
}
