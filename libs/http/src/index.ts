export { API_ERROR_CODES, ApiError, type ApiErrorCode, type ApiErrorDetails } from './api-error.js';
export { ApiExceptionFilter } from './api-exception.filter.js';
export { beforeAnswer, type AnswerHook } from './answer-hooks.js';
export { errorResponse, type ErrorResponse } from './error-response.js';
export { allowOrigins } from './cors.js';
export { OperationsServer } from './operations-server.js';
export { ServiceHttp, type ServeOptions, type ServiceHttpOptions } from './service-http.js';
export { fieldErrorsOf, validationPipe } from './validation.js';
export { AddRouteConfig } from './route-config.js';
