/** What notices are about: contract §3. */
export const NOTICE_TYPES = ['endpoint.suspended', 'endpoint.recovered', 'replay.finished', 'limit.near'] as const;
export type NoticeType = (typeof NOTICE_TYPES)[number];

/** What a notice says beside, by its type. */
type NoticeData =
  | {
      readonly type: 'endpoint.suspended' | 'endpoint.recovered';
      readonly data: {
        /** Why it is, or was, suspended. */
        readonly reason: 'gone' | 'failing' | 'paused';
        readonly event_type: string;
        /** Scheme, host and port of its url. */
        readonly origin: string;
      };
    }
  | {
      readonly type: 'replay.finished';
      readonly data: { readonly replay_id: number; readonly total: number; readonly delivered: number; readonly failed: number };
    }
  | { readonly type: 'limit.near'; readonly data: { readonly agent_event: number; readonly agent_event_used: number } };

/** A notice as it is kept. */
export type Notice = NoticeData & {
  readonly id: number;
  readonly at: Date;
  /** Null: it is about the client. */
  readonly agent_event_id: number | null;
};

/** A notice as it is shown and sent. */
interface NoticeView {
  readonly id: number;
  readonly type: NoticeType;
  readonly at: string;
  readonly agent_event_id: number | null;
  readonly words: string;
  readonly data: object;
}

const WHY = {
  gone: 'its receiver answered 410 Gone',
  failing: 'nothing has arrived there for five days',
  paused: 'somebody has paused it',
} as const;

/** Says a notice in a sentence for people. Pure. */
export function noticeWords(notice: Pick<Notice, 'agent_event_id'> & NoticeData): string {
  const event = `Agent event ${notice.agent_event_id}`;
  switch (notice.type) {
    case 'endpoint.suspended': {
      const { event_type, origin, reason } = notice.data;
      return `${event} (${event_type} to ${origin}) is suspended: ${WHY[reason]}. What comes for it waits until its retry window ends, or it is resumed.`;
    }
    case 'endpoint.recovered': {
      const { event_type, origin } = notice.data;
      return `${event} (${event_type} to ${origin}) was resumed: what waited for it is sent, in order.`;
    }
    case 'replay.finished': {
      const { replay_id, total, delivered, failed } = notice.data;
      const rest = failed === 0 ? '' : `, ${failed} failed`;
      return `Replay ${replay_id} of agent event ${notice.agent_event_id} has finished: ${delivered} of ${total} were delivered${rest}.`;
    }
    case 'limit.near': {
      const { agent_event, agent_event_used } = notice.data;
      return `${agent_event_used} of ${agent_event} agent events are in use: beyond the limit no more can be added.`;
    }
  }
}

/** Returns a notice as it is shown, and sent: contract §3. Pure. */
export function noticeViewOf(notice: Notice): NoticeView {
  const { id, type, at, agent_event_id, data } = notice;
  return { id, type, at: at.toISOString(), agent_event_id, words: noticeWords(notice), data };
}
