import { useEffect, useRef, type KeyboardEvent } from 'react';
import { createStore } from '../store';

/** Single keys do something unless they are turned off, a field has the focus, or a dialog is open: WCAG 2.1.4. */

export const keysEnabled = createStore(true);

const SEQUENCE_MS = 1200;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));
}

/**
 * Listens for keys of the whole page.
 *
 * @param keys what each does: a key such as `p`, or two in a row such as `g b`
 */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  const current = useRef(keys);
  useEffect(() => {
    current.current = keys;
  });
  useEffect(() => {
    let first: { readonly key: string; readonly at: number } | undefined;
    const listen = (event: globalThis.KeyboardEvent): void => {
      if (!keysEnabled.get() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector('dialog[open]')) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const isSecond = first !== undefined && event.timeStamp - first.at < SEQUENCE_MS;
      const run = (isSecond ? current.current[`${first?.key} ${key}`] : undefined) ?? current.current[key];
      first = { key, at: event.timeStamp };
      if (!run) return;
      event.preventDefault();
      first = undefined;
      run();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
}

/**
 * Makes the links of a list one tab stop, moved between with the arrow keys, `j` and `k`, Home and End. Each link of a row carries
 * `data-row`.
 */
export function useRowKeys(): { readonly onKeyDown: (event: KeyboardEvent<HTMLElement>) => void } {
  return {
    onKeyDown: (event) => {
      const step = stepOf(event.key);
      if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-row]')];
      const at = rows.indexOf(document.activeElement as HTMLElement);
      if (at < 0) return;
      event.preventDefault();
      const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
      if (!next) return;
      for (const row of rows) row.tabIndex = row === next ? 0 : -1;
      next.focus();
    },
  };
}

/** Returns how many rows a key moves by; undefined: it moves by none. */
export function stepOf(key: string): number | undefined {
  switch (key) {
    case 'ArrowDown':
    case 'j':
      return 1;
    case 'ArrowUp':
    case 'k':
      return -1;
    case 'PageDown':
      return 10;
    case 'PageUp':
      return -10;
    case 'Home':
      return Number.NEGATIVE_INFINITY;
    case 'End':
      return Number.POSITIVE_INFINITY;
    default:
      return undefined;
  }
}

/** Puts the focus into the list of a page, from wherever it is. */
export function focusFirstRow(): void {
  document.querySelector<HTMLElement>('[data-row][tabindex="0"], [data-row]')?.focus();
}
