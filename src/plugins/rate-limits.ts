import fastifyRateLimit from '@fastify/rate-limit';
import type { preHandlerAsyncHookHandler } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import type { SharedCounts } from '../redis/shared-counts.js';
import { DomainError } from '../shared/domain-error.js';
import { sharedStore } from './rate-limit-store.js';

type RateLimitsOptions = {
  perMinute: number;
  credentialsPerMinute: number;
  /** Counts that instances share; each counts for itself unless given. */
  sharedCounts?: Pick<SharedCounts, 'count'> | undefined;
};

const WINDOW_MS = 60_000;
/** Addresses that are counted at once; past it the ones seen longest ago are forgotten. */
const REMEMBERED_ADDRESSES = 100_000;

/**
 * How often one client address may ask: IPv4 whole, IPv6 by its /64, as one person has one of those. Behind a proxy
 * the address is what a trusted proxy says it is. Each instance counts for itself,
 * unless they share their counts.
 */
export const rateLimits = fastifyPlugin<RateLimitsOptions>(
  async (app, { perMinute, credentialsPerMinute, sharedCounts }) => {
    await app.register(fastifyRateLimit, {
      global: perMinute > 0,
      max: perMinute,
      timeWindow: WINDOW_MS,
      cache: REMEMBERED_ADDRESSES,
      ...(sharedCounts ? { store: sharedStore(sharedCounts, REMEMBERED_ADDRESSES) } : {}),
      ipv6Subnet: 64,
      enableDraftSpec: true,
      errorResponseBuilder: (_request, { ttl }) =>
        new DomainError('rate_limited', { retryAfterSeconds: Math.ceil(ttl / 1000) }),
    });
    const countNothing: preHandlerAsyncHookHandler = async () => {};
    app.decorate('limitUnknown', perMinute > 0 ? app.rateLimit() : countNothing);
    // One counter for all routes that take a password: a limit given with each route would count each for itself.
    const countCredentials = app.rateLimit({
      max: credentialsPerMinute,
      timeWindow: WINDOW_MS,
      groupId: 'credentials',
    });
    app.decorate('limitCredentials', credentialsPerMinute > 0 ? countCredentials : countNothing);
  },
  { name: 'rate-limits' },
);

declare module 'fastify' {
  interface FastifyInstance {
    /** The tighter limit, for a scope of routes that take a password or send a mail. */
    limitCredentials: preHandlerAsyncHookHandler;
    /** The common limit, for addresses that are not there: guessing them is no cheaper than asking for real ones. */
    limitUnknown: preHandlerAsyncHookHandler;
  }
}
