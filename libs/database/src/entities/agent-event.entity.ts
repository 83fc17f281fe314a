import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn, UpdateDateColumn } from 'typeorm';
import type { AgentType, EventType, NotificationMethod } from '#contracts';

/** A registered notification, of one agent or of all agents of a client: contract §3. */
@Entity({ schema: 'subscription', name: 'agent_event' })
export class AgentEventEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint' })
  id!: number;

  @Column({ name: 'client_id', type: 'bigint' })
  clientId!: number;

  @Column({ name: 'application_id', type: 'bigint' })
  applicationId!: number;

  /** Null: every agent of the client. */
  @Column({ name: 'agent_id', type: 'bigint', nullable: true })
  agentId!: number | null;

  @Column({ name: 'agent_type', type: 'text', nullable: true })
  agentType!: AgentType | null;

  @Column({ type: 'text' })
  url!: string;

  @Column({ type: 'text' })
  method!: NotificationMethod;

  @Column({ name: 'event_type', type: 'text' })
  eventType!: EventType;

  /** The agent's sequence when this was created: only later changes are notified. */
  @Column({ name: 'after_sequence', type: 'bigint' })
  afterSequence!: number;

  /** Set when the agent is removed: the last change that is still notified. */
  @Column({ name: 'until_sequence', type: 'bigint', nullable: true })
  untilSequence!: number | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;
}
