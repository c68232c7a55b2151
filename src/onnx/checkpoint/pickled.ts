/**
 * A value of a pickle. Dicts are Maps, lists are arrays, sets are Sets, bytes are Uint8Arrays, tuples are
 * `Tuple`s, and objects of other classes are `Instance`s.
 */
export type Pickled = unknown;

/** A Python tuple. */
export class Tuple {
  constructor(readonly items: readonly Pickled[]) {}
}

/** A class or function that a pickle names. */
export class Global {
  /**
   * @param name Its module and name: `torch.Size`.
   * @param call What a call of it makes, in our own code. Default: an `Instance`.
   */
  constructor(
    readonly name: string,
    readonly call?: (...args: Pickled[]) => Pickled,
  ) {}
}

/** A value that takes the state that a pickle gives an object after it was made. */
export interface Buildable {
  build(state: Pickled): void;
}

/** An object of a class that is not known here. It holds what the pickle gives it, as data. */
export class Instance implements Buildable {
  /** The entries of a subclass of dict. */
  readonly entries = new Map<Pickled, Pickled>();
  /** The items of a subclass of list. */
  readonly items: Pickled[] = [];
  /** Its attributes by name. */
  readonly state = new Map<Pickled, Pickled>();

  constructor(
    readonly kind: string,
    readonly args: readonly Pickled[],
  ) {}

  build(state: Pickled): void {
    // A class with slots has two dicts.
    const parts = state instanceof Tuple && state.items.length === 2 ? state.items : [state];
    for (const part of parts) {
      if (part instanceof Map) for (const [name, value] of part) this.state.set(name, value);
    }
  }
}
