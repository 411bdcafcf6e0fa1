/** Puts the chosen appearance on the root element; tokens.css does the rest. Without a choice the system decides, also while open. */
import type { Settings } from '../core/desktop/contract.ts';

const moreContrast = window.matchMedia('(prefers-contrast: more)');

export function applyAppearance(appearance: Settings['appearance']): void {
  const root = document.documentElement;
  if (appearance === 'light' || appearance === 'dark') root.dataset.theme = appearance;
  else delete root.dataset.theme;
  // High contrast keeps the system's choice of light or dark.
  if (appearance === 'high-contrast' || (appearance === 'system' && moreContrast.matches)) root.dataset.contrast = 'more';
  else delete root.dataset.contrast;
}

/** Calls back when the system's wish for contrast changes. */
export function watchContrast(changed: () => void): () => void {
  moreContrast.addEventListener('change', changed);
  return () => moreContrast.removeEventListener('change', changed);
}
