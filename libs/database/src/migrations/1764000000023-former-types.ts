import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The types that agent events had before: a change is for an agent event by the types that it had when the change was made, also
 * where it is planned, or sent, after a PUT of another (contract §3). Owned by subscription-api.
 */
export class FormerTypes1764000000023 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table subscription.agent_event add column former_types jsonb;
      comment on column subscription.agent_event.former_types is
        'the types before: [{"until","event_type","agent_type"}], the oldest first; null: always those of today';

      -- The type that an agent event had at a moment.
      create function subscription.event_type_at(event_type text, former_types jsonb, at timestamptz) returns text
        language sql stable parallel safe
        return case when former_types is null then event_type else coalesce((
          select f.value ->> 'event_type' from jsonb_array_elements(former_types) with ordinality f (value, place)
          where (f.value ->> 'until')::timestamptz >= at order by f.place limit 1), event_type) end;

      -- The type of agents that one for all agents was for at a moment; null: both.
      create function subscription.agent_type_at(agent_type text, former_types jsonb, at timestamptz) returns text
        language sql stable parallel safe
        return case when former_types is null then agent_type else (
          select case when f.value is null then agent_type else f.value ->> 'agent_type' end
          from (select 1) one
          left join lateral (
            select f.value from jsonb_array_elements(former_types) with ordinality f (value, place)
            where (f.value ->> 'until')::timestamptz >= at order by f.place limit 1) f on true) end;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function subscription.event_type_at(text, jsonb, timestamptz);
      drop function subscription.agent_type_at(text, jsonb, timestamptz);
      alter table subscription.agent_event drop column former_types;
    `);
  }
}
