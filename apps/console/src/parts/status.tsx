import type { ReactNode } from 'react';
import type { Kind } from '../text/words';

/** Shows the shape of a state; says nothing to screen readers, since its word stands beside it. */
export function Shape({ kind }: { readonly kind: Kind }): ReactNode {
  return <span className={`shape ${kind}`} aria-hidden="true" />;
}

/** Shows a state in a list: shape and word. */
export function Status({ kind, word }: { readonly kind: Kind; readonly word: string }): ReactNode {
  return (
    <span className="status">
      <Shape kind={kind} />
      {word}
    </span>
  );
}

/** Shows a state in a heading. */
export function Pill({ kind, word }: { readonly kind: Kind; readonly word: string }): ReactNode {
  return (
    <span className={`pill ${kind}`}>
      <Shape kind={kind} />
      {word}
    </span>
  );
}
