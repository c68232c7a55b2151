import { byId, make } from '../dom.js';
import type { CaseNotes } from './caseNotes.js';

/** The fields for flag and note of a case. */
export function noteFields(id: string, notes: CaseNotes): HTMLElement {
  const { flagged, text } = notes.of(id);
  const flag = make('input', { type: 'checkbox', checked: flagged });
  flag.addEventListener('change', () => notes.set(id, { flagged: flag.checked }));
  const area = make('textarea', { rows: '2', 'aria-label': 'Note', placeholder: 'Note on this case' });
  area.value = text;
  area.addEventListener('input', () => notes.set(id, { text: area.value }));
  return make('div', { class: 'case-note' }, make('label', {}, flag, 'Flag'), area);
}

/**
 * Makes the line below the table save and load notes, and say what is not saved.
 *
 * @param command The command that puts saved notes into the page.
 */
export function addNoteControls(notes: CaseNotes, command: string): void {
  const [line, state, save, load, file] = [
    'notes-line',
    'notes-state',
    'save-notes',
    'load-notes',
    'notes-file',
  ].map((id) => byId(id));
  const refresh = () => {
    const count = notes.unsaved;
    state.textContent =
      count > 0
        ? `${count} ${count === 1 ? 'note is' : 'notes are'} only in this browser. Save them as notes.json beside ` +
          `index.html. Then this command puts them into the page: ${command}`
        : '';
    line.classList.toggle('alert', count > 0);
    save.hidden = count === 0;
  };
  save.addEventListener('click', async () => {
    const outcome = await notes.save();
    if (outcome === 'cancelled') return;
    state.textContent =
      outcome === 'written'
        ? `Saved. To put the notes into the page, run: ${command}`
        : `Downloaded notes.json. To put the notes into the page, run: ${command} --notes notes.json`;
  });
  load.addEventListener('click', () => file.click());
  file.addEventListener('change', async () => {
    const [chosen] = (file as HTMLInputElement).files ?? [];
    if (!chosen) return;
    try {
      notes.add(await chosen.text());
    } catch (error) {
      state.textContent = `${chosen.name} has no notes: ${(error as Error).message}.`;
    }
    (file as HTMLInputElement).value = '';
  });
  notes.onChange(refresh);
  refresh();
}
