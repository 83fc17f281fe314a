import type { AgentType, EventType, Method } from '../api/types';

/** What a form has of an agent event. */
export interface EventFields {
  readonly url: string;
  readonly event_type: EventType;
  readonly method: Method;
  /** Of one for every agent: those of this type alone; null: of both. */
  readonly agent_type?: AgentType | null;
}

/**
 * Finds what somebody changed in a form: that alone is sent, so that it takes nothing back that somebody else has changed meanwhile.
 *
 * @param opened as it was when the form was opened
 */
export function changedFields(opened: EventFields, submitted: EventFields): Partial<EventFields> {
  const isChanged = ([name, value]: [string, unknown]): boolean => opened[name as keyof EventFields] !== value;
  return Object.fromEntries(Object.entries(submitted).filter(isChanged));
}
