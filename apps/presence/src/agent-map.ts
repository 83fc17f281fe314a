import type { AgentKey } from '#contracts';

/**
 * A map by agent that keeps at least the latest used agents, and at most twice as many: those used since the last change of generations,
 * and those of the generation before.
 *
 * In place of lru-cache, because every item of telemetry is looked up here: two ids of 32 bits fit in no number, so a cache with one key
 * would need a joined string for each look, and it keeps a list in order of use. Maps of numbers, a client's agents each, take a third of the time.
 */
export class AgentMap<V> {
  private young = new Map<number, Map<number, V>>();
  private old = new Map<number, Map<number, V>>();
  /** Agents of the young generation. */
  private size = 0;

  /** @param latest agents that are kept for certain */
  constructor(private readonly latest: number) {}

  /** Counts as a use of the agent. */
  get({ clientId, agentId }: AgentKey): V | undefined {
    const young = this.young.get(clientId)?.get(agentId);
    if (young !== undefined) return young;
    const old = this.old.get(clientId)?.get(agentId);
    if (old !== undefined) this.put(clientId, agentId, old);
    return old;
  }

  set({ clientId, agentId }: AgentKey, value: V): void {
    this.put(clientId, agentId, value);
  }

  delete({ clientId, agentId }: AgentKey): void {
    if (remove(this.young, clientId, agentId)) this.size -= 1;
    remove(this.old, clientId, agentId);
  }

  clear(): void {
    this.young = new Map();
    this.old = new Map();
    this.size = 0;
  }

  private put(clientId: number, agentId: number, value: V): void {
    let agents = this.young.get(clientId);
    if (agents === undefined) this.young.set(clientId, (agents = new Map<number, V>()));
    const before = agents.size;
    agents.set(agentId, value);
    this.size += agents.size - before;
    if (this.size < this.latest) return;
    this.old = this.young;
    this.young = new Map();
    this.size = 0;
  }
}

/** A client goes with its last agent: only agents are counted. @returns whether the agent was there */
function remove(clients: Map<number, Map<number, unknown>>, clientId: number, agentId: number): boolean {
  const agents = clients.get(clientId);
  if (!agents?.delete(agentId)) return false;
  if (agents.size === 0) clients.delete(clientId);
  return true;
}
