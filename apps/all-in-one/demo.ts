import { readServiceSettings, runService } from '#runtime';
import { banner, DEMO_AGENT } from './src/demo.js';
import { startDemoReceiver } from './src/demo-receiver.js';
import { addDemoAgent } from './src/demo.repository.js';

/**
 * The demo beside services in containers (`deploy/demo.env`): the seed's agent, the demo receiver, which prints what it gets, and the
 * lines to try. The demo applications are made by BOOTSTRAP_APPS.
 */
await runService(
  'demo',
  () => readServiceSettings(['SUBSCRIPTION_API_PORT', 'PRESENCE_PORT', 'DISPATCHER_PORT', 'RECEIVER_PORT']),
  async (settings) => {
    const show = (line: string): void => void process.stdout.write(`${line}\n`);
    await addDemoAgent(settings.DATABASE_URL, DEMO_AGENT);
    const receiver = await startDemoReceiver(settings.HOST, settings.RECEIVER_PORT, show);
    const here = (port: number): string => `http://127.0.0.1:${port}`;
    const urls = {
      subscriptionApi: here(settings.SUBSCRIPTION_API_PORT),
      presence: here(settings.PRESENCE_PORT),
      health: here(settings.DISPATCHER_PORT),
      // The services reach it by its name among the containers.
      receiver: `http://demo:${settings.RECEIVER_PORT}`,
      received: here(settings.RECEIVER_PORT),
      console: true,
    };
    // A file with a token, as the all-in-one has it, would be in the container.
    const curlAs = (app: string): string =>
      `-s -H "Authorization: Bearer $(curl -s -u ${app}:${app}-secret -d grant_type=client_credentials ${urls.subscriptionApi}/oauth/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')" -H 'Content-Type: application/json'`;
    show(
      banner(urls, {
        curlAs: { demo: curlAs('demo'), platform: curlAs('platform') },
        agentEvents: [],
        agentStatus: 'logged_out',
      }),
    );
    return { ...receiver, drain: () => undefined };
  },
);
