import { useState, type ReactNode } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { call } from '../api/http';
import { configQuery, eventsQuery } from '../api/queries';
import type { Agent, TelemetryResult } from '../api/types';
import { nameOf } from '../board/agent-row';
import { Page } from '../parts/page';
import { Empty, NoPermission } from '../parts/states';
import { sayFailure } from '../parts/toasts';
import { AgentsToPlay } from '../playground/agents-to-play';
import { Path } from '../playground/path';
import { itemOf, type Act, type Report } from '../playground/reports';
import { Receiver } from '../playground/receiver';
import { Todo } from '../playground/todo';
import { session } from '../session/session';
import { useStore } from '../store';

/** Shows the whole path at a glance: an agent reports, and what becomes of it. */
export function PlaygroundPage(): ReactNode {
  const config = useQuery(configQuery);
  const state = useStore(session);
  if (config.data && !config.data.playground) {
    return (
      <Page title="Playground">
        <Empty>There is a playground where everything runs in one process on this machine: npm start.</Empty>
      </Page>
    );
  }
  if (state.kind === 'in' && (state.access !== 'all' || state.client !== state.ownClient)) {
    return (
      <Page title="Playground">
        <NoPermission />
      </Page>
    );
  }
  return <Playground />;
}

function Playground(): ReactNode {
  const [report, setReport] = useState<Report>();
  const events = useQuery(eventsQuery());
  const send = useMutation({
    mutationFn: async ({ agent, act }: { readonly agent: Agent; readonly act: Act }): Promise<Report> => {
      const at = new Date();
      const item = itemOf(agent, act, at);
      const [result] = await call<TelemetryResult[]>('POST', '/console/playground/telemetry', { body: item });
      return { agent, name: nameOf(agent), status: item.agent_status, act, at: at.toISOString(), result };
    },
    onSuccess: setReport,
    onError: sayFailure,
  });
  return (
    <Page title="Playground">
      <p className="lead">Report what an agent does, and follow it to the receiver.</p>
      <Todo report={report} events={events.data ?? []} />
      <div className="play">
        <AgentsToPlay onAct={(agent, act) => send.mutate({ agent, act })} isBusy={send.isPending} />
        <Path report={report} events={events.data ?? []} />
        <Receiver />
      </div>
    </Page>
  );
}
