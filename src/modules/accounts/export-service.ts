import type { EventRepository } from '../audit/event-repository.js';
import { toEventBody } from '../audit/event-schemas.js';
import type { ExportRepository } from './export-repository.js';
import { accountGone } from './password-confirmation.js';

export type ExportService = ReturnType<typeof createExportService>;

type ExportServiceOptions = { repository: ExportRepository; events: Pick<EventRepository, 'list'> };

/** So few at a time that nobody else waits, however much there is. */
const PAGE = 500;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';
/** More mails wait for nobody: they are the one list that is not read in pages. */
const MAX_MAILS = 1_000;

/** Gives people all that is kept on them. */
export function createExportService({ repository, events }: ExportServiceOptions) {
  return {
    /**
     * A JSON document, written while it is read: the next page when the one before has been taken.
     *
     * @throws DomainError `session_ended` when the account is gone
     */
    async write(userId: string): Promise<AsyncGenerator<string>> {
      const summary = await repository.summary(userId);
      if (summary === null) throw accountGone();
      const mails = await repository.mails(userId, summary.email, MAX_MAILS);
      return document(toHead(summary, mails), {
        sessions: pages((after) => repository.sessions(userId, after ?? BEFORE_ALL, PAGE), toSession),
        reuse_incidents: pages((after) => repository.reuseIncidents(userId, after ?? BEFORE_ALL, PAGE), toIncident),
        events: pages((before) => events.list(userId, before, PAGE), toEventBody),
      });
    },
  };
}

/** @param lists members that are written after those of the head, page by page */
async function* document(head: object, lists: Record<string, AsyncIterable<object[]>>): AsyncGenerator<string> {
  yield JSON.stringify(head).slice(0, -1);
  for (const [name, listed] of Object.entries(lists)) {
    yield `,${JSON.stringify(name)}:[`;
    let separator = '';
    for await (const page of listed) {
      yield separator + page.map((one) => JSON.stringify(one)).join(',');
      separator = ',';
    }
    yield ']';
  }
  yield '}';
}

/** @param read the page after the row with that id, or the first one */
async function* pages<Row extends { id: string }>(
  read: (last: string | null) => Promise<Row[]>,
  toBody: (row: Row) => object,
): AsyncGenerator<object[]> {
  let last: string | null = null;
  do {
    const page: Row[] = await read(last);
    if (page.length > 0) yield page.map(toBody);
    last = page.length < PAGE ? null : (page.at(-1)?.id ?? null);
  } while (last !== null);
}

type Summary = NonNullable<Awaited<ReturnType<ExportRepository['summary']>>>;
type Mail = Awaited<ReturnType<ExportRepository['mails']>>[number];
type SessionRow = Awaited<ReturnType<ExportRepository['sessions']>>[number];
type IncidentRow = Awaited<ReturnType<ExportRepository['reuseIncidents']>>[number];

function toHead({ secondFactor, oneTimeTokens, ...user }: Summary, mails: Mail[]) {
  return {
    user: {
      id: user.id,
      email: user.email,
      email_verified_at: time(user.emailVerifiedAt),
      created_at: time(user.createdAt),
    },
    second_factor: secondFactor && {
      enrolled_at: time(secondFactor.createdAt),
      confirmed_at: time(secondFactor.confirmedAt),
      recovery_codes_left: secondFactor._count.recoveryCodes,
    },
    one_time_tokens: oneTimeTokens.map(({ purpose, createdAt, expiresAt }) => ({
      purpose,
      created_at: time(createdAt),
      expires_at: time(expiresAt),
    })),
    mails: mails.map(({ kind, createdAt, nextAttemptAt, failedAt }) => ({
      kind,
      created_at: time(createdAt),
      next_attempt_at: time(nextAttemptAt),
      failed_at: time(failedAt),
    })),
  };
}

function toSession(session: SessionRow) {
  return {
    id: session.id,
    transport: session.transport,
    created_at: time(session.createdAt),
    authenticated_at: time(session.authenticatedAt),
    amr: session.amr,
    last_used_at: time(session.rotatedAt),
    idle_expires_at: time(session.idleExpiresAt),
    expires_at: time(session.expiresAt),
    ended_at: time(session.endedAt),
    end_reason: session.endReason,
    user_agent: session.userAgent,
    ip: session.ip,
  };
}

function toIncident(incident: IncidentRow) {
  return {
    id: incident.id,
    session_id: incident.sessionId,
    detected_at: time(incident.detectedAt),
    generation: incident.generation,
    presented_generation: incident.presentedGeneration,
    rotated_at: time(incident.rotatedAt),
    session_user_agent: incident.sessionUserAgent,
    session_ip: incident.sessionIp,
    user_agent: incident.userAgent,
    ip: incident.ip,
  };
}

const time = (date: Date | null): string | null => date?.toISOString() ?? null;
