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

/** Makes the line above the table say what is to be saved, and save and load it. */
export function addNoteControls(notes: CaseNotes): void {
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
          'index.html; voxstream report then puts them into the page.'
        : '';
    line.classList.toggle('alert', count > 0);
    save.hidden = count === 0;
  };
  save.addEventListener('click', async () => {
    const outcome = await notes.save();
    if (outcome === 'cancelled') return;
    state.textContent =
      outcome === 'written'
        ? 'Saved. Run voxstream report on the folder of the run to put the notes into the page.'
        : 'Downloaded notes.json. Run: voxstream report FOLDER --notes notes.json';
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
