import { useEffect, type ReactNode } from 'react';
import { createStore, useStore } from '../store';

/** Results of actions, said once at the edge of the page and to screen readers. */

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
}

const SHOWN_MS = 6000;
const toasts = createStore<readonly Toast[]>([]);
let lastId = 0;

export function say(text: string, isError = false): void {
  lastId += 1;
  toasts.set([...toasts.get(), { id: lastId, text, isError }]);
}

/** Says why an action failed. */
export function sayFailure(error: Error): void {
  say(error.message, true);
}

function dismiss(id: number): void {
  toasts.set(toasts.get().filter((toast) => toast.id !== id));
}

export function Toasts(): ReactNode {
  const shown = useStore(toasts);
  const last = shown.at(-1);
  useEffect(() => {
    if (!last || last.isError) return undefined;
    const timer = window.setTimeout(() => dismiss(last.id), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [last]);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.slice(-3).map(({ id, text, isError }) => (
        <div key={id} className={isError ? 'toast bad' : 'toast'}>
          <span>{text}</span>
          <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
