// The script of the 3D view of a case.
import type { ViewerData } from '../browserData.js';
import { byId, embeddedData } from './dom.js';
import { applySavedTheme } from './theme.js';
import { labelControl, maskControl, viewControl, windowControl } from './viewer/controls.js';
import { type KeyBinding, keyHelp, listenForKeys } from './viewer/keys.js';
import { Scene } from './viewer/scene.js';
import { startState } from './viewer/state.js';

function showStatus(text: string, fault = false): void {
  const status = byId('status');
  status.textContent = text;
  status.classList.toggle('fault', fault);
}

async function start(): Promise<void> {
  const data = embeddedData<ViewerData>();
  const { scene, problem } = await Scene.load(byId<HTMLCanvasElement>('view'), data);
  if (!scene) return showStatus(problem ?? 'This case has nothing to show.', true);
  const state = startState(data);
  state.window = scene.window;
  addControls(data, state, scene);
  showStatus('');
  scene.onMove(showStatus);
  scene.goToLabel(state.label);
  scene.apply(state);
  if (problem) showStatus(problem, true);
  document.documentElement.dataset.ready = 'true';
}

function addControls(data: ViewerData, state: ReturnType<typeof startState>, scene: Scene): void {
  const context = { data, state, apply: () => scene.apply(state) };
  const view = viewControl(context);
  const masks = maskControl(context);
  const click = (id: string) => () => byId(id).click();
  const bindings: readonly KeyBinding[] = [
    ...view.actions.map((action, i) => ({ ...action, key: String(i + 1) })),
    // Masks have the first letter of their name: p or a and b, r; and "borders only" has o.
    ...masks.actions.map((action, i) => ({ ...action, key: data.masks[i]?.name[0] ?? 'o' })),
    { key: 'n', title: 'next case', run: click('next') },
    { key: 'N', title: 'previous case', run: click('previous') },
    { key: 'Escape', title: 'back to the report', run: click('back') },
  ];
  listenForKeys(bindings);
  const label = labelControl(context, (value) => scene.goToLabel(value));
  const controls = [view.element, masks.element, label, windowControl(context), ...keyHelp(bindings)];
  byId('controls').append(...controls.filter((element) => element !== undefined));
}

applySavedTheme();
start().catch((error: Error) => showStatus(`The 3D view does not work: ${error.message}`, true));
