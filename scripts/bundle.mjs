// The last step of `npm run build`: bundles the scripts of the pages, so that each is one text that can stand
// in a page. The built package needs no bundler.
import { build } from 'esbuild';

await build({
  entryPoints: ['dist/report/browser/page.js', 'dist/report/browser/viewer.js'],
  outdir: 'dist/report/scripts',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  logLevel: 'warning',
});
