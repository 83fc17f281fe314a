import { useSyncExternalStore } from 'react';

/** One timer for every clock on the page. */

let now = Date.now();
let timer: number | undefined;
const listeners = new Set<() => void>();

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = Date.now();
    timer = window.setInterval(tick, 1000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

const nothing = (): (() => void) => () => undefined;

/** Returns the time now, in milliseconds since the epoch, to the second; it stands still while `running` is false. */
export function useNow(running = true): number {
  return useSyncExternalStore(running ? subscribe : nothing, () => now);
}
