const AGENT = { id: 136, agent_type: 'local', extension_name: '000*094@ringme.ru' } as const;
const CHANGE_ID = '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69';

/** An example of each event of the streams (contract §3): what it says, and its data as it is sent. */
export const STREAM_EXAMPLES = {
  'agent-status': {
    summary: 'An agent has logged in or out.',
    value: {
      id: CHANGE_ID,
      cursor: 1042,
      client_id: '12',
      agent_id: AGENT.id,
      agent_type: AGENT.agent_type,
      extension_name: AGENT.extension_name,
      agent_status: 'available',
      previous_status: 'logged_out',
      event_source: 'api',
      sequence: 42,
      occurred_at: '2026-11-22T10:00:00.123Z',
      changed_at: '2026-11-22T10:00:00.140Z',
    },
  },
  agent: {
    summary: 'An agent was created, renamed or removed.',
    value: { change: 'created', ...AGENT, agent_status: 'logged_out', status_since: '2026-11-22T10:00:00.140Z', sequence: 0 },
  },
  reset: {
    summary: 'The Last-Event-ID cannot be continued; read the snapshot again.',
    value: { reason: 'expired_cursor' },
  },
  delivery: {
    summary: 'Something has become of a delivery.',
    value: { delivery_id: `${CHANGE_ID}_7`, status: 'delivered', attempt: 1 },
  },
} as const;
