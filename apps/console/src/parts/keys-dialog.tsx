import type { ReactNode } from 'react';
import { Dialog } from './dialog';

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Search'],
  ['g o', 'Overview'],
  ['g b', 'Board'],
  ['g e', 'Agent events'],
  ['g d', 'Deliveries'],
  ['g p', 'Playground'],
  ['j  k  ↓  ↑', 'Next and previous row'],
  ['Enter', 'Open the row'],
  ['Esc', 'Back to the list'],
  ['p', 'Hold the board, or let it go on'],
  ['n', 'Add an agent event'],
  ['?', 'This list'],
];

export function KeysDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div className="actions end">
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
