/**
 * Thrown where an expression cannot be evaluated. Its message is a clause that continues a sentence; the
 * resolver adds the file, the place and the text of the expression.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
