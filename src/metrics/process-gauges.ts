import { Counter, Gauge, type Registry } from 'prom-client';

/** What an instance holds right now; asked when somebody scrapes. */
export type ProcessSources = {
  pool: () => PoolCounts | undefined;
  /** Seconds since the list of ended sessions was last known to be whole. */
  revocationAgeSeconds: () => number;
  /** Seconds since the active signing key began to sign. Asks the database. */
  signingKeyAgeSeconds: () => Promise<number | undefined>;
};

export type PoolCounts = { totalCount: number; idleCount: number; waitingCount: number };

export type HashingCounts = { running: number; waiting: number; refused: number };

export function createProcessGauges(
  registry: Registry,
  sources: ProcessSources & { hashing: () => HashingCounts | undefined },
): void {
  const registers = [registry];

  new Gauge({
    name: 'gatehouse_passwords',
    help: 'Passwords at this moment, by state: running (being hashed), waiting.',
    labelNames: ['state'] as const,
    registers,
    collect() {
      const hashing = sources.hashing();
      if (hashing === undefined) return;
      this.set({ state: 'running' }, hashing.running);
      this.set({ state: 'waiting' }, hashing.waiting);
    },
  });
  let refusedBefore = 0;
  new Counter({
    name: 'gatehouse_passwords_refused_total',
    help: 'Passwords that were refused, because too many waited.',
    registers,
    collect() {
      const { refused = refusedBefore } = sources.hashing() ?? {};
      this.inc(refused - refusedBefore);
      refusedBefore = refused;
    },
  });
  new Gauge({
    name: 'gatehouse_database_connections',
    help: 'Connections of the pool, by state: open, idle; and waiting: statements that wait for one.',
    labelNames: ['state'] as const,
    registers,
    collect() {
      const pool = sources.pool();
      if (pool === undefined) return;
      this.set({ state: 'open' }, pool.totalCount);
      this.set({ state: 'idle' }, pool.idleCount);
      this.set({ state: 'waiting' }, pool.waitingCount);
    },
  });
  new Gauge({
    name: 'gatehouse_revocation_age_seconds',
    help: 'Seconds since this instance last knew all sessions that had ended; it asks every two.',
    registers,
    collect() {
      this.set(sources.revocationAgeSeconds());
    },
  });
  new Gauge({
    name: 'gatehouse_signing_key_age_seconds',
    help: 'For how long the active key has signed.',
    registers,
    async collect() {
      const age = await sources.signingKeyAgeSeconds().catch(() => undefined);
      if (age !== undefined) this.set(age);
    },
  });
}
