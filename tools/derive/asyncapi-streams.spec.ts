import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';
import { asyncApiDocument } from './asyncapi.js';

interface Message {
  readonly payload: object;
  readonly examples?: readonly { readonly name: string; readonly payload: unknown }[];
}

const document = asyncApiDocument() as {
  readonly channels: Readonly<Record<string, { readonly address: string; readonly messages: object }>>;
  readonly components: { readonly messages: Readonly<Record<string, Message>>; readonly schemas: object };
};
const ofStreams = Object.values(document.channels)
  .filter(({ address }) => address.startsWith('/api/'))
  .flatMap(({ messages }) => Object.keys(messages));

it.each(ofStreams)('has an example of a %s of a stream, which its schema takes', (name) => {
  const { payload, examples } = document.components.messages[name]!;
  expect(examples?.length).toBeGreaterThan(0);
  // Schemas refer to those of the document.
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', components: { schemas: document.components.schemas } });
  const validate = ajv.compile(
    JSON.parse(JSON.stringify(payload).replaceAll('"#/components/', '"document#/components/')) as object,
  );
  for (const example of examples!) {
    expect([example.name, validate(example.payload), validate.errors]).toEqual([example.name, true, null]);
    // It says something: without its keys it would not do.
    expect(validate({})).toBe(false);
  }
});
