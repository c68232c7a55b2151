import { ModelError, show } from '../../errors.js';
import { type Buildable, Global, Instance, type Pickled, Tuple } from './pickled.js';

/** What a pickle is read with. */
export interface PickleReading {
  /** The class or function of a name. Throws what `refused` makes for a name that must not be there. */
  readonly find: (module: string, name: string) => Global;
  /** What lies outside of the pickle under an identity; for PyTorch, storages. */
  readonly load: (identity: Pickled) => Pickled;
}

/**
 * More operations than any checkpoint needs (about 20 per tensor), and few enough that the values made by
 * them fit in memory. A call costs as much as its arguments are long.
 */
const mostOperations = 4_000_000;

/** More arguments than any call of a checkpoint has. */
export const mostArguments = 1000;

/** Characters or bytes of an argument that cost as much as one operation. */
const bytesPerOperation = 64;

/**
 * Reads a Python pickle (protocols 2 to 5) without running anything: a stack machine that knows data
 * (numbers, texts, bytes, lists, tuples, dicts, sets) and what `find` gives it for the names of classes and
 * functions. Calls run code of this project alone; objects of unknown classes become `Instance`s. Every other
 * opcode is refused. It does not recurse.
 *
 * Source of the opcodes: the documentation in CPython's `Lib/pickletools.py`.
 *
 * @throws ModelError naming what is refused, or where the pickle is damaged.
 */
export function unpickle(bytes: Uint8Array, reading: PickleReading): Pickled {
  return new Unpickler(bytes, reading).run();
}

/**
 * Reads one of several pickles that follow each other, from `start` on. Returns its value and where it ends.
 */
export function unpickleAt(
  bytes: Uint8Array,
  start: number,
  reading: PickleReading,
): { readonly value: Pickled; readonly end: number } {
  const unpickler = new Unpickler(bytes.subarray(start), reading);
  const value = unpickler.run();
  return { value, end: start + unpickler.position };
}

class Unpickler {
  readonly #view: DataView;
  readonly #memo = new Map<number, Pickled>();
  readonly #stack: Pickled[] = [];
  /** Places of the marks on the stack. */
  readonly #marks: number[] = [];
  #at = 0;
  #operations = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly reading: PickleReading,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#at;
  }

  run(): Pickled {
    for (; this.#operations < mostOperations; this.#operations++) {
      const at = this.#at;
      const opcode = this.#uint8();
      if (opcode === 0x2e /* STOP */) return this.#pop();
      if (!this.#data(opcode) && !this.#object(opcode)) {
        throw new ModelError(
          `its pickle holds the opcode 0x${opcode.toString(16).padStart(2, '0')} at ${at}, which no checkpoint needs`,
        );
      }
    }
    throw new ModelError(`its pickle has more than ${mostOperations} operations, which no checkpoint needs`);
  }

  /** Opcodes of plain data; false for another one. */
  #data(opcode: number): boolean {
    switch (opcode) {
      case 0x80: // PROTO
        this.#protocol(this.#uint8());
        return true;
      case 0x95: // FRAME: a hint for buffering
        this.#skip(8);
        return true;
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4a: // BININT
        return this.#push(this.#view.getInt32(this.#skip(4), true));
      case 0x4b: // BININT1
        return this.#push(this.#uint8());
      case 0x4d: // BININT2
        return this.#push(this.#view.getUint16(this.#skip(2), true));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#uint8()));
      case 0x47: // BINFLOAT
        return this.#push(this.#view.getFloat64(this.#skip(8)));
      case 0x58: // BINUNICODE
        return this.#push(this.#text(this.#uint32()));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#text(this.#uint8()));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#text(this.#uint64()));
      case 0x54: // BINSTRING, of Python 2
        return this.#push(this.#text(this.#uint32()));
      case 0x55: // SHORT_BINSTRING, of Python 2
        return this.#push(this.#text(this.#uint8()));
      case 0x42: // BINBYTES
        return this.#push(this.#slice(this.#uint32()));
      case 0x43: // SHORT_BINBYTES
        return this.#push(this.#slice(this.#uint8()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#slice(this.#uint64()));
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        return true;
      case 0x30: // POP
        if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
        else this.#pop();
        return true;
      case 0x31: // POP_MARK
        this.#popMark();
        return true;
      case 0x32: // DUP
        return this.#push(this.#top());
      case 0x5d: // EMPTY_LIST
        return this.#push([]);
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
        return this.#append(this.#popMark());
      case 0x6c: // LIST
        return this.#push(this.#popMark());
      case 0x29: // EMPTY_TUPLE
        return this.#push(new Tuple([]));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(new Tuple(this.#popMany(opcode - 0x84)));
      case 0x74: // TUPLE
        return this.#push(new Tuple(this.#popMark()));
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map());
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMark());
      case 0x64: {
        // DICT
        const items = this.#popMark();
        this.#push(new Map());
        return this.#setItems(items);
      }
      case 0x8f: // EMPTY_SET
        return this.#push(new Set());
      case 0x90: // ADDITEMS
        return this.#addItems(this.#popMark());
      case 0x91: // FROZENSET
        return this.#push(new Set(this.#popMark()));
      case 0x71: // BINPUT
        return this.#put(this.#uint8());
      case 0x72: // LONG_BINPUT
        return this.#put(this.#uint32());
      case 0x94: // MEMOIZE
        return this.#put(this.#memo.size);
      case 0x68: // BINGET
        return this.#get(this.#uint8());
      case 0x6a: // LONG_BINGET
        return this.#get(this.#uint32());
      default:
        return false;
    }
  }

  /** Opcodes that name classes and make objects; false for another one. */
  #object(opcode: number): boolean {
    switch (opcode) {
      case 0x63: // GLOBAL
        return this.#push(this.reading.find(this.#line(), this.#line()));
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw this.#damaged();
        return this.#push(this.reading.find(module, name));
      }
      case 0x69: // INST: names a class and calls it; never in protocol 2 and later
        throw refused(`${this.#line()}.${this.#line()}`);
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callable, args] = this.#popMany(2);
        if (!(args instanceof Tuple)) throw this.#damaged();
        return this.#push(this.#call(callable, args.items));
      }
      case 0x92: {
        // NEWOBJ_EX: with arguments by name
        const [callable, args, named] = this.#popMany(3);
        if (!(args instanceof Tuple) || !(named instanceof Map)) throw this.#damaged();
        return this.#push(this.#call(callable, [...args.items, named]));
      }
      case 0x62: {
        // BUILD. PyTorch gives state dicts an attribute `_metadata`, which nothing here needs.
        const state = this.#pop();
        const target = this.#top();
        if (isBuildable(target)) target.build(state);
        else if (!(target instanceof Map)) throw refused('the state of a value that has none');
        return true;
      }
      case 0x51: // BINPERSID
        return this.#push(this.reading.load(this.#pop()));
      default:
        return false;
    }
  }

  #call(callable: Pickled, args: readonly Pickled[]): Pickled {
    if (!(callable instanceof Global) || args.length > mostArguments) throw this.#damaged();
    for (const arg of args) this.#operations += lengthOf(arg);
    if (callable.call) return callable.call(...args);
    if (!isClassName(callable.name)) throw refused(`a call of ${callable.name}`);
    return new Instance(callable.name, args);
  }

  #protocol(version: number): void {
    if (version < 2 || version > 5) {
      throw new ModelError(`its pickle has the protocol ${version}; protocols 2 to 5 are known`);
    }
  }

  #push(value: Pickled): true {
    this.#stack.push(value);
    return true;
  }

  /** The least height that the stack may fall to: values under a mark belong to others. */
  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  #pop(): Pickled {
    if (this.#stack.length <= this.#floor()) throw this.#damaged();
    return this.#stack.pop();
  }

  #popMany(count: number): Pickled[] {
    if (this.#stack.length - count < this.#floor()) throw this.#damaged();
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #popMark(): Pickled[] {
    const start = this.#marks.pop();
    if (start === undefined) throw this.#damaged();
    return this.#stack.splice(start);
  }

  #top(): Pickled {
    if (this.#stack.length <= this.#floor()) throw this.#damaged();
    return this.#stack[this.#stack.length - 1];
  }

  #append(items: readonly Pickled[]): true {
    const top = this.#top();
    const list = top instanceof Instance ? top.items : top;
    if (!Array.isArray(list)) throw this.#damaged();
    for (const item of items) list.push(item);
    return true;
  }

  #setItems(items: readonly Pickled[]): true {
    const top = this.#top();
    const dict = top instanceof Instance ? top.entries : top;
    if (!(dict instanceof Map) || items.length % 2 !== 0) throw this.#damaged();
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
    return true;
  }

  #addItems(items: readonly Pickled[]): true {
    const set = this.#top();
    if (!(set instanceof Set)) throw this.#damaged();
    for (const item of items) set.add(item);
    return true;
  }

  #put(index: number): true {
    this.#memo.set(index, this.#top());
    return true;
  }

  #get(index: number): true {
    if (!this.#memo.has(index)) throw this.#damaged();
    return this.#push(this.#memo.get(index));
  }

  #uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  #uint64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  /** A little-endian two's complement integer. */
  #long(length: number): number | bigint {
    let value = 0n;
    const bytes = this.#slice(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
    const signed = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  #text(length: number): string {
    return new TextDecoder().decode(this.#slice(length));
  }

  #line(): string {
    const end = this.bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#damaged();
    const text = this.#text(end - this.#at);
    this.#skip(1);
    return text;
  }

  #slice(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.bytes.subarray(start, start + length);
  }

  /** Moves on; returns where it was. */
  #skip(length: number): number {
    const start = this.#at;
    if (length > this.bytes.length - start) throw new ModelError('its pickle is cut off');
    this.#at += length;
    return start;
  }

  #damaged(): ModelError {
    return new ModelError(`its pickle is damaged near byte ${this.#at}`);
  }
}

/** A pickle asks for a function or an object that is not data. */
export class RefusedPickle extends ModelError {}

/** The error for what a pickle asks for and does not get. */
export function refused(what: string): RefusedPickle {
  // Escaped, because the name comes from the file and ends up on a terminal.
  const name = JSON.stringify(what).slice(1, -1);
  return new RefusedPickle(
    `its pickle asks for ${show(name).slice(1, -1)}, which is not data, and nothing of it was run`,
  );
}

function isBuildable(value: Pickled): value is Buildable {
  return typeof value === 'object' && value !== null && 'build' in value;
}

/** Whether a name is written as classes are: `torch.Size`, but not `torch.load`. */
function isClassName(name: string): boolean {
  return /\._*\p{Lu}[^.]*$/u.test(name);
}

/** What an argument of a call costs, in operations. */
function lengthOf(value: Pickled): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length / bytesPerOperation;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  return value instanceof Map || value instanceof Set ? value.size : 0;
}
