/** An answer of the report's server. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  /** A text, or the file to send. */
  readonly body: string | { readonly file: string };
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that says in a sentence why a request is refused. */
export const refusal = (status: number, sentence: string, headers?: Answer['headers']): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${sentence}\n`,
  headers,
});
