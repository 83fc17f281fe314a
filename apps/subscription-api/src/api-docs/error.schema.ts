export { errorSchema } from '#openapi';
