import { operationsOf, type OpenAPIObject } from './operations.js';

/** What the API browser shows of the place that it runs in. */
export interface BrowserHints {
  /** Applications that anybody may try things with; the first one is filled in. */
  readonly applications?: readonly { readonly id: string; readonly secret: string; readonly access: string }[];
  /** A receiver to send notifications to, in place of the example's. */
  readonly receiverUrl?: string;
}

const REMOVING = 'Removing';
const EXAMPLE_URL = /https:\/\/example\.com\/[\w?=&/]*/g;

/**
 * Adapts the document to the API browser: operations that remove things come last, so that the examples work from top to bottom;
 * webhooks, which cannot be called from a page, are left out. Pure.
 */
export function browserDocumentOf(document: OpenAPIObject, { applications = [], receiverUrl }: BrowserHints): OpenAPIObject {
  const shown = structuredClone(document);
  delete shown.webhooks;
  delete (shown as { servers?: unknown }).servers; // calls go where the page is from
  const used = new Set<string>();
  for (const [, operation] of operationsOf(shown)) {
    for (const tag of operation.tags ?? []) used.add(tag);
  }
  for (const [method, operation] of operationsOf(shown)) if (method === 'delete') operation.tags = [REMOVING];
  shown.tags = [
    ...(shown.tags ?? []).filter(({ name }) => used.has(name)),
    { name: REMOVING, description: 'Last, since what is removed is needed by the rest of this page.' },
  ];
  if (applications.length > 0) {
    const names = applications.map(({ id, secret, access }) => `\`${id}\` / \`${secret}\` (access \`${access}\`)`);
    shown.info.description = `**To try it**: Authorize with the id and secret of ${names.join(' or ')}.\n\n${shown.info.description}`;
    (shown as unknown as Record<string, unknown>)['x-demo-application'] = applications[0];
  }
  if (receiverUrl === undefined) return shown;
  return JSON.parse(JSON.stringify(shown).replaceAll(EXAMPLE_URL, `${receiverUrl}/agents?key=1`)) as OpenAPIObject;
}
