import { describe, expect, it } from 'vitest';
import { noticeViewOf, noticeWords, type Notice } from './notice.js';

const at = new Date('2026-11-22T10:00:00.123Z');
const event = { event_type: 'agent-login', origin: 'https://example.com' };

describe('what a notice says', () => {
  it.each<[string, Pick<Notice, 'agent_event_id' | 'type' | 'data'>]>([
    [
      'Agent event 7 (agent-login to https://example.com) is suspended: its receiver answered 410 Gone. What comes for it waits until its retry window ends, or it is resumed.',
      { agent_event_id: 7, type: 'endpoint.suspended', data: { ...event, reason: 'gone' } },
    ],
    [
      'Agent event 7 (agent-login to https://example.com) was resumed: what waited for it is sent, in order.',
      { agent_event_id: 7, type: 'endpoint.recovered', data: { ...event, reason: 'failing' } },
    ],
    [
      'Replay 3 of agent event 7 has finished: 8 of 10 were delivered, 2 failed.',
      { agent_event_id: 7, type: 'replay.finished', data: { replay_id: 3, total: 10, delivered: 8, failed: 2 } },
    ],
    [
      '9 of 10 agent events are in use: beyond the limit no more can be added.',
      { agent_event_id: null, type: 'limit.near', data: { agent_event: 10, agent_event_used: 9 } },
    ],
  ])('%s', (words, notice) => {
    expect(noticeWords(notice as Notice)).toBe(words);
    expect(noticeViewOf({ id: 1, at, ...notice } as Notice)).toEqual({
      id: 1,
      at: '2026-11-22T10:00:00.123Z',
      words,
      ...notice,
    });
  });
});
