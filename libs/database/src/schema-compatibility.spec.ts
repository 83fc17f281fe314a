import { describe, expect, it } from 'vitest';
import { MIGRATIONS } from './data-source.js';
import { compareSchema, timestampOf, type AppliedMigration } from './schema-compatibility.js';

const FIRST_THAT_SAYS_SO = 1764000000014;

/** `17` or `18 from 16`. */
function applied(...migrations: string[]): AppliedMigration[] {
  return migrations.map((text) => {
    const [timestamp, compatibleFrom] = text.split(' from ').map((short) => 1764000000000 + Number(short));
    return { name: `M${timestamp}`, timestamp: timestamp!, compatibleFrom: compatibleFrom ?? null };
  });
}

const known = (...migrations: string[]) => applied(...migrations).map(({ name }) => name);

describe('which code may run on which database', () => {
  it.each<[string, string[], string[], { missing?: string[]; ahead?: string[]; tooNew?: string[] }]>([
    ['the same', ['16', '17'], ['16', '17'], {}],
    ['behind', ['16', '17'], ['16'], { missing: ['17'] }],
    ['ahead, compatible', ['16', '17'], ['16', '17', '18 from 17'], { ahead: ['18'] }],
    ['ahead, compatible from far back', ['16', '17'], ['16', '17', '18 from 16'], { ahead: ['18'] }],
    ['ahead, said nothing', ['16', '17'], ['16', '17', '18'], { tooNew: ['18'] }],
    ['ahead, of itself', ['16', '17'], ['16', '17', '18 from 18'], { tooNew: ['18'] }],
    [
      'ahead by two, the second asks for the first',
      ['16', '17'],
      ['16', '17', '18 from 17', '19 from 18'],
      { ahead: ['18'], tooNew: ['19'] },
    ],
    [
      'ahead by two, the first asks for itself',
      ['16', '17'],
      ['16', '17', '18 from 18', '19 from 17'],
      { ahead: ['19'], tooNew: ['18'] },
    ],
    ['one of between that this code never had', ['15', '17'], ['15', '16 from 16', '17 from 16'], { tooNew: ['16'] }],
    ['one of between that it may do without', ['15', '17'], ['15', '16 from 15', '17 from 15'], { ahead: ['16'] }],
    ['ahead and behind', ['16', '17'], ['16', '18 from 16'], { missing: ['17'], ahead: ['18'] }],
  ])('%s', (_what, code, database, { missing = [], ahead = [], tooNew = [] }) => {
    expect(compareSchema(known(...code), applied(...database))).toEqual({
      missing: known(...missing),
      ahead: known(...ahead),
      tooNew: known(...tooNew),
    });
  });

  it('is said by every migration, of itself or one before', () => {
    const timestamps = MIGRATIONS.map(({ name }) => timestampOf(name));
    for (const { name, compatibleFrom } of MIGRATIONS) {
      if (timestampOf(name) < FIRST_THAT_SAYS_SO) continue;
      expect(timestamps, `${name}: static readonly compatibleFrom, see CONTRIBUTING.md`).toContain(compatibleFrom);
      expect(compatibleFrom).toBeLessThanOrEqual(timestampOf(name));
    }
  });

  it('is told from migrations in order', () => {
    const timestamps = MIGRATIONS.map(({ name }) => timestampOf(name));
    expect(timestamps).toEqual([...timestamps].sort((a, b) => a - b));
  });
});
