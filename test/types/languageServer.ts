import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../e2e/harness.js';

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly items?: readonly unknown[] };
  readonly result?: unknown;
}

/**
 * TypeScript's language service, as editors talk to it: the compiler's own server, over its standard streams.
 */
export class LanguageServer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #received = Buffer.alloc(0);
  #lastId = 0;

  constructor() {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    this.#child = spawn(process.execPath, [compiler, '--lsp', '--stdio'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdout!.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Opens a file with this text; it need not be on disk. */
  async open(file: string, text: string): Promise<void> {
    const capabilities = { textDocument: { hover: { contentFormat: ['markdown'] } } };
    await this.#ask('initialize', {
      processId: process.pid,
      rootUri: pathToFileURL(root).href,
      capabilities,
    });
    this.#send({ method: 'initialized', params: {} });
    const textDocument = { uri: pathToFileURL(file).href, languageId: 'typescript', version: 1, text };
    this.#send({ method: 'textDocument/didOpen', params: { textDocument } });
  }

  /** The text that an editor shows for the symbol at a place; lines and characters count from 0. */
  async hover(file: string, line: number, character: number): Promise<string> {
    const result = (await this.#ask('textDocument/hover', {
      textDocument: { uri: pathToFileURL(file).href },
      position: { line, character },
    })) as { contents: { value: string } } | null;
    return result?.contents.value ?? '';
  }

  close(): void {
    this.#child.kill();
  }

  #ask(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#send({ id, method, params });
    return answer.then(({ result }) => result);
  }

  #send(message: object): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message });
    this.#child.stdin!.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const head = this.#received.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.#received.toString('utf8', 0, head))?.[1]);
      const end = head + 4 + length;
      if (this.#received.length < end) return;
      this.#handle(JSON.parse(this.#received.toString('utf8', head + 4, end)));
      this.#received = this.#received.subarray(end);
    }
  }

  #handle({ id, method, params, ...message }: Message): void {
    if (id === undefined) return;
    if (method === undefined) this.#waiting.get(id)?.(message);
    // The server asks for settings; there are none.
    else this.#send({ id, result: params?.items?.map(() => null) ?? null });
  }
}
