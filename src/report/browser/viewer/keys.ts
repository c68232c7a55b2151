import { make } from '../dom.js';
import { type Action, group } from './controls.js';

/** An action and its key: a `KeyboardEvent.key`. */
export interface KeyBinding extends Action {
  readonly key: string;
}

/** Runs the actions when their keys are pressed, unless the user is typing or choosing from a list. */
export function listenForKeys(bindings: readonly KeyBinding[]): void {
  document.addEventListener('keydown', (event) => {
    const { target } = event;
    const typing = target instanceof HTMLInputElement && target.type === 'number';
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing || target instanceof HTMLSelectElement) return;
    bindings.find(({ key }) => key === event.key)?.run();
  });
}

/** Lists what keys and mouse do. */
export function keyHelp(bindings: readonly KeyBinding[]): HTMLElement[] {
  const list = (entries: readonly (readonly [string, string])[]) =>
    make('dl', {}, ...entries.flatMap(([term, text]) => [make('dt', {}, term), make('dd', {}, text)]));
  return [
    group('Keys', list(bindings.map(({ key, title }) => [key === 'Escape' ? 'Esc' : key, title]))),
    group(
      'Mouse',
      list([
        ['click', 'move the crosshair'],
        ['wheel', 'step through the slices'],
        ['drag', 'turn the 3D view'],
      ]),
    ),
  ];
}
