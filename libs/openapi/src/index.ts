export { browserDocumentOf, type BrowserHints } from './browser-document.js';
export { serveDocs } from './docs-page.js';
export { ACCESS_EXTENSION, type PathParameter, type PathRules } from './complete-operations.js';
export { jsonSchemaOf } from './json-schema.js';
export { buildDocument, errorSchema, type ApiDescription } from './openapi-document.js';
export type { OpenAPIObject, OperationObject, ParameterObject, SchemaObject } from './operations.js';
