import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Functions of two services' schemas need these, and only those functions: who calls them has their owner's rights. */
const PARTITIONS = `
  -- Makes the day partitions that are missing. Attaching a table that was made beside it locks nobody out who reads or writes.
  create function public.rollcall_add_partitions(parent regclass, first_day date, last_day date) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
    declare
      day date;
      part text;
      parent_schema name;
      parent_name name;
    begin
      select n.nspname, c.relname into strict parent_schema, parent_name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = parent;
      for day in select generate_series(first_day, last_day, '1 day')::date loop
        part := format('%I.%I', parent_schema, parent_name || '_' || to_char(day, 'YYYYMMDD'));
        continue when to_regclass(part) is not null;
        execute format('create table %s (like %s including all)', part, parent);
        execute format('alter table %s attach partition %s for values from (%L) to (%L)', parent, part,
          presence.uuid_v7_floor(day::timestamp at time zone 'utc'),
          presence.uuid_v7_floor((day + 1)::timestamp at time zone 'utc'));
      end loop;
    end $$;
  revoke execute on function public.rollcall_add_partitions(regclass, date, date) from public;

  -- Drops the day partitions that ended before a day. Writers queue up behind a drop that waits, so it gives up soon; false:
  -- somebody, such as pg_dump, is reading, and something is left for the next time.
  create function public.rollcall_drop_partitions(parent regclass, before_day date) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
    declare part regclass;
    begin
      for part in
        select c.oid from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = parent
          -- CASE, since the planner may look at the names of all tables before it joins.
          and case when c.relname ~ '_[0-9]{8}$' then to_date(right(c.relname, 8), 'YYYYMMDD') + 1 end < before_day
      loop
        begin
          execute format('drop table %s', part);
        exception when lock_not_available then
          return false;
        end;
      end loop;
      return true;
    end $$;
  revoke execute on function public.rollcall_drop_partitions(regclass, date) from public;`;

/** One instance at a time; the others need not wait for it. Versions before this one call maintain_partitions. */
const PARTITIONS_OF_THE_LOG = `
  create function presence.add_partitions() returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      if pg_try_advisory_xact_lock(hashtext('presence.maintain_partitions')) then
        perform public.rollcall_add_partitions('presence.status_change',
          (now() at time zone 'utc')::date - 1, (now() at time zone 'utc')::date + 7);
      end if;
    end $$;
  comment on function presence.add_partitions is 'makes the day partitions from yesterday to a week ahead';

  create function presence.drop_partitions(retention interval) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      return not pg_try_advisory_xact_lock(hashtext('presence.maintain_partitions'))
        or public.rollcall_drop_partitions('presence.status_change', ((now() - retention) at time zone 'utc')::date);
    end $$;
  comment on function presence.drop_partitions is 'drops the day partitions that ended before the retention; false: some are in use and left';

  create or replace function presence.maintain_partitions(retention interval) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform presence.add_partitions();
      perform presence.drop_partitions(retention);
    end $$;`;

const PARTITIONS_OF_THE_ATTEMPTS = `
  create function dispatch.add_partitions(retention interval) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      if pg_try_advisory_xact_lock(hashtext('dispatch.maintain_partitions')) then
        perform public.rollcall_add_partitions('dispatch.attempt',
          ((now() - retention) at time zone 'utc')::date - 1, (now() at time zone 'utc')::date + 7);
      end if;
    end $$;
  comment on function dispatch.add_partitions is
    'makes the day partitions to a week ahead, and as far back as the log goes: a delivery may be attempted for days after its change';

  create function dispatch.drop_partitions(retention interval) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      return not pg_try_advisory_xact_lock(hashtext('dispatch.maintain_partitions'))
        or public.rollcall_drop_partitions('dispatch.attempt', ((now() - retention) at time zone 'utc')::date);
    end $$;
  comment on function dispatch.drop_partitions is 'drops the day partitions that ended before the retention; false: some are in use and left';

  create or replace function dispatch.maintain_partitions(retention interval) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform dispatch.add_partitions(retention);
      perform dispatch.drop_partitions(retention);
    end $$;`;

/** Who may call what, where there are roles: ADR 9. */
const CALLERS: Readonly<Record<string, readonly string[]>> = {
  'public.rollcall_check_write(text)': ['rollcall_subscription_api', 'rollcall_presence', 'rollcall_dispatcher'],
  'presence.add_partitions()': ['rollcall_presence'],
  'presence.drop_partitions(interval)': ['rollcall_presence'],
  'dispatch.add_partitions(interval)': ['rollcall_dispatcher'],
  'dispatch.drop_partitions(interval)': ['rollcall_dispatcher'],
};

/**
 * What lets a database be run beside other programs and older versions: which code may run on it, whether it can be written,
 * partitions that come and go without holding writers up, and notes of writes that an old transaction does not keep: ADR 22.
 */
export class Operation1764000000017 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table public.rollcall_migration add column compatible_from bigint;
      comment on column public.rollcall_migration.compatible_from is
        'timestamp of a migration: code that has it may run on a database that has this one; null: only code that has this one';

      create table public.rollcall_write_check (
        service text primary key,
        checked_at timestamptz not null
      );
      comment on table public.rollcall_write_check is 'written again and again, to see that the database can be written';

      -- Writes in each way that may fail by itself: a row, its place in the WAL, and new room on the disk. The row alone would
      -- find room in its own page for as long as the disk is full, so a few more are spilled into a temporary file.
      create function public.rollcall_check_write(of_service text) returns void
        language plpgsql security definer set search_path = pg_catalog, pg_temp set work_mem = '64kB' as $$
        begin
          insert into public.rollcall_write_check as c (service, checked_at) values (of_service, clock_timestamp())
            on conflict (service) do update set checked_at = excluded.checked_at;
          begin
            perform count(*) from generate_series(1, 10000);
          exception when configuration_limit_exceeded then
            null; -- the operator allows no temporary files: temp_file_limit
          end;
        end $$;
    `);
    await runner.query(PARTITIONS);
    await runner.query(PARTITIONS_OF_THE_LOG);
    await runner.query(PARTITIONS_OF_THE_ATTEMPTS);
    await runner.query(`
      alter table presence.recent_write_horizon add column gone pg_snapshot, add column gone_next pg_snapshot, add column gone_at timestamptz;
      comment on column presence.recent_write_horizon.gone is 'writes that were visible in it may be gone';
      comment on column presence.recent_write_horizon.gone_next is 'what gone becomes with the next move';
      comment on column presence.recent_write_horizon.gone_at is 'moved_at, unless a version that knows nothing of gone moved the horizon since';
    `);
    for (const [command, callers] of Object.entries(CALLERS)) {
      await runner.query(`revoke execute on function ${command} from public`);
      const present = (await runner.query('select rolname from pg_roles where rolname = any ($1)', [callers])) as {
        rolname: string;
      }[];
      for (const { rolname } of present) await runner.query(`grant execute on function ${command} to ${rolname}`);
    }
  }

  /** Leaves the functions of the partitions, which the version before runs on as well. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table presence.recent_write_horizon drop column gone, drop column gone_next, drop column gone_at;
      drop function public.rollcall_check_write(text);
      drop table public.rollcall_write_check;
      alter table public.rollcall_migration drop column compatible_from;
    `);
  }
}
