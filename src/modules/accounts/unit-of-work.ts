import type { EventRepository } from '../audit/event-repository.js';
import type { OutboxRepository } from '../mail/outbox-repository.js';
import type { SecondFactorRepository } from '../second-factor/second-factor-repository.js';
import type { SessionRepository } from '../sessions/session-repository.js';
import type { AccountRepository } from './account-repository.js';
import type { OneTimeTokenRepository } from './one-time-token-repository.js';

/** What can be written together. */
export type Repositories = {
  accounts: AccountRepository;
  sessions: SessionRepository;
  secondFactors: SecondFactorRepository;
  events: EventRepository;
  outbox: OutboxRepository;
  tokens: OneTimeTokenRepository;
};

/**
 * All that the work writes happens together, or, when it throws, not at all. So an ending must never be followed by a
 * throw in there: return what came of it, and throw outside.
 */
export type InTransaction = <Result>(work: (repositories: Repositories) => Promise<Result>) => Promise<Result>;
