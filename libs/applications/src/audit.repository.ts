import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

/** What is written down that somebody did. */
export const AUDITED_ACTIONS = [
  'agent_event.added',
  'agent_event.changed',
  'agent_event.removed',
  'webhook_secret.rotated',
  'application.registered',
  'application.secret_rotated',
  'application.revoked',
] as const;
type AuditedAction = (typeof AUDITED_ACTIONS)[number];

/** What is told of a change: who did what to which agent event, secret or application. */
export interface AuditEntry {
  readonly clientId: number;
  /** The application, or what else did it. */
  readonly by: string;
  readonly action: AuditedAction;
  /** The id of what was changed. */
  readonly subject: string | number;
  readonly detail: object;
}

interface AuditRow {
  readonly id: number;
  readonly at: Date;
  readonly by: string;
  readonly action: AuditedAction;
  readonly subject: string;
  readonly detail: object;
}

/** Adds an entry to the audit log, in the transaction of the change. */
export async function recordAudit(
  transaction: Pick<EntityManager, 'query'>,
  { clientId, by, action, subject, detail }: AuditEntry,
): Promise<void> {
  await transaction.query('insert into access.audit (client_id, by, action, subject, detail) values ($1, $2, $3, $4, $5)', [
    clientId,
    by,
    action,
    String(subject),
    JSON.stringify(detail),
  ]);
}

/** Reads and trims the audit log. */
@Injectable()
export class AuditRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Lists a client's entries, newest first. @param before undefined: from the newest on */
  list(clientId: number, before: number | undefined, most: number): Promise<AuditRow[]> {
    return this.dataSource.query(
      `select id, at, by, action, subject, detail from access.audit
       where client_id = $1 and ($2::bigint is null or id < $2) order by id desc limit $3`,
      [clientId, before ?? null, most],
    );
  }

  /** Deletes entries older than this (milliseconds), a bounded number at a time. @returns how many went */
  async forget(retentionMs: number, most: number): Promise<number> {
    const [, gone]: [unknown[], number] = await this.dataSource.query(
      `delete from access.audit where id in (
         select id from access.audit where at < now() - $1 * interval '1 ms' order by at limit $2)`,
      [retentionMs, most],
    );
    return gone;
  }
}
