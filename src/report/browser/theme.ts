import { byId } from './dom.js';

const root = document.documentElement;
const storageKey = 'voxstream-theme';

/** Applies the theme that the user chose earlier, if any. Without a choice the page follows the system. */
export function applySavedTheme(): void {
  try {
    const saved = localStorage.getItem(storageKey);
    if (saved === 'light' || saved === 'dark') root.dataset.theme = saved;
  } catch {
    // Some browsers deny storage to pages that are opened as files.
  }
}

/** Makes the button `theme` switch between light and dark. */
export function addThemeButton(): void {
  const button = byId('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
  const showOther = () => {
    button.textContent = isDark() ? 'Light' : 'Dark';
  };
  system.addEventListener('change', showOther);
  showOther();
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    showOther();
    try {
      localStorage.setItem(storageKey, root.dataset.theme);
    } catch {
      // See above. The theme then lasts until the page is closed.
    }
  });
}
