import { type Html, html, tableRow } from '../html.js';
import type { RunRecord } from '../read.js';
import { scrollBox } from '../scrollBox.js';
import { showSeconds } from '../text.js';

/** How the run was made: pipeline, models, device, versions and times. */
export function provenanceSection(run: RunRecord): Html {
  const { pipeline, models, lanes, seconds, started, voxstream, node, platform, device, files, identity } =
    run;
  if (!pipeline && !started) {
    return html`<p class="note">The folder has no run.json, so it is unknown how the results were made.</p>`;
  }
  const list = (value: unknown) =>
    value === undefined ? undefined : Array.isArray(value) ? value.join(', ') : String(value);
  const shares = Object.entries(lanes ?? {}).map(([lane, share]) => `${lane} ${Math.round(100 * share)} %`);
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['pipeline', Array.isArray(files) && files.length > 0 ? list(files) : pipeline?.name],
    ...(models ?? []).map(
      ({ name, sha256 }) => ['model', `${name}${sha256 ? `, SHA-256 ${sha256}` : ''}`] as const,
    ),
    // A run without a model did not look for a device.
    ['device', device === 'auto' ? undefined : device],
    ['started', started],
    ['wall time', seconds === undefined ? undefined : showSeconds(seconds)],
    ['lanes busy', shares.length > 0 ? shares.join(', ') : undefined],
    ['voxstream', list(voxstream)],
    ['Node', node && platform ? `${list(node)} on ${list(platform)}` : list(node)],
    ['identity', list(identity)],
  ];
  const rows = entries.flatMap(([name, value]) => (value === undefined ? [] : [tableRow([name, value])]));
  const table = html`<table class="texts"><tbody>${rows}</tbody></table>`;
  return html`${scrollBox('How the run was made', table)}
<details><summary>The pipeline with all its options</summary><pre tabindex="0">${JSON.stringify(pipeline, null, 2)}</pre></details>`;
}
