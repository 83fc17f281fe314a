import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is subscribed: agent events, limits and signing secrets. Owned by subscription-api. */
export class Subscription1764000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema subscription;

      create table subscription.agent_event (
        id bigint generated always as identity (minvalue 1 maxvalue 4294967295) primary key,
        client_id bigint not null,
        application_id bigint not null,
        -- Null: every agent of the client (contract §3, /agent_events/); agent_type then filters, where it is set.
        agent_id bigint,
        agent_type text check (agent_type in ('local', 'remote')),
        url text not null,
        method text not null check (method in ('GET', 'POST')),
        event_type text not null check (event_type in ('agent-login', 'agent-logout')),
        -- The agent's sequence when this was created: only later changes are notified, so nothing is retroactive.
        -- (Subscriptions to every agent keep theirs in client_event_start.)
        after_sequence bigint not null default 0,
        -- Set when the agent is removed: the last change that is still notified. Such a row is no longer seen over REST.
        until_sequence bigint,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        check (agent_id is null or agent_type is not null)
      );
      -- Serves the fan-out's match and the lists of one agent.
      create index agent_event_by_agent on subscription.agent_event (client_id, agent_id, id) where agent_id is not null;
      -- Serves the fan-out's match and the list of subscriptions to every agent of a client.
      create index agent_event_by_client on subscription.agent_event (client_id, id) where agent_id is null;

      -- Where each known agent stood when a subscription to every agent was created; an agent that is not listed stood at 0.
      create table subscription.client_event_start (
        agent_event_id bigint not null references subscription.agent_event on delete cascade,
        agent_id bigint not null,
        after_sequence bigint not null,
        primary key (agent_event_id, agent_id)
      );

      create table subscription.client_usage (
        client_id bigint primary key,
        -- Agent events in use. Raised and checked in the transaction that inserts, under this row's lock.
        agent_event_used integer not null default 0 check (agent_event_used >= 0),
        -- Null: the AGENT_EVENT_LIMIT setting.
        agent_event_limit integer check (agent_event_limit >= 0)
      );

      create table subscription.webhook_secret (
        id bigint generated always as identity (minvalue 1 maxvalue 4294967295) primary key,
        client_id bigint not null,
        secret_sealed text not null,
        created_at timestamptz not null default now(),
        -- Null: the current one. Set by rotation; until then it signs along.
        expires_at timestamptz
      );
      create unique index webhook_secret_current on subscription.webhook_secret (client_id) where expires_at is null;
      create index webhook_secret_by_client on subscription.webhook_secret (client_id, id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema subscription cascade');
  }
}
