import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { RecordingReceiver, type RecordedRequest } from '../support/receiver.js';
import type { Arrival } from './checker.js';
import type { Random } from './random.js';

/** Ways to answer; each is a receiver of its own, so that each is an origin of its own. */
export const HABITS = ['well', 'slow', 'error', 'busy', 'closing', 'hanging'] as const;
export type Habit = (typeof HABITS)[number];

/** Third parties that misbehave, each in its own way, and record what they got and how they answered. */
export class ChaosReceivers {
  private readonly arrivals: Arrival[] = [];
  private readonly acknowledged = new Set<string>();
  private pauseMs = 0;
  private readonly receivers = new Map<Habit, RecordingReceiver>();
  private calm = false;

  private constructor(private readonly random: Random) {}

  static async start(random: Random): Promise<ChaosReceivers> {
    const all = new ChaosReceivers(random);
    for (const habit of HABITS) {
      const receiver = await RecordingReceiver.start();
      receiver.answer((request, response) => void all.answer(habit, request, response));
      all.receivers.set(habit, receiver);
    }
    return all;
  }

  /** Returns where to subscribe for a habit. */
  urlOf(habit: Habit): string {
    return `${this.receivers.get(habit)!.url}/${habit}`;
  }

  get records(): readonly Arrival[] {
    return this.arrivals;
  }

  /** Returns how many notifications were acknowledged, each counted once. */
  get delivered(): number {
    return this.acknowledged.size;
  }

  /** Answers everything well from now on, so that what waits can arrive. */
  behave(): void {
    this.calm = true;
  }

  /** Has every answer take so long from now on, in milliseconds; 0 ends it. */
  slowDown(pauseMs: number): void {
    this.pauseMs = pauseMs;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.receivers.values()].map((receiver) => receiver.stop()));
  }

  private async answer(habit: Habit, request: RecordedRequest, response: ServerResponse): Promise<void> {
    const misbehaves = !this.calm && this.random.chance(habit === 'hanging' ? 0.02 : 0.3);
    const acknowledged = !misbehaves || habit === 'slow' || habit === 'well';
    const arrival: Arrival & { acknowledgedAfter?: number; acknowledgedAt?: number } = {
      path: `/${habit}`,
      agentId: Number(new URLSearchParams(request.method === 'GET' ? request.url.split('?')[1] : request.body).get('agent_id')),
      sequence: Number(request.headers['webhook-sequence']),
      webhookId: String(request.headers['webhook-id']),
      attempt: Number(request.headers['webhook-attempt']),
      acknowledged,
    };
    this.arrivals.push(arrival);
    const pauseMs = this.pauseMs + (misbehaves && habit === 'slow' ? this.random.below(300) : 0);
    if (pauseMs > 0) await delay(pauseMs);
    if (acknowledged) {
      arrival.acknowledgedAfter = this.arrivals.length;
      arrival.acknowledgedAt = Date.now();
      this.acknowledged.add(arrival.webhookId);
      response.writeHead(200).end('ok');
    } else if (habit === 'error') response.writeHead(500).end('broken');
    else if (habit === 'busy') response.writeHead(429, { 'retry-after': '1' }).end();
    else if (habit === 'closing') response.destroy();
    // hanging: no answer at all, until the sender gives up
  }
}
