import { useDeferredValue, useState, type ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { clientsQuery } from '../api/queries';
import { switchClient } from '../session/session';
import { countOf } from '../text/numbers';
import { Dialog } from './dialog';
import { Empty, Loaded } from './states';

/** Has a platform application look at another client. */
export function ClientDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [text, setText] = useState('');
  const q = useDeferredValue(text);
  const clients = useQuery(clientsQuery(q));
  return (
    <Dialog title="Switch client" onClose={onClose}>
      <label className="field">
        <span>Client id</span>
        <input value={text} onChange={(event) => setText(event.target.value)} inputMode="numeric" />
      </label>
      <Loaded query={clients} what="The clients">
        {(found) =>
          found.length === 0 ? (
            <Empty>No client matches.</Empty>
          ) : (
            <ul className="plain choices">
              {found.map(({ client_id, agents, agent_events }) => (
                <li key={client_id}>
                  <button
                    type="button"
                    className="choice"
                    onClick={() => {
                      switchClient(client_id);
                      onClose();
                    }}
                  >
                    <strong>Client {client_id}</strong>
                    <span className="muted">
                      {countOf(agents, 'agent')}, {countOf(agent_events, 'agent event')}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Dialog>
  );
}
