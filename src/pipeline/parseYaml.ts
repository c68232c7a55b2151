import { type Alias, type Document, LineCounter, parseDocument, visit, type YAMLParseError } from 'yaml';
import { messageOf, OptionError } from '../errors.js';

/** Something wrong in a YAML text: its line, from 1, and a sentence. */
interface YamlFault {
  readonly line: number;
  readonly message: string;
}

/** A parsed YAML or JSON text. */
interface ParsedYaml {
  readonly content: unknown;
  readonly document: Document;
  readonly lines: LineCounter;
}

/**
 * Parses YAML or JSON.
 *
 * @param file The name of the text in messages.
 * @throws OptionError with file and line.
 */
export function parseYamlText(text: string, file: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fault = yamlFault(document, text, lines);
  if (fault) throw new OptionError(`${file}:${fault.line}: ${fault.message}`);
  try {
    return { content: document.toJS(), document, lines };
  } catch (error) {
    // Aliases that stand for too much are found here.
    throw new OptionError(`${file} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}

/** The first fault of a parsed document, with what to do about it where that is known. */
function yamlFault(document: Document, text: string, lines: LineCounter): YamlFault | undefined {
  const problem = document.errors[0] ?? document.warnings[0];
  const alias = unknownAlias(document);
  if (problem && !(alias?.range && alias.range[0] < problem.pos[0])) {
    const { line } = lines.linePos(problem.pos[0]);
    return { line, message: `${problem.message.replace(/\.?$/, '.')}${advice(problem, lineOf(text, line))}` };
  }
  if (!alias?.range) return undefined;
  const { line } = lines.linePos(alias.range[0]);
  return {
    line,
    message: `a value that begins with * must be in quotes: '*${alias.source}'. Without quotes, YAML reads it as a reference.`,
  };
}

/** The first alias whose anchor does not exist before it, e.g. `*.nii.gz`. */
function unknownAlias(document: Document): Alias | undefined {
  let found: Alias | undefined;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document)) return undefined;
      found = alias;
      return visit.BREAK;
    },
  });
  return found;
}

function lineOf(text: string, line: number): string {
  return text.split(/\r?\n/)[line - 1] ?? '';
}

function advice({ code }: YAMLParseError | { readonly code: string }, line: string): string {
  const colon = missingColon(line.trim().replace(/^- +/, ''));
  if (colon) return ` ${colon}`;
  const [, value] = /:\s+([{[][^{}[\]]*[\]}][^\s,}\]]+)/.exec(line) ?? [];
  if (value) return ` Put the value in quotes: '${value.trim()}'.`;
  return (hints as Readonly<Record<string, string>>)[code] ?? '';
}

/** What to do about the errors of the parser, by their code. */
const hints = {
  BAD_SCALAR_START: ' Put the value in quotes.',
  BAD_INDENT: ' Is a bracket not closed?',
  BLOCK_AS_IMPLICIT_KEY:
    ' Put an inner map into braces ("source: { glob: { … } }"), and a text that contains ": " in quotes.',
  TAB_AS_INDENT: ' Indent with spaces.',
};

/** The sentence for `orient { axcodes: RAS }` without its colon; undefined for anything else. */
export function missingColon(text: string): string | undefined {
  const [, name, rest] = /^([A-Za-z]\w*) *(:?[{[].*)$/.exec(text) ?? [];
  if (name === undefined) return undefined;
  const why = rest.startsWith(':') ? 'A space is missing after the colon' : 'A colon is missing';
  return `${why}: "${name}: ${rest.replace(/^:/, '')}${rest.includes('}') || rest.includes(']') ? '' : ' …'}".`;
}
