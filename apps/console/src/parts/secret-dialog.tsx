import { useState, type ReactNode } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { call, ofClient } from '../api/http';
import { secretsQuery } from '../api/queries';
import { CopyButton } from './copy-button';
import { Dialog } from './dialog';
import { Moment } from './moment';
import { Loaded } from './states';
import { say, sayFailure } from './toasts';

/** Shows the secrets that the client's notifications are signed with; readable only when asked for. */
export function SecretDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const secrets = useQuery(secretsQuery());
  const queryClient = useQueryClient();
  const [shown, setShown] = useState(false);
  const rotate = useMutation({
    mutationFn: () => call('POST', ofClient('/webhook_secret/')),
    onSuccess: () => {
      say('There is a new secret. The old one signs along for 24 hours.');
      void queryClient.invalidateQueries({ queryKey: secretsQuery().queryKey });
    },
    onError: sayFailure,
  });
  return (
    <Dialog title="Signing secret" onClose={onClose}>
      <p>
        Every notification carries <code>webhook-signature</code>, made with this secret. Verify it at the receiver.
      </p>
      <Loaded query={secrets} what="The secret">
        {(found) => (
          <ul className="plain secrets">
            {found.map(({ id, secret, created_at, expires_at }) => (
              <li key={id}>
                <code className="block">{shown ? secret : `whsec_${'•'.repeat(24)}`}</code>
                <div className="actions">
                  <span className="muted small">
                    {expires_at === null ? 'Since ' : 'Signs along until '}
                    <Moment at={expires_at ?? created_at} />
                  </span>
                  <CopyButton text={secret} what="Secret">
                    Copy
                  </CopyButton>
                </div>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      <div className="actions end">
        <button type="button" className="button" onClick={() => rotate.mutate()} disabled={rotate.isPending}>
          Replace it
        </button>
        <button type="button" className="button" onClick={() => setShown(!shown)}>
          {shown ? 'Hide' : 'Show'}
        </button>
        <button type="button" className="button primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
