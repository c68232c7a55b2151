/** A variable of a loop or the parameter of a lambda: a name, or several names for the items of a tuple. */
export type Target = string | readonly Target[];

/** One `for … in … if …` of a comprehension. */
export interface Loop {
  readonly target: Target;
  readonly over: Node;
  readonly conditions: readonly Node[];
}

/** An argument of a call. `spread` is the number of stars before it. */
export interface Argument {
  readonly name?: string;
  readonly spread: 0 | 1 | 2;
  readonly value: Node;
}

/** A parameter of a lambda. */
export interface Parameter {
  readonly name: string;
  readonly initial?: Node;
}

/** A part of an f-string: text as it is, or a value with its conversion and format. */
export type TextPart =
  | string
  | { readonly value: Node; readonly conversion?: string; readonly format: readonly TextPart[] };

/** A parsed expression. */
export type Node =
  | { readonly kind: 'constant'; readonly value: null | boolean | bigint | number | string }
  | { readonly kind: 'formatted'; readonly parts: readonly TextPart[] }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'reference'; readonly id: string }
  | { readonly kind: 'unary'; readonly operator: string; readonly value: Node }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node }
  | {
      readonly kind: 'compare';
      readonly first: Node;
      readonly rest: readonly { readonly operator: string; readonly value: Node }[];
    }
  | { readonly kind: 'logic'; readonly operator: 'and' | 'or'; readonly left: Node; readonly right: Node }
  | { readonly kind: 'condition'; readonly test: Node; readonly then: Node; readonly otherwise: Node }
  | {
      readonly kind: 'list' | 'tuple' | 'set';
      readonly items: readonly { readonly spread: boolean; readonly value: Node }[];
    }
  | {
      readonly kind: 'dict';
      /** A pair without a key is `**value`. */
      readonly items: readonly { readonly key?: Node; readonly value: Node }[];
    }
  | {
      readonly kind: 'comprehension';
      readonly makes: 'list' | 'set' | 'generator' | 'dict';
      readonly key?: Node;
      readonly value: Node;
      readonly loops: readonly Loop[];
    }
  | { readonly kind: 'attribute'; readonly of: Node; readonly name: string }
  | { readonly kind: 'item'; readonly of: Node; readonly key: Node }
  | { readonly kind: 'slice'; readonly from?: Node; readonly to?: Node; readonly step?: Node }
  | { readonly kind: 'call'; readonly of: Node; readonly args: readonly Argument[] }
  | {
      readonly kind: 'lambda';
      readonly parameters: readonly Parameter[];
      readonly body: Node;
      readonly text: string;
    };
