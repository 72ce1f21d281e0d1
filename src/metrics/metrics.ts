import { Counter, Gauge, Registry } from 'prom-client';
import { createProcessGauges, type HashingCounts, type ProcessSources } from './process-gauges.js';
import { createRedisMetrics } from './redis-metrics.js';
import { createRequestMetrics } from './request-metrics.js';

/** What is asked for when somebody scrapes, and costs nothing until then. */
export type MetricSources = ProcessSources & {
  isListening: () => boolean;
  endedSessions: () => number;
  confirmationsWaiting: () => number;
  /** Asks the database. */
  mails: () => Promise<{ waiting: number; dead: number; oldestSeconds: number }>;
};

export type Metrics = ReturnType<typeof createMetrics>;

type BreachCheckOutcome = 'clean' | 'breached' | 'failed';
export type MailOutcome = 'sent' | 'put_off' | 'dead' | 'dropped';

export type RefreshOutcome = 'rotated' | 'repeated' | 'reused' | 'refused';

/** The service's own figures, in Prometheus's words. None of them names a person, a session or an address. */
export function createMetrics(sources: MetricSources) {
  const registry = new Registry();
  const registers = [registry];

  const refreshes = new Counter({
    name: 'gatehouse_refreshes_total',
    help: 'Refreshes by outcome: rotated, repeated (a retry got the same successor), reused, refused.',
    labelNames: ['outcome'] as const,
    registers,
  });
  const guesses = new Counter({
    name: 'gatehouse_guesses_total',
    help: 'Guesses at passwords and codes by outcome: right, wrong, undecided (overloaded, client gone), delayed, stopped.',
    labelNames: ['purpose', 'outcome'] as const,
    registers,
  });
  const cleaned = new Counter({
    name: 'gatehouse_cleaned_rows_total',
    help: 'Rows that left after the retention.',
    labelNames: ['table'] as const,
    registers,
  });
  const breachChecks = new Counter({
    name: 'gatehouse_breach_checks_total',
    help: 'New passwords looked up among breached ones: clean, breached, or failed (nobody could be asked, and it passed).',
    labelNames: ['outcome'] as const,
    registers,
  });
  const mails = new Counter({
    name: 'gatehouse_mails_total',
    help: 'Mails by outcome: sent, put_off (to be tried again), dead (given up), dropped (not to be sent after all).',
    labelNames: ['outcome'] as const,
    registers,
  });
  new Gauge({
    name: 'gatehouse_outbox_mails',
    help: 'Mails of all instances in the outbox, by state: waiting, dead.',
    labelNames: ['state'] as const,
    registers,
    async collect() {
      // Without the database, the figures of the last time: the others are worth having all the same.
      const counts = await sources.mails().catch(() => undefined);
      if (counts === undefined) return;
      this.set({ state: 'waiting' }, counts.waiting);
      this.set({ state: 'dead' }, counts.dead);
      oldestMail.set(counts.oldestSeconds);
    },
  });
  const oldestMail = new Gauge({
    name: 'gatehouse_outbox_oldest_mail_seconds',
    help: 'For how long the oldest mail has waited to be sent.',
    registers,
  });
  const reuses = new Counter({
    name: 'gatehouse_reuse_incidents_total',
    help: 'Sessions that were ended because a replaced refresh token came back.',
    registers,
  });
  const cleanedAt = new Gauge({
    name: 'gatehouse_cleanup_last_success_timestamp_seconds',
    help: 'When this instance last deleted what is past its retention, or began, as seconds since 1970.',
    registers,
  });
  // An instance that has just begun is not behind with it.
  cleanedAt.setToCurrentTime();
  let hashing: (() => HashingCounts) | undefined;
  createProcessGauges(registry, { ...sources, hashing: () => hashing?.() });
  const requests = createRequestMetrics(registry);
  let redis: ReturnType<typeof createRedisMetrics> | undefined;
  gauge('gatehouse_listener_up', 'Whether this instance hears endings at once (1), or finds them by polling (0).', () =>
    Number(sources.isListening()),
  );
  gauge('gatehouse_ended_sessions', 'Sessions in memory whose access tokens are refused.', sources.endedSessions);
  gauge(
    'gatehouse_confirmations_waiting',
    'Noted confirmations that are not written yet.',
    sources.confirmationsWaiting,
  );

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  return {
    registry,
    requests,
    /** The workers are made after this. */
    watchHashing(read: () => HashingCounts): void {
      hashing = read;
    },
    reuseFound: (): void => reuses.inc(),
    cleanupDone: (): void => cleanedAt.setToCurrentTime(),
    redisChanged(isUp: boolean): void {
      // Only where Redis is asked for: without it, being down would be no news.
      redis ??= createRedisMetrics(registry);
      redis.changed(isUp);
    },
    mailHandled: (outcome: MailOutcome): void => mails.inc({ outcome }),
    refreshed: (outcome: RefreshOutcome): void => refreshes.inc({ outcome }),
    guessed: (purpose: string, outcome: string): void => guesses.inc({ purpose, outcome }),
    breachChecked: (outcome: BreachCheckOutcome): void => breachChecks.inc({ outcome }),
    cleaned(counts: Record<string, number>): void {
      for (const [table, count] of Object.entries(counts)) cleaned.inc({ table }, count);
    },
  };
}
