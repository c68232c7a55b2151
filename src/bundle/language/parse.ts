import { mostNesting } from './limits.js';
import type { Argument, Loop, Node, Parameter, Target, TextPart } from './nodes.js';
import { Refusal } from './refusal.js';
import { readEscapes, type Token, tokenize } from './tokens.js';

/** Binary operators by binding strength, the weakest first. */
const levels: readonly (readonly string[])[] = [
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '//', '%'],
];

/** Words that cannot be names. The ones that have no place in an expression are refused by name. */
const keywords = new Set(
  (
    'and or not in is if else for lambda True False None await async yield import from as class def del ' +
    'global nonlocal pass return try with while raise assert break continue elif except finally'
  ).split(' '),
);

/**
 * Parses one Python expression into a tree of nodes. Nothing of it is run here. Throws Refusal for statements
 * and for what is not an expression.
 */
export function parseExpression(text: string): Node {
  if (/^\s/.test(text)) throw new Refusal('it starts with a space, which Python takes for an indented line');
  return new Parser(text).whole();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth: number;

  constructor(text: string, depth = 0) {
    this.#text = text;
    this.#tokens = tokenize(text);
    this.#depth = depth;
  }

  whole(): Node {
    if (this.#peek().kind === 'end') throw new Refusal('it is empty');
    const node = this.#tupleOrValue();
    if (this.#peek().kind !== 'end') this.#unexpected();
    return node;
  }

  #peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)];
  }

  #take(): Token {
    return this.#tokens[this.#next++];
  }

  #is(text: string, ahead = 0): boolean {
    const token = this.#peek(ahead);
    return (token.kind === 'operator' || token.kind === 'name') && token.text === text;
  }

  #accept(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#next++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) this.#unexpected(`where "${text}" was expected`);
  }

  #unexpected(where = ''): never {
    const token = this.#peek();
    const found = token.kind === 'end' ? 'its end' : `"${token.text.slice(0, 40)}"`;
    throw new Refusal(`it is not a Python expression: ${found} at character ${token.at + 1} ${where}`.trim());
  }

  /** Runs a rule one level deeper, up to the limit. */
  #deeper<T>(rule: () => T): T {
    if (++this.#depth > mostNesting) {
      throw new Refusal(`it is nested more than ${mostNesting} levels deep`);
    }
    const result = rule();
    this.#depth--;
    return result;
  }

  /** `a, b`, `*a, b`, or a single value. */
  #tupleOrValue(): Node {
    const first = this.#spreadOrValue();
    if (!this.#is(',')) {
      if (first.spread) this.#unexpected();
      return first.value;
    }
    const items = [first];
    while (this.#accept(',')) {
      if (this.#peek().kind === 'end' || [')', ']', '}', ':', '='].some((text) => this.#is(text))) break;
      items.push(this.#spreadOrValue());
    }
    return { kind: 'tuple', items };
  }

  #spreadOrValue(): { spread: boolean; value: Node } {
    return this.#accept('*')
      ? { spread: true, value: this.#binary(0) }
      : { spread: false, value: this.#value() };
  }

  #value(): Node {
    return this.#deeper(() => {
      if (this.#is('lambda')) return this.#lambda();
      const then = this.#or();
      if (!this.#accept('if')) return then;
      const test = this.#or();
      this.#expect('else');
      return { kind: 'condition', test, then, otherwise: this.#value() };
    });
  }

  #lambda(): Node {
    const start = this.#take().at;
    const parameters: Parameter[] = [];
    while (!this.#is(':')) {
      const name = this.#name();
      parameters.push(this.#accept('=') ? { name, initial: this.#value() } : { name });
      if (!this.#accept(',')) break;
    }
    this.#expect(':');
    const body = this.#value();
    const text = this.#text.slice(start, this.#peek().at).trim();
    return { kind: 'lambda', parameters, body, text };
  }

  #or(): Node {
    let left = this.#and();
    while (this.#accept('or')) left = { kind: 'logic', operator: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Node {
    let left = this.#not();
    while (this.#accept('and')) left = { kind: 'logic', operator: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Node {
    if (!this.#accept('not')) return this.#comparison();
    return this.#deeper(() => ({ kind: 'unary', operator: 'not', value: this.#not() }));
  }

  #comparison(): Node {
    const first = this.#binary(0);
    const rest: { operator: string; value: Node }[] = [];
    for (let operator = this.#comparator(); operator; operator = this.#comparator()) {
      rest.push({ operator, value: this.#binary(0) });
    }
    return rest.length > 0 ? { kind: 'compare', first, rest } : first;
  }

  #comparator(): string | undefined {
    for (const operator of ['<', '>', '<=', '>=', '==', '!=', 'in']) {
      if (this.#accept(operator)) return operator;
    }
    if (this.#is('not') && this.#is('in', 1)) {
      this.#next += 2;
      return 'not in';
    }
    if (!this.#accept('is')) return undefined;
    return this.#accept('not') ? 'is not' : 'is';
  }

  #binary(level: number): Node {
    if (level === levels.length) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const operator = levels[level].find((text) => this.#is(text));
      if (operator === undefined) return left;
      this.#next++;
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): Node {
    const operator = ['-', '+', '~'].find((text) => this.#is(text));
    if (operator === undefined) return this.#power();
    this.#next++;
    return this.#deeper(() => ({ kind: 'unary', operator, value: this.#unary() }));
  }

  #power(): Node {
    const left = this.#postfix();
    if (!this.#accept('**')) return left;
    return this.#deeper(() => ({ kind: 'binary', operator: '**', left, right: this.#unary() }));
  }

  #postfix(): Node {
    let node = this.#atom();
    for (;;) {
      if (this.#accept('.')) node = { kind: 'attribute', of: node, name: this.#name() };
      else if (this.#accept('(')) node = { kind: 'call', of: node, args: this.#arguments() };
      else if (this.#accept('[')) {
        node = { kind: 'item', of: node, key: this.#key() };
        this.#expect(']');
      } else return node;
    }
  }

  /** What is between the brackets of `a[…]`: a value, a slice, or several of them. */
  #key(): Node {
    const first = this.#sliceOrValue();
    if (!this.#is(',')) return first;
    const items = [{ spread: false, value: first }];
    while (this.#accept(',')) {
      if (!this.#is(']')) items.push({ spread: false, value: this.#sliceOrValue() });
    }
    return { kind: 'tuple', items };
  }

  #sliceOrValue(): Node {
    const part = () => ([':', ']', ','].some((text) => this.#is(text)) ? undefined : this.#value());
    const from = part();
    if (!this.#accept(':')) return from ?? this.#unexpected();
    const to = part();
    return { kind: 'slice', from, to, step: this.#accept(':') ? part() : undefined };
  }

  #arguments(): Argument[] {
    const args: Argument[] = [];
    while (!this.#is(')')) {
      if (this.#accept('**')) args.push({ spread: 2, value: this.#value() });
      else if (this.#accept('*')) args.push({ spread: 1, value: this.#value() });
      else if (this.#peek().kind === 'name' && this.#is('=', 1)) {
        const name = this.#name();
        this.#expect('=');
        args.push({ name, spread: 0, value: this.#value() });
      } else {
        const value = this.#value();
        args.push({ spread: 0, value: this.#is('for') ? this.#comprehension('generator', value) : value });
      }
      if (!this.#accept(',')) break;
    }
    this.#expect(')');
    return args;
  }

  #atom(): Node {
    const token = this.#peek();
    switch (token.kind) {
      case 'number':
        this.#next++;
        return { kind: 'constant', value: token.value };
      case 'text':
        return this.#texts();
      case 'reference':
        this.#next++;
        return { kind: 'reference', id: token.text.slice(1) };
      case 'name':
        return this.#word();
      case 'operator':
        if (token.text === '(') return this.#deeper(() => this.#parenthesis());
        if (token.text === '[') return this.#deeper(() => this.#list());
        if (token.text === '{') return this.#deeper(() => this.#braces());
    }
    return this.#unexpected();
  }

  #word(): Node {
    const constants = { None: null, True: true, False: false } as const;
    const { text } = this.#peek();
    if (Object.hasOwn(constants, text)) {
      this.#next++;
      return { kind: 'constant', value: constants[text as keyof typeof constants] };
    }
    return { kind: 'name', name: this.#name() };
  }

  #name(): string {
    const token = this.#peek();
    if (token.kind !== 'name' || keywords.has(token.text)) this.#unexpected();
    this.#next++;
    return token.text;
  }

  /** Texts that follow each other are one text. */
  #texts(): Node {
    const parts: TextPart[] = [];
    for (let token = this.#peek(); token.kind === 'text'; token = this.#peek()) {
      this.#next++;
      parts.push(...(token.formatted ? this.#formatted(token.value, token.raw) : [token.value]));
    }
    return parts.every((part) => typeof part === 'string')
      ? { kind: 'constant', value: parts.join('') }
      : { kind: 'formatted', parts };
  }

  /** The parts of an f-string, or of a format in one. */
  #formatted(text: string, raw: boolean): TextPart[] {
    const parts: TextPart[] = [];
    let plain = '';
    const flush = () => {
      if (plain) parts.push(raw ? plain : readEscapes(plain));
      plain = '';
    };
    for (let at = 0; at < text.length; at++) {
      const char = text[at];
      if (char !== '{' && char !== '}') {
        plain += char;
      } else if (text[at + 1] === char) {
        plain += char;
        at++;
      } else if (char === '}') {
        throw new Refusal('an f-string has a single }');
      } else {
        flush();
        const end = closingBrace(text, at);
        parts.push(this.#field(text.slice(at + 1, end), raw));
        at = end;
      }
    }
    flush();
    return parts;
  }

  /** The inside of `{value!r:format}`. */
  #field(text: string, raw: boolean): TextPart {
    return this.#deeper(() => {
      const colon = topLevel(text, /:(?!:)/y);
      const head = colon < 0 ? text : text.slice(0, colon);
      const conversion = /!([rsa])$/.exec(head)?.[1];
      const inner = new Parser((conversion ? head.slice(0, -2) : head).trim(), this.#depth);
      return {
        value: inner.whole(),
        conversion,
        format: colon < 0 ? [] : this.#formatted(text.slice(colon + 1), raw),
      };
    });
  }

  #parenthesis(): Node {
    this.#expect('(');
    if (this.#accept(')')) return { kind: 'tuple', items: [] };
    const node = this.#tupleOrValue();
    const result = this.#is('for') ? this.#comprehension('generator', node) : node;
    this.#expect(')');
    return result;
  }

  #list(): Node {
    this.#expect('[');
    const items: { spread: boolean; value: Node }[] = [];
    while (!this.#is(']')) {
      const item = this.#spreadOrValue();
      if (items.length === 0 && this.#is('for')) {
        const node = this.#comprehension('list', item.value);
        this.#expect(']');
        return node;
      }
      items.push(item);
      if (!this.#accept(',')) break;
    }
    this.#expect(']');
    return { kind: 'list', items };
  }

  /** A dictionary or a set. */
  #braces(): Node {
    this.#expect('{');
    const node = this.#is('**') || this.#is('}') ? this.#dict([]) : this.#setOrDict();
    this.#expect('}');
    return node;
  }

  #setOrDict(): Node {
    const first = this.#spreadOrValue();
    if (!first.spread && this.#accept(':')) {
      const value = this.#value();
      if (this.#is('for')) return this.#comprehension('dict', value, first.value);
      return this.#dict([{ key: first.value, value }]);
    }
    if (this.#is('for')) return this.#comprehension('set', first.value);
    const items = [first];
    while (this.#accept(',')) if (!this.#is('}')) items.push(this.#spreadOrValue());
    return { kind: 'set', items };
  }

  /** The items of a dictionary after those that were read already. */
  #dict(read: readonly { key?: Node; value: Node }[]): Node {
    const items = [...read];
    while (items.length === 0 || this.#accept(',')) {
      if (this.#is('}')) break;
      if (this.#accept('**')) items.push({ value: this.#binary(0) });
      else {
        const key = this.#value();
        this.#expect(':');
        items.push({ key, value: this.#value() });
      }
    }
    return { kind: 'dict', items };
  }

  #comprehension(makes: 'list' | 'set' | 'generator' | 'dict', value: Node, key?: Node): Node {
    const loops: Loop[] = [];
    while (this.#accept('for')) {
      const target = this.#target();
      this.#expect('in');
      const over = this.#or();
      const conditions: Node[] = [];
      while (this.#accept('if')) conditions.push(this.#or());
      loops.push({ target, over, conditions });
    }
    return { kind: 'comprehension', makes, key, value, loops };
  }

  #target(): Target {
    const one = (): Target => {
      if (!this.#accept('(')) return this.#name();
      const inside = this.#deeper(() => this.#target());
      this.#expect(')');
      return inside;
    };
    const first = one();
    if (!this.#is(',')) return first;
    const names = [first];
    while (this.#accept(',')) if (!this.#is('in')) names.push(one());
    return names;
  }
}

/** The position of the brace that closes the one at `start`. */
function closingBrace(text: string, start: number): number {
  const end = topLevel(text.slice(start + 1), /\}/y);
  if (end < 0) throw new Refusal('an f-string has a { without a }');
  return start + 1 + end;
}

/** The first match of a pattern outside of brackets and quotes, or -1. */
function topLevel(text: string, pattern: RegExp): number {
  let depth = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quote) {
      if (char === quote) quote = '';
      continue;
    }
    pattern.lastIndex = at;
    if (depth === 0 && pattern.test(text) && text[at - 1] !== ':') return at;
    if (char === "'" || char === '"') quote = char;
    else if ('([{'.includes(char)) depth++;
    else if (')]}'.includes(char)) depth--;
  }
  return -1;
}
