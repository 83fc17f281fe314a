import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { faultsOf } from '../support/document-rules.js';

interface Operation {
  operationId: string;
  tags: string[];
  description?: string;
  parameters: { in: string; name: string; description: string; schema: object; example: unknown }[];
  responses: Record<string, { description: string; content?: Record<string, object> }>;
}

/** A small document without a fault. */
const sound = () => ({
  openapi: '3.1.1',
  servers: [{ url: '/' }],
  tags: [{ name: 'Agents', description: 'Who is there.' }],
  paths: {
    '/agent/{agent_id}': {
      get: {
        operationId: 'getAgent',
        summary: 'One agent',
        description: 'By its id.',
        tags: ['Agents'],
        parameters: [{ name: 'agent_id', in: 'path', description: 'Its id', schema: { type: 'integer' }, example: 136 }],
        responses: {
          '200': { description: 'It', content: { 'application/json': { schema: { $ref: '#/components/schemas/Agent' } } } },
        },
      } as Operation,
    },
  },
  components: {
    schemas: {
      Agent: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } }, example: { id: 1 } },
    } as Record<string, object>,
  },
});

/** A stream of agents, and of agents with a name. */
const streamOf = (examples: object): Operation['responses'][string] => ({
  description: 'They',
  content: {
    'text/event-stream': {
      schema: { anyOf: [{ $ref: '#/components/schemas/Agent' }, { type: 'object', required: ['name'] }] },
      examples,
    },
  },
});

type Sound = ReturnType<typeof sound>;
const operationOf = (document: Sound): Operation => document.paths['/agent/{agent_id}'].get;

describe('the documents that clients are generated from', () => {
  it.each(['openapi.json', 'openapi-telemetry.json'])('%s has no fault', async (file) => {
    expect(faultsOf(JSON.parse(await readFile(`docs/${file}`, 'utf8')) as object)).toEqual([]);
  });

  it('would be told of each of these', () => {
    expect(faultsOf(sound())).toEqual([]);
    const PLANTED: readonly [fault: string, plant: (document: Sound) => unknown][] = [
      ['servers: there is none', (document) => (document.servers = [])],
      ['tag Agents: no description', (document) => (document.tags[0]!.description = '')],
      ['the operationId find[0]Agent is no words', (document) => (operationOf(document).operationId = 'find[0]Agent')],
      ['no description', (document) => delete operationOf(document).description],
      ['no description of 200', (document) => (operationOf(document).responses['200']!.description = '')],
      ['not one tag of the document', (document) => (operationOf(document).tags = ['Agent'])],
      [
        'path parameter agent_id has a default',
        (document) => (operationOf(document).parameters[0]!.schema = { type: 'integer', default: 1 }),
      ],
      ['the example is not valid: data must be integer', (document) => (operationOf(document).parameters[0]!.example = '@me')],
      ['the example is not valid', (document) => (document.components.schemas['Agent'] = { type: 'object', example: 1 })],
      [
        'event-stream: the example is not valid',
        (document) =>
          (operationOf(document).responses['200'] = streamOf({ agent: { value: { id: 1 } }, other: { value: { id: 'x' } } })),
      ],
      [
        '1 examples of a stream of 2 kinds',
        (document) => (operationOf(document).responses['200'] = streamOf({ agent: { value: { id: 1 } } })),
      ],
      ['0 examples of a stream', (document) => (operationOf(document).responses['200'] = streamOf({}))],
      ['leads nowhere', (document) => delete document.components.schemas['Agent']],
      ['an array without items', (document) => (document.components.schemas['Agents'] = { type: 'array', items: false })],
      [
        'int64 is not said',
        (document) => (document.components.schemas['Id'] = { type: 'integer', minimum: 0, maximum: 4_294_967_295 }),
      ],
      ['allOf', (document) => (document.components.schemas['Both'] = { allOf: [{}, {}] })],
      ['schema NewAgent: Go', (document) => (document.components.schemas['NewAgent'] = {})],
      [
        'getAgent: stands twice',
        (document) => ((document.paths as Record<string, object>)['/agent/x'] = document.paths['/agent/{agent_id}']),
      ],
    ];
    for (const [fault, plant] of PLANTED) {
      const document = sound();
      plant(document);
      expect(faultsOf(document).join('\n'), fault).toContain(fault);
    }
  });
});
