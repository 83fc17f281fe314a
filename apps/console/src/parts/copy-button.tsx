import type { ReactNode } from 'react';
import { say } from './toasts';

/** Copies a text, and says so. */
export function CopyButton({
  text,
  children,
  what,
}: {
  readonly text: string;
  readonly children: ReactNode;
  readonly what: string;
}): ReactNode {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      say(`${what} copied.`);
    } catch {
      say('The browser does not allow copying here: select the text instead.', true);
    }
  };
  return (
    <button type="button" className="button" onClick={() => void copy()}>
      {children}
    </button>
  );
}
