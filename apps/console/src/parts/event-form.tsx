import { useId, useState, type FormEvent, type ReactNode } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ApiFailure, call } from '../api/http';
import { eventPath, eventsPath, type EventOwner } from '../api/paths';
import { agentSearchQuery } from '../api/queries';
import type { AgentEvent, EventHealth, EventType, Method } from '../api/types';
import { nameOf } from '../board/agent-row';
import { Dialog } from './dialog';
import { textOf } from './form-text';
import { say } from './toasts';

interface Fields {
  readonly url: string;
  readonly event_type: EventType;
  readonly method: Method;
}

/** Adds an agent event, or changes one. What is wrong is said by the API, and shown at the field. */
export function EventForm({
  event,
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
  const [owner, setOwner] = useState<EventOwner>(event?.agent ?? fixedOwner ?? null);
  const save = useMutation({
    mutationFn: (fields: Fields) =>
      event
        ? call<AgentEvent>('PUT', eventPath(event.agent, event.id), { body: fields })
        : call<AgentEvent>('POST', eventsPath(owner), { body: fields }),
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
    const form = new FormData(submitted.currentTarget);
    save.mutate({
      url: textOf(form, 'url'),
      event_type: textOf(form, 'event_type') as EventType,
      method: textOf(form, 'method') as Method,
    });
  };
  return (
    <Dialog title={event ? 'Change the agent event' : 'Add an agent event'} onClose={onClose}>
      <form className="form" onSubmit={submit} noValidate>
        {!event && fixedOwner === undefined && <OwnerField onChange={setOwner} />}
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

interface FieldProps {
  readonly id: string;
  readonly 'aria-invalid'?: true;
  readonly 'aria-describedby'?: string;
}

/** A field with its label, and what the API says is wrong with it. */
function Field({
  label,
  errors,
  children,
}: {
  readonly label: string;
  readonly errors: readonly string[] | undefined;
  readonly children: (props: FieldProps) => ReactNode;
}): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(errors ? { id, 'aria-invalid': true, 'aria-describedby': `${id}-error` } : { id })}
      {errors && (
        <p id={`${id}-error`} className="problem small" role="alert">
          {errors.map((error) => `It ${error}`).join('. ')}.
        </p>
      )}
    </div>
  );
}

/** Every agent, or one that is searched for. */
function OwnerField({ onChange }: { readonly onChange: (owner: EventOwner) => void }): ReactNode {
  const [text, setText] = useState('');
  const list = useId();
  const found = useQuery(agentSearchQuery(text));
  const choose = (value: string): void => {
    setText(value);
    const agent = found.data?.find((one) => nameOf(one) === value || String(one.id) === value);
    onChange(agent ? { id: agent.id, agent_type: agent.agent_type } : null);
  };
  const isUnknown = text !== '' && !found.data?.some((one) => nameOf(one) === text || String(one.id) === text);
  return (
    <label className="field">
      <span>Agent</span>
      <input
        list={list}
        value={text}
        placeholder="Every agent"
        autoComplete="off"
        onChange={(event) => choose(event.target.value)}
      />
      <datalist id={list}>
        {found.data?.map((agent) => (
          <option key={agent.id} value={nameOf(agent)}>
            #{agent.id}
          </option>
        ))}
      </datalist>
      <span className="muted small">
        {isUnknown ? 'No agent of that name: it will be for every agent.' : 'Left empty: every agent. Else a name, number or id.'}
      </span>
    </label>
  );
}
