// The script of a report's page.
import type { PageCase, PageData } from '../browserData.js';
import { embeddedData } from './dom.js';
import { CaseDialog } from './page/caseDialog.js';
import { CaseTable } from './page/caseTable.js';
import { addPlotChoices, addPlotPoints } from './page/plots.js';
import { addThemeButton, applySavedTheme } from './theme.js';

applySavedTheme();
addThemeButton();

const data = embeddedData<PageData>();
const open = (item: PageCase) => dialog.open(item);
const table = data.cases.length > 0 ? new CaseTable(data, open) : undefined;
const dialog = new CaseDialog(data, () => table?.shown ?? []);

addPlotChoices();
addPlotPoints(data.cases, open);
for (const button of document.querySelectorAll<HTMLElement>('[data-open]')) {
  const item = data.cases.find(({ id }) => id === button.dataset.open);
  if (item) button.addEventListener('click', () => open(item));
}
dialog.openLinked();
