import { describe, expect, it } from 'vitest';
import type { Delivery, EventHealth } from '../api/types';
import { arrivalSentence, deliveryTitle, healthSentence, noticeOf, noticeUnsent, outcomeOf, scopeOf, whyOf } from './words';

const now = new Date('2026-11-22T12:00:00Z');

const delivery: Delivery = {
  id: '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69_7',
  agent_event: { id: 7, url: 'https://crm.example.org/agents', method: 'POST', event_type: 'agent-login', all_agents: true },
  agent: { id: 136, agent_type: 'local', name: '000*094@ringme.ru' },
  change: {
    id: '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69',
    agent_status: 'available',
    event_source: 'phone',
    sequence: 3,
    occurred_at: '2026-11-22T10:00:00Z',
    changed_at: '2026-11-22T10:00:00Z',
  },
  status: 'waiting',
  waiting_for: null,
  next_attempt_at: null,
  expires_at: '2026-11-23T10:00:00Z',
  attempts_count: 0,
  last_attempt: null,
};
const failed = {
  attempt: 2,
  at: '2026-11-22T10:00:40Z',
  latency_ms: 12,
  trigger: 'retry' as const,
  outcome: 'retry' as const,
  http_status: 503,
  error: null,
  response: null,
};

describe('why a delivery is where it is', () => {
  it.each([
    ['earlier', { reason: 'earlier', delivery_id: 'a_7' }, /behind an earlier notification/],
    ['origin', { reason: 'origin', since: '2026-11-22T10:02:00Z' }, /receiver is not sent to for now/],
    ['suspended', { reason: 'suspended', since: '2026-11-22T10:02:00Z' }, /agent event is suspended since/],
    ['due', { reason: 'due', since: null }, /about to be sent/],
  ] as const)('tells what it waits for: %s', (_name, waiting_for, words) => {
    expect(whyOf({ ...delivery, waiting_for }, now)).toMatch(words);
  });

  it('names the last failure of one that is tried again, and when that is', () => {
    const why = whyOf({ ...delivery, status: 'retrying', last_attempt: failed, next_attempt_at: '2026-11-22T12:05:00Z' }, now);
    expect(why).toMatch(/^It is tried again at .*\. The last attempt: HTTP 503\.$/);
  });

  it('has a sentence for every status', () => {
    for (const status of ['sending', 'waiting', 'retrying', 'suspended', 'delivered', 'failed', 'dropped'] as const) {
      expect(whyOf({ ...delivery, status }, now)).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('titles', () => {
  it('name the change and the agent', () => {
    expect(deliveryTitle(delivery)).toBe('Login of 000*094@ringme.ru');
  });

  it('do without what is no longer kept', () => {
    const event = { ...delivery.agent_event, url: null, event_type: null };
    expect(deliveryTitle({ change: null, agent: null, agent_event: event })).toBe('Change');
  });
});

it.each([
  [{ http_status: 503, error: null }, 'HTTP 503'],
  [{ http_status: null, error: 'connection refused' }, 'connection refused'],
  [{ http_status: null, error: null }, 'no answer'],
])('says what came of an attempt: %j', (attempt, words) => {
  expect(outcomeOf(attempt)).toBe(words);
});

describe('whether everything arrives', () => {
  it.each([
    [0, 0, 0, 0, /no agent event yet/],
    [63, 0, 0, 0, /^Everything arrives\.$/],
    [63, 2, 1, 0, /^3 of 63 agent events do not arrive: 2 failing, 1 suspended\.$/],
    [63, 0, 0, 1, /^1 of 63 agent events does not arrive: 1 paused\.$/],
    [1, 1, 0, 0, /^1 of 1 agent event does not arrive: 1 failing\.$/],
  ])('%i events, %i failing, %i suspended, %i paused', (total, failing, suspended, paused, words) => {
    expect(arrivalSentence(total, failing, suspended, paused)).toMatch(words);
  });
});

describe('the health of an agent event', () => {
  const health: EventHealth = {
    id: 7,
    url: 'https://crm.example.org/agents',
    method: 'POST',
    event_type: 'agent-logout',
    all_agents: true,
    agent_type: null,
    agent: null,
    state: 'failing',
    reason: null,
    since: '2026-11-22T10:02:00Z',
    waiting: 4800,
    oldest_waiting: '2026-11-22T10:02:00Z',
    last_outcome: { ...failed, delivery_id: 'a_7' },
    day: { delivered: 1, failed: 0 },
  };

  it('says since when, what came back and what waits', () => {
    expect(healthSentence(health, now)).toMatch(/^Failing since .*: HTTP 503\. 4.800 wait, the oldest since /);
  });

  it('tells a pause from a suspension, and why there is one', () => {
    expect(healthSentence({ ...health, state: 'suspended', reason: 'paused' }, now)).toMatch(/^Paused since /);
    expect(healthSentence({ ...health, state: 'suspended', reason: 'gone' }, now)).toMatch(/410/);
  });

  it('says of whom it is', () => {
    expect(scopeOf(health)).toBe('Logout of every agent');
    expect(scopeOf({ ...health, agent_type: 'remote' })).toBe('Logout of every remote agent');
    expect(scopeOf({ ...health, agent: { id: 9, agent_type: 'local', name: null } })).toBe('Logout of #9');
  });
});

describe('a notice', () => {
  it.each([
    ['endpoint.suspended', { reason: 'gone' }, { word: 'Suspended', kind: 'bad' }],
    ['endpoint.suspended', { reason: 'paused' }, { word: 'Paused', kind: 'wait' }],
    ['endpoint.recovered', { reason: 'gone' }, { word: 'Resumed', kind: 'ok' }],
    ['replay.finished', { failed: 0 }, { word: 'Replayed', kind: 'ok' }],
    ['replay.finished', { failed: 2 }, { word: 'Replayed', kind: 'warn' }],
    ['limit.near', {}, { word: 'Limit', kind: 'warn' }],
  ] as const)('is marked by what it tells: %s %j', (type, data, mark) => expect(noticeOf({ type, data })).toEqual(mark));

  it('says where it did not get to', () => {
    const to = (status: 'delivered' | 'failed' | 'waiting', last_error: string | null = null) => ({
      ...{ notice_event_id: 1, attempts: 1, status, last_error },
    });
    expect(noticeUnsent([])).toBeUndefined();
    expect(noticeUnsent([to('delivered')])).toBeUndefined();
    expect(noticeUnsent([to('delivered'), to('failed', 'HTTP 503')])).toBe('It did not get to 1 of 2 addresses: HTTP 503.');
    expect(noticeUnsent([to('waiting'), to('failed', 'timeout')])).toBe('It has not got to 2 of 2 addresses: timeout.');
  });
});
