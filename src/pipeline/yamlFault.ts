import { type Alias, type Document, type LineCounter, visit, type YAMLParseError } from 'yaml';

/** Something wrong in a YAML text: its line, from 1, and a sentence. */
export interface YamlFault {
  readonly line: number;
  readonly message: string;
}

/** The first fault of a parsed document, with what to do about it where that is known. */
export function yamlFault(document: Document, text: string, lines: LineCounter): YamlFault | undefined {
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
