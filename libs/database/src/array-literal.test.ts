import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { arrayOfPlain, arrayOfTexts } from './array-literal.js';

let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
});

afterAll(() => client.end());

const text = fc.oneof(
  fc.string({ unit: 'binary' }).filter((any) => !any.includes('\0') && any.isWellFormed()),
  fc.constantFrom(
    '',
    ' ',
    'NULL',
    'null',
    'Null',
    'ok',
    ' ok',
    'ok ',
    'a,b',
    '{}',
    '"',
    '\\',
    '\\"',
    'a b',
    '\n',
    '{"a":"b\\"}',
    "'",
  ),
);

it('brings any texts to PostgreSQL as they are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(text)), async (texts) => {
      const { rows } = await client.query<{ back: (string | null)[] }>('select $1::text[] as back', [
        arrayOfTexts(texts, (one) => one),
      ]);
      expect(rows[0]!.back).toEqual(texts);
    }),
  );
});

it('brings numbers, UUIDs and dates to PostgreSQL as they are', async () => {
  const at = new Date('2026-11-22T10:00:00.123Z');
  const id = '019379b2-0000-7000-8000-000000000001';
  const { rows } = await client.query<Record<string, unknown>>(
    'select $1::integer[] as numbers, $2::uuid[]::text[] as ids, $3::timestamptz[] as dates, $4::bigint[] as none',
    [
      arrayOfPlain([1, null, -3], (one) => one),
      arrayOfPlain([id], (one) => one),
      arrayOfPlain([at], (one) => one.toISOString()),
      '{}',
    ],
  );
  expect(rows[0]).toEqual({ numbers: [1, null, -3], ids: [id], dates: [at], none: [] });
});
