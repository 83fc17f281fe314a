import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consoleTypes } from './console-types.js';

const string = { type: 'string' };
const object = (properties: Readonly<Record<string, object>>, required = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
});

describe('the types of the console', () => {
  let directory: string;
  beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'rollcall-console-types-'))));
  afterAll(() => rm(directory, { recursive: true }));

  /** Of schemas that are all named, without white space. */
  async function typesOf(schemas: Readonly<Record<string, object>>): Promise<string> {
    const file = join(directory, 'types.ts');
    await writeFile(
      file,
      Object.keys(schemas)
        .map((name) => `Schemas['${name}']`)
        .join('\n'),
    );
    return (await consoleTypes(file, { components: { schemas } })).replaceAll(/\s+/g, ' ');
  }

  it('name a schema that is a part of another one', async () => {
    const name = object({ text: string });
    const types = await typesOf({ Name: name, Person: object({ name, others: { type: 'array', items: name } }) });
    expect(types).toContain('readonly name: components["schemas"]["Name"];');
    expect(types).toContain('readonly others: readonly components["schemas"]["Name"][];');
  });

  it('name the largest schema that another one has all properties of, beside what it adds', async () => {
    const types = await typesOf({
      Small: object({ a: string }),
      Medium: object({ a: string, b: string }),
      Large: { ...object({ a: string, b: string, c: string }, ['a', 'b']), description: 'Of size' },
    });
    expect(types).toContain('readonly Medium: components["schemas"]["Small"] & { readonly b: string; };');
    expect(types).toContain(
      '/** @description Of size */ readonly Large: components["schemas"]["Medium"] & { readonly c?: string; };',
    );
  });

  it('name a choice whose branches all gain the same', async () => {
    const [one, other] = [{ one: string }, { other: string }];
    const base = { anyOf: [object(one), object(other)] };
    const same = { anyOf: [object({ ...one, at: string }), object({ ...other, at: string })] };
    const unlike = { anyOf: [object({ ...one, at: string }), object({ ...other, on: string })] };
    const types = await typesOf({ Base: base, Same: same, Unlike: unlike });
    expect(types).toContain('readonly Same: components["schemas"]["Base"] & { readonly at: string; };');
    expect(types).toContain('readonly Unlike: { readonly one: string; readonly at: string; } |');
  });

  it.each([
    ['a property of another type', object({ a: { type: 'number' }, b: string })],
    ['a property that may be absent', object({ a: string, b: string }, ['b'])],
    ['no such property', object({ b: string })],
    ['a rule of its own', { ...object({ a: string, b: string }), additionalProperties: string }],
  ])('do not name a schema where another one has %s', async (_, schema) => {
    expect(await typesOf({ Base: object({ a: string }), Other: schema })).not.toContain('components["schemas"]');
  });

  it('say what words there are once', async () => {
    const word = { type: 'string', enum: ['yes', 'no'] };
    const types = await typesOf({
      Answer: object({ plain: word, told: { ...word, description: 'Or not' }, used: { ...word, default: 'no' } }),
    });
    expect(types).toContain('{ readonly plain: "yes" | "no"; /** @description Or not */ readonly told: "yes" | "no";');
    expect(types).toContain('/** @default no */ readonly used: "yes" | "no";');
  });
});
