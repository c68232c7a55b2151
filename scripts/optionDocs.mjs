// Writes the description of each option into the type declarations of the build, as a doc comment. An editor
// then shows it when someone writes `spacing({ pixdim: … })`. The definitions in `src/` hold each description
// once, in `.describe('…')`, which the compiler cannot turn into comments. Part of `npm run build`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const { describeOptions } = await import('../dist/pipeline/describe.js');

for (const folder of ['operators', 'sources', 'sinks']) {
  for (const file of readdirSync(join('dist', folder)).filter((name) => name.endsWith('.js'))) {
    const module = await import(pathToFileURL(resolve('dist', folder, file)).href);
    const declarations = join('dist', folder, file.replace(/\.js$/, '.d.ts'));
    let text = readFileSync(declarations, 'utf8');
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === 'function' && value.configure) text = withDocs(text, name, describeOptions(value));
    }
    writeFileSync(declarations, text);
  }
}

/**
 * The declarations with a doc comment above each option of `name`. A definition's last type argument is the
 * literal type of the options that people give, `{ readonly pixdim: … }`. Throws if an option is not there.
 */
function withDocs(text, name, options) {
  const start = text.indexOf(`export declare const ${name}: `);
  const given = text.indexOf(', {\n', start);
  let end = text.indexOf('\n}', given);
  for (const { name: option, description, initial } of options) {
    const member = new RegExp(`\n    readonly ${option}\\??: `).exec(text.slice(given, end));
    if (start < 0 || given < 0 || !member)
      throw new Error(`The type declaration of ${name} has no option ${option} where it should be.`);
    const sentence = description.replace(/\.?$/, '.').replaceAll('*/', '*\\/');
    const comment = `\n    /** ${sentence}${initial === undefined ? '' : ` Default: ${initial}.`} */`;
    const at = given + member.index;
    text = text.slice(0, at) + comment + text.slice(at);
    end += comment.length;
  }
  return text;
}
