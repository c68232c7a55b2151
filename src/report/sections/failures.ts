import { type Html, html, tableHead, tableRow } from '../html.js';
import type { ReportData } from '../read.js';
import { scrollBox } from '../scrollBox.js';

/** The failed cases with their messages. */
export function failuresSection({ failures }: ReportData): Html {
  if (failures.length === 0) return html`<p class="note">No case failed.</p>`;
  const rows = failures.map(({ case: id, step, message }) => tableRow([id, step, message]));
  const counts = new Map<string, number>();
  for (const { step } of failures) counts.set(step, (counts.get(step) ?? 0) + 1);
  const bySteps = [...counts].map(([step, count]) => `${count} in ${step}`).join(', ');
  const table = html`<table class="texts">${tableHead(['case', 'step', 'message'])}<tbody>${rows}</tbody></table>`;
  return html`<p class="lead">${failures.length} failed: ${bySteps}. <code>--resume</code> runs them again.</p>
${scrollBox('Failed cases', table)}`;
}
