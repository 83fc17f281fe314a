import { randomUUID } from 'node:crypto';
import { encodeStatusChange, ID_LIMIT, type StatusChange } from '#contracts';
import type { Random } from '../chaos/random.js';
import { LOGIN_ITEM } from '../support/telemetry-item.js';

/** A record that its topic's consumer can do nothing with. */
export interface Garbage {
  /** What is wrong with it, for the counts. */
  readonly kind: string;
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers: Readonly<Record<string, Buffer | string>>;
}

/** The kind of status records that no presence would write, and that the dispatcher has no reason to refuse. */
export const ODD = 'odd, and taken';

/** Just under what a broker takes unless told otherwise. */
const NEARLY_A_MEGABYTE = 1_040_000;

const ITEM = { ...LOGIN_ITEM, occurred_at: '2026-11-22T10:00:00.123Z' };

const WRONG_IDS: readonly unknown[] = [-1, 1.5, ID_LIMIT, 2 ** 53, 1e300, '-1', '1e3', '0x1', '', ' 7', '4294967296', true];
const WRONG_WORDS: readonly unknown[] = ['', 'AVAILABLE', 'constructor', '__proto__', 'toString', 0, '\0', '\ud800'];
const WRONG_NAMES: readonly unknown[] = ['', '\0', 'a\r\nb', '\ud800', 7, 'x'.repeat(256), 'x'.repeat(100_000), {}];
const WRONG_TIMES: readonly unknown[] = [
  ...['', 'now', '2026-02-30T00:00:00Z', '2026-11-22', '2026-11-22T25:00:00Z', '9999-12-31T23:59:59Z', '+275760-09-13T00:00:00Z'],
  ...[0, 1e308, '2026-11-22T10:00:00', '\0'],
];
const ANYTHING: readonly unknown[] = [null, [], {}, [7], { __proto__: null }, false];

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  client_id: WRONG_IDS,
  agent_id: WRONG_IDS,
  agent_type: WRONG_WORDS,
  agent_status: WRONG_WORDS,
  event_source: WRONG_WORDS,
  extension_name: WRONG_NAMES,
  occurred_at: WRONG_TIMES,
};
const REQUIRED = ['client_id', 'agent_id', 'agent_type', 'agent_status', 'event_source'];

/** Nothing that underflows to 0, which is an id. */
const NUMBERS = ['9'.repeat(400), '1e999', '-1e999', `0.${'0'.repeat(300)}1`, '1e21'];

/** Values that are no telemetry and no status change, whatever stands around them. */
const NO_OBJECT: Readonly<Record<string, (random: Random) => Buffer | string | null>> = {
  'no value': () => null,
  'empty value': (random) => (random.chance(0.5) ? '' : ' \n\t'),
  'random bytes': (random) => Buffer.from(Array.from({ length: 1 + random.below(300) }, () => random.below(256))),
  'truncated JSON': (random) => JSON.stringify(ITEM).slice(0, 1 + random.below(JSON.stringify(ITEM).length - 1)),
  'JSON, and more': (random) => JSON.stringify(ITEM) + random.pick(['}', ',', '\0', JSON.stringify(ITEM), '//']),
  'UTF-16': () => Buffer.from(JSON.stringify(ITEM), 'utf16le'),
  'broken UTF-8': () => Buffer.concat([Buffer.from('{"client_id":"12'), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from('"}')]),
  'deep nesting': (random) => random.pick(['[', '{"a":', '[{"a":']).repeat(1000 + random.below(20_000)),
  'deep nesting, closed': (random) => {
    const depth = 1000 + random.below(5000);
    return '['.repeat(depth) + ']'.repeat(depth);
  },
  'no object': (random) =>
    random.pick(['null', 'true', '7', '""', '[]', `[${JSON.stringify(ITEM)}]`, '"{}"', ...NUMBERS.slice(0, 2)]),
  'empty object': () => '{}',
  'many keys': (random) => `{${Array.from({ length: 5000 }, (_, nth) => `"k${random.below(1e6)}_${nth}":${nth}`).join(',')}}`,
  prototype: (random) =>
    random
      .pick(['{"__proto__":?}', '{"constructor":{"prototype":?}}', '{"__proto__":{"__proto__":?}}'])
      .replace('?', JSON.stringify(ITEM)),
  'huge value': (random) => JSON.stringify({ junk: 'x'.repeat(50_000 + random.below(150_000)) }),
  'largest value': () => 'x'.repeat(NEARLY_A_MEGABYTE),
};

const ODD_HEADERS: readonly Readonly<Record<string, Buffer | string>>[] = [
  {},
  {},
  { 'rollcall-error': 'forged' },
  { '': 'no name' },
  { bytes: Buffer.from([0, 255, 254, 13, 10]), empty: '' },
  { constructor: 'x', toString: 'x', hasOwnProperty: 'x' },
  { traceparent: `00-${'x'.repeat(5000)}` },
  Object.fromEntries(Array.from({ length: 200 }, (_, nth) => [`header-${nth}`, 'x'.repeat(50)])),
];

const KEYS: readonly (Buffer | string | null)[] = [
  null,
  '',
  '12:7',
  '13:900',
  'nonsense',
  '\0',
  Buffer.from([255, 0, 254]),
  'k'.repeat(5000),
];

/** Makes telemetry that is refused, of every kind by turns. */
export function* telemetryGarbage(random: Random): Generator<Garbage> {
  const kinds: Readonly<Record<string, (random: Random) => Buffer | string | null>> = {
    ...NO_OBJECT,
    'wrong field': () => {
      const field = random.pick(Object.keys(WRONG));
      const anything = REQUIRED.includes(field) ? ANYTHING : ANYTHING.filter((value) => value !== null); // null counts as absent
      return JSON.stringify({ ...ITEM, [field]: random.pick([...WRONG[field]!, ...anything]) });
    },
    'missing field': () => JSON.stringify({ ...ITEM, [random.pick(REQUIRED)]: undefined }),
    'huge number': () => JSON.stringify({ ...ITEM, agent_id: '?' }).replace('"?"', random.pick(NUMBERS)),
    'overlong id': () => JSON.stringify({ ...ITEM, client_id: '9'.repeat(1 + 11 + random.below(100_000)) }),
  };
  yield* byTurns(kinds, random, () => ({}));
}

/** Makes records of the status topic that no presence wrote, of every kind by turns. */
export function* statusGarbage(random: Random): Generator<Garbage> {
  const change: StatusChange = {
    id: randomUUID(),
    clientId: 13,
    agentId: 900,
    agentType: 'local',
    name: 'x',
    agentStatus: 'available',
    eventSource: 'api',
    sequence: 1,
    occurredAt: Date.now(),
    changedAt: Date.now(),
  };
  const encoded = encodeStatusChange(change, `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`);
  const wire = JSON.parse(encoded.value) as Record<string, unknown>;
  const times = WRONG_TIMES.filter((time) => time !== '9999-12-31T23:59:59Z'); // the clock of presence has decided
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    ...WRONG,
    client_id: ['-1', '', '12x', '99999999999', 12],
    agent_id: WRONG_IDS.filter((id) => id !== ID_LIMIT),
    extension_name: [7, {}, undefined],
    sequence: [0, -1, 1.5, 2 ** 53, 1e300, '1', undefined],
    previous_status: WRONG_WORDS,
    occurred_at: times,
    changed_at: [...times, '0000-01-01T00:00:00.000Z', '9999-12-31T23:59:59Z'],
  };
  const odd: Readonly<Record<string, readonly unknown[]>> = {
    client_id: ['9999999999', String(ID_LIMIT), '0013'],
    agent_id: [ID_LIMIT, Number.MAX_SAFE_INTEGER],
    sequence: [Number.MAX_SAFE_INTEGER],
    extension_name: ['', '\0', 'a\r\nb', '\ud800', 'x'.repeat(100_000)],
    occurred_at: ['0000-01-01T00:00:00.000Z', '9999-12-31T23:59:59Z'],
  };
  const kinds: Readonly<Record<string, (random: Random) => Buffer | string | null>> = {
    ...NO_OBJECT,
    'telemetry, on the wrong topic': () => JSON.stringify(ITEM),
    'wrong field': () => {
      const field = random.pick(Object.keys(wrong));
      const value = random.pick([...wrong[field]!, ...ANYTHING]);
      return JSON.stringify({ ...wire, [field]: value });
    },
    'missing field': () => JSON.stringify({ ...wire, [random.pick(Object.keys(wire))]: undefined }),
    [ODD]: () => {
      const field = random.pick(Object.keys(odd));
      return JSON.stringify({ ...wire, [field]: random.pick(odd[field]!) });
    },
    'no event id': () => encoded.value,
    'wrong event id': () => encoded.value,
  };
  yield* byTurns(kinds, random, (kind) => {
    if (kind === 'no event id') return random.chance(0.5) ? {} : { ce_specversion: '1.0' };
    if (kind === 'wrong event id')
      return { ...encoded.headers, ce_id: random.pick(['', 'x', '7', '\0', randomUUID().slice(1), 'x'.repeat(10_000)]) };
    if (kind === ODD) return { ...encoded.headers, ce_id: randomUUID() };
    return random.chance(0.8) ? encoded.headers : {};
  });
}

function* byTurns(
  kinds: Readonly<Record<string, (random: Random) => Buffer | string | null>>,
  random: Random,
  headersOf: (kind: string) => Readonly<Record<string, Buffer | string>>,
): Generator<Garbage> {
  for (;;) {
    for (const [kind, make] of Object.entries(kinds)) {
      // One of the largest fills a request of its own; a few will do.
      if (kind === 'largest value' && !random.chance(0.2)) continue;
      const odd = kind === 'largest value' ? {} : random.pick(ODD_HEADERS);
      yield { kind, key: random.pick(KEYS), value: make(random), headers: { ...odd, ...headersOf(kind) } };
    }
  }
}
