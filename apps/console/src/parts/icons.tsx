import type { ReactNode } from 'react';

const PATHS = {
  overview: 'M4 13h6V4H4zM14 20h6V10h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  board: 'M4 6h16M4 12h16M4 18h16',
  events: 'M5 12h10M11 6l6 6-6 6M20 5v14',
  deliveries: 'M4 7l8 6 8-6M4 6h16v12H4z',
  playground: 'M8 5l11 7-11 7z',
  menu: 'M5 12h.01M12 12h.01M19 12h.01',
  copy: 'M9 9h10v11H9zM5 15V4h10',
} as const;

export type IconName = keyof typeof PATHS;

/** Shows a line drawing of 20 px, for the eye alone. */
export function Icon({ name }: { readonly name: IconName }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo(): ReactNode {
  return (
    <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#0f766e" />
      <path d="M9 16.5l5 5L23.5 11" fill="none" stroke="#fff" strokeWidth="3.4" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
