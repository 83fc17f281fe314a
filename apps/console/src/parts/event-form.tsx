import { useState, type FormEvent, type ReactNode } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ApiFailure, call } from '../api/http';
import { eventPath, eventsPath, type EventOwner } from '../api/paths';
import type { EventHealth, EventType, Method } from '../api/types';
import { Dialog } from './dialog';
import { changedFields, type EventFields } from './event-fields';
import { Field, textOf } from './field';
import { isOpen, ScopeField, type Scope } from './scope-field';
import { say } from './toasts';

/** Adds an agent event, or changes one. What is wrong is said by the API, and shown at the field. */
export function EventForm({
  event: latest,
  owner: fixedOwner,
  onClose,
}: {
  /** The one that is changed; undefined: a new one is added. */
  readonly event?: EventHealth;
  /** Whose a new one is; undefined: that is asked. */
  readonly owner?: EventOwner;
  readonly onClose: () => void;
}): ReactNode {
  const queryClient = useQueryClient();
  const [event] = useState(latest); // as it was when the form was opened: it is read anew meanwhile
  const [scope, setScope] = useState<Scope>(event ? scopeOfEvent(event) : (fixedOwner ?? 'all'));
  const [isMissed, setMissed] = useState(false);
  const save = useMutation({
    mutationFn: (body: EventFields) =>
      event
        ? call('PUT', eventPath(event.agent, event.id), { body: changedFields(event, body) })
        : call('POST', eventsPath(typeof scope === 'object' ? scope : null), { body }),
    onSuccess: () => {
      say(event ? 'Agent event changed.' : 'Agent event added: the next change is sent to it.');
      void queryClient.invalidateQueries();
      onClose();
    },
  });
  const errors = save.error instanceof ApiFailure ? save.error.errors : {};
  const elsewhere = save.error && ['url', 'event_type', 'method'].every((field) => errors[field] === undefined);

  const submit = (submitted: FormEvent<HTMLFormElement>): void => {
    submitted.preventDefault();
    setMissed(isOpen(scope));
    if (isOpen(scope)) return; // never for every agent because one was not found
    const form = new FormData(submitted.currentTarget);
    save.mutate({
      url: textOf(form, 'url'),
      event_type: textOf(form, 'event_type') as EventType,
      method: textOf(form, 'method') as Method,
      ...(typeof scope === 'string' && { agent_type: scope === 'all' ? null : scope }),
    });
  };
  return (
    <Dialog title={event ? 'Change the agent event' : 'Add an agent event'} onClose={onClose}>
      <form className="form" onSubmit={submit} noValidate>
        {!event?.agent && !fixedOwner && <ScopeField scope={scope} onChange={setScope} mayBeOne={!event} isMissed={isMissed} />}
        <Field label="Url" errors={errors['url']}>
          {(props) => (
            <input
              {...props}
              name="url"
              type="text"
              inputMode="url"
              autoComplete="off"
              spellCheck={false}
              defaultValue={event?.url ?? ''}
              placeholder="https://crm.example.com/agents"
            />
          )}
        </Field>
        <div className="field-pair">
          <Field label="Sent at" errors={errors['event_type']}>
            {(props) => (
              <select {...props} name="event_type" defaultValue={event?.event_type ?? 'agent-login'}>
                <option value="agent-login">Login</option>
                <option value="agent-logout">Logout</option>
              </select>
            )}
          </Field>
          <Field label="Method" errors={errors['method']}>
            {(props) => (
              <select {...props} name="method" defaultValue={event?.method ?? 'POST'}>
                <option value="POST">POST</option>
                <option value="GET">GET</option>
              </select>
            )}
          </Field>
        </div>
        {elsewhere && (
          <p className="problem" role="alert">
            {save.error.message}
          </p>
        )}
        <div className="actions end">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={save.isPending}>
            {event ? 'Save' : 'Add'}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function scopeOfEvent({ agent, agent_type }: EventHealth): Scope {
  return agent ?? agent_type ?? 'all';
}
