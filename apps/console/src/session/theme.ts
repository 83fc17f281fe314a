import { createStore } from '../store';

/** Light, dark, or as the system has it; kept in memory alone. */
export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export const theme = createStore<Theme>('system');

theme.subscribe(() => {
  const chosen = theme.get();
  if (chosen === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
});
