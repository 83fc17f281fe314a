export { AddressGuard, isPublicAddress, type PortRange } from './address-guard.js';
export { checkUrl, MAX_URL_LENGTH } from './check-url.js';
export {
  buildNotice,
  buildRequest,
  DELIVERY_ID_PATTERN,
  deliveryId,
  encodePairs,
  parseDeliveryId,
  targetOf,
  type Notification,
  type NotifiedChange,
  type Target,
  type WebhookRequest,
} from './notification.js';
export { generateSecret, signingKey, signV1, WebhookSigningKey } from './signature.js';
export { type SendTerms } from './http/exchange.js';
export { WebhookClient, type AttemptResult, type WebhookClientOptions } from './webhook.client.js';
