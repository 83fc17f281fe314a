/* global SwaggerUIBundle */
// The API browser: Swagger UI, and what it lacks for trying things one after the other.

/** Longest that a stream is read for, in milliseconds, and how many of its events are shown. */
const STREAM_MS = 10_000;
const STREAM_EVENTS = 20;

/** Path parameters that an answer tells: the id of what was made or listed last is filled in everywhere. */
const LEARNED = [
  { parameter: 'event_id', from: /\/(event|agent_events)\/?$/, key: 'id' },
  { parameter: 'delivery_id', from: /\/delivery\/?$/, key: 'id' },
  { parameter: 'app_id', from: /\/application\/?$/, key: 'app_id' },
  { parameter: 'replay_id', from: /\/replay\/?$/, key: 'id' },
  { parameter: 'notice_event_id', from: /\/notice_event\/?$/, key: 'id' },
];

/**
 * Fetches a stream, which has no end, for a while: the page shows an answer only when it is complete.
 */
async function fetchStream(url, request) {
  const stop = new AbortController();
  const response = await fetch(url, { ...request, signal: stop.signal });
  if (!response.ok || !response.body) return response;
  const timer = setTimeout(() => stop.abort(), STREAM_MS);
  let text = '';
  try {
    const decoder = new TextDecoder();
    for await (const chunk of iterate(response.body)) {
      text += decoder.decode(chunk, { stream: true });
      if (text.split('\ndata:').length > STREAM_EVENTS) break;
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  text += `: this page ends a stream after ${STREAM_MS / 1000} s or ${STREAM_EVENTS} events\n`;
  const { status, statusText } = response;
  // As text: whatever else is left to be downloaded.
  const headers = new Headers(response.headers);
  headers.set('content-type', 'text/plain; charset=utf-8');
  const whole = new Response(text, { status, statusText, headers });
  Object.defineProperty(whole, 'url', { value: response.url });
  return whole;
}

/** Not every browser iterates over streams. */
async function* iterate(stream) {
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

/** Fills in what an answer tells wherever the page asks for it. */
function learn(system, path, method, response) {
  if (response.status < 200 || response.status > 299) return;
  const rule = LEARNED.find(({ from }) => from.test(path));
  if (!rule || !['get', 'post'].includes(method)) return;
  const body = response.body ?? response.obj;
  const value = (Array.isArray(body) ? body.at(-1) : body)?.[rule.key];
  if (value === undefined || value === null) return;
  // Agent events of one agent and of all have different ids.
  const scope = /\/agent_events\//.test(path) ? /\/agent_events\// : /^(?!.*\/agent_events\/)/;
  const { paths } = system.specSelectors.specJson().toJS();
  for (const [other, item] of Object.entries(paths)) {
    if (!scope.test(other) || !other.includes(`{${rule.parameter}}`)) continue;
    for (const one of Object.keys(item))
      system.specActions.changeParam([other, one], rule.parameter, 'path', String(value), false);
  }
}

function LearningPlugin(system) {
  return {
    statePlugins: {
      spec: {
        wrapActions: {
          setResponse: (original) => (path, method, response) => {
            const result = original(path, method, response);
            learn(system.getSystem ? system.getSystem() : system, path, method, response);
            return result;
          },
        },
      },
    },
  };
}

/** Enter in a field of the dialog authorizes, as in any form. */
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.target.matches('.auth-container input')) return;
  event.preventDefault();
  event.target.closest('.auth-container').querySelector('button.authorize')?.click();
});

async function start() {
  const response = await fetch('/api/docs/openapi.json');
  if (!response.ok) throw new Error(`the document cannot be read: HTTP ${response.status}`);
  const spec = await response.json();
  const ui = SwaggerUIBundle({
    spec,
    dom_id: '#swagger-ui',
    deepLinking: true,
    displayRequestDuration: true,
    persistAuthorization: true,
    tryItOutEnabled: true,
    defaultModelsExpandDepth: 0,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [LearningPlugin],
    // What is inside of something is removed before it.
    operationsSorter: (one, other) =>
      one.get('method') === 'delete' && other.get('method') === 'delete' ? other.get('path').length - one.get('path').length : 0,
    requestInterceptor: (request) => {
      if (/\/stream(\?|$)/.test(request.url)) request.userFetch = fetchStream;
      return request;
    },
  });
  const demo = spec['x-demo-application'];
  if (demo) ui.initOAuth({ clientId: demo.id, clientSecret: demo.secret, scopes: ['all'] });
}

start().catch((error) => {
  document.getElementById('swagger-ui').textContent = `The API browser cannot start: ${error.message}`;
});
