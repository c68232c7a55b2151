// The script of a report's page.
import type { PageCase, PageData } from '../browserData.js';
import { embeddedData } from './dom.js';
import { CaseDialog } from './page/caseDialog.js';
import { CaseNotes } from './page/caseNotes.js';
import { addPictures } from './page/casePictures.js';
import { CaseTable } from './page/caseTable.js';
import { addPlotExports } from './page/exportPlots.js';
import { addNoteControls } from './page/noteControls.js';
import { addPlotChoices, addPlotPoints, drawPlots } from './page/plots.js';
import { addThemeButton, applySavedTheme } from './theme.js';

applySavedTheme();
addThemeButton();

const data = embeddedData<PageData>();
const open = (item: PageCase) => dialog.open(item);
const notes = new CaseNotes(data);
const table = data.cases.length > 0 ? new CaseTable(data, notes, open) : undefined;
const dialog = new CaseDialog(data, notes, () => table?.shown ?? []);
if (table) addNoteControls(notes, data.command);

for (const pane of document.querySelectorAll('[data-choice]:not([hidden])')) drawPlots(pane);
addPlotChoices();
addPlotPoints(data.cases, open);
addPlotExports(data.name);
addPictures(data.cases);
document.addEventListener('click', ({ target }) => {
  const id = target instanceof HTMLElement ? target.dataset.open : undefined;
  const item = id === undefined ? undefined : data.cases.find((one) => one.id === id);
  if (item) open(item);
});
for (const details of document.querySelectorAll('details')) {
  details.addEventListener('toggle', () => drawPlots(details), { once: true });
}
dialog.openLinked();
