import { expect, test } from 'vitest';
import { freshDatabaseUrl, sql, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { run } from '../support/processes.js';
import { buildTestApp, getMe, logIn, PASSWORD, refresh, register, type SignedIn } from '../support/test-app.js';

type App = Awaited<ReturnType<typeof buildTestApp>>['app'];

async function cli(...args: string[]) {
  return cliOn(await testDatabaseUrl(), ...args);
}

async function cliOn(DATABASE_URL: string, ...args: string[]) {
  const running = run('src/cli.ts', args, { DATABASE_URL });
  const code = await running.exit;
  return { code, output: running.output(), json: () => JSON.parse(running.output()) };
}

const signIn = (app: App, email: string, password = PASSWORD) =>
  app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password } });

/** Until an instance has heard of it: a second, with room. */
const refusedSoon = (app: App, { accessToken }: SignedIn, reason: string) =>
  expect
    .poll(async () => (await getMe(app, accessToken)).json(), { timeout: 5_000 })
    .toMatchObject({ code: 'session_ended', reason });

test('disabling an account ends its sessions everywhere and lets nobody in, and tells only whoever has the password', async () => {
  const [a, b] = await Promise.all([buildTestApp(), buildTestApp()]);
  const person = await register(a.app);
  const dry = await cli('users', 'disable', person.email, '--dry-run');
  expect([dry.code, dry.output]).toEqual([0, `would disable ${person.email} and end 1 session\n`]);
  expect((await getMe(a.app, person.accessToken)).statusCode).toBe(200);

  const done = await cli('users', 'disable', person.email, '--yes', '--reason', 'asked for it', '--json');
  expect([done.code, done.json()]).toEqual([0, { disabled: true, ended: 1 }]);
  for (const { app } of [a, b]) await refusedSoon(app, person, 'disabled');
  expect((await refresh(b.app, person.refreshToken)).json()).toMatchObject({
    code: 'session_ended',
    reason: 'disabled',
  });

  const right = await signIn(b.app, person.email);
  expect([right.statusCode, right.json().code]).toEqual([403, 'account_disabled']);
  const wrong = await signIn(b.app, person.email, 'not the password');
  const stranger = await signIn(b.app, 'nobody@example.test', 'not the password');
  const { request_id: _one, ...told } = wrong.json();
  const { request_id: _other, ...toldStranger } = stranger.json();
  expect([wrong.statusCode, told]).toEqual([stranger.statusCode, toldStranger]);

  expect((await cli('users', 'disable', person.email, '--yes')).output).toContain('is disabled already');
  expect((await cli('users', 'enable', person.userId)).output).toBe(`enabled ${person.email}\n`);
  const again = await logIn(a.app, person.email);
  expect((await getMe(a.app, person.accessToken)).json().reason).toBe('disabled');
  const { events } = (
    await a.app.inject({ url: '/v1/me/events', headers: { authorization: `Bearer ${again.accessToken}` } })
  ).json();
  const seen = events.map(({ type, details }: { type: string; details: object }) => [type, details]);
  expect(seen).toContainEqual(['account_disabled', { reason: 'asked for it' }]);
  expect(seen).toContainEqual(['account_enabled', {}]);
});

test('no sign-in that races a disabling leaves a live session', { timeout: 120_000 }, async () => {
  const [a, b] = await Promise.all([buildTestApp(), buildTestApp()]);
  const url = await testDatabaseUrl();
  for (let round = 0; round < 40; round += 1) {
    const person = await register(a.app);
    const disable = withClient(url, async (client) => {
      await client.query('BEGIN');
      await client.query('UPDATE users SET disabled_at = now() WHERE id = $1', [person.userId]);
      await client.query(
        "UPDATE sessions SET ended_at = now(), end_reason = 'disabled' WHERE user_id = $1 AND ended_at IS NULL",
        [person.userId],
      );
      await client.query('COMMIT');
    });
    await Promise.all([
      ...[a, b, a, b].map(({ app }) => signIn(app, person.email)),
      refresh(b.app, person.refreshToken),
      disable,
    ]);
    const live = await sql('SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL', [person.userId]);
    expect(live).toEqual([]);
  }
});

test("lists the sessions of a person, and ends one, theirs, or everybody's", async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const ada = await register(app);
  const second = await logIn(app, ada.email);
  const bob = await register(app);

  const listed = await cliOn(DATABASE_URL, 'sessions', 'list', '--user', ada.email, '--json');
  expect(listed.json().sessions.map(({ id }: { id: string }) => id)).toEqual([second.sessionId, ada.sessionId]);
  const table = await cliOn(DATABASE_URL, 'sessions', 'list', '--user', ada.userId);
  expect(table.output).toMatch(/^SESSION +OPENED/);
  expect(table.output).toContain(second.sessionId);

  const one = await cliOn(DATABASE_URL, 'sessions', 'end', '--session', second.sessionId, '--yes');
  expect([one.code, one.output]).toEqual([0, `ended 1 session of ${ada.email}\n`]);
  await refusedSoon(app, second, 'revoked');
  expect((await getMe(app, ada.accessToken)).statusCode).toBe(200);

  const theirs = await cliOn(DATABASE_URL, 'sessions', 'end', '--user', ada.email, '--yes', '--json');
  expect(theirs.json()).toEqual({ ended: 1 });
  await refusedSoon(app, ada, 'revoked');

  const refused = await cliOn(DATABASE_URL, 'sessions', 'end', '--all');
  expect(refused.code).toBe(2);
  expect(refused.output).toContain('Add --yes to do it; nothing was done.');
  expect((await getMe(app, bob.accessToken)).statusCode).toBe(200);
  const dry = await cliOn(DATABASE_URL, 'sessions', 'end', '--all', '--dry-run');
  expect([dry.code, dry.output]).toEqual([0, 'would end 1 session of everybody\n']);
  const all = await cliOn(DATABASE_URL, 'sessions', 'end', '--all', '--yes');
  expect([all.code, all.output]).toEqual([0, 'ended 1 session of everybody\n']);
  await refusedSoon(app, bob, 'revoked');
});

test('ends more sessions than one statement takes', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const person = await register(app);
  await withClient(DATABASE_URL, (client) =>
    client.query(
      `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at)
       SELECT gen_random_uuid(), $1, 'cookie', now() + interval '1 day', now() + interval '1 day' FROM generate_series(1, 1700)`,
      [person.userId],
    ),
  );
  expect((await cliOn(DATABASE_URL, 'sessions', 'end', '--all', '--yes', '--json')).json()).toEqual({ ended: 1_701 });
  await refusedSoon(app, person, 'revoked');
});

test('shows what support needs, and no secret', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const shown = await cli('users', 'show', person.email, '--json');
  expect(shown.json()).toEqual({
    id: person.userId,
    email: person.email,
    email_verified: false,
    created_at: expect.any(String),
    disabled: false,
    second_factor: false,
    live_sessions: 1,
    last_event: { type: 'login', created_at: expect.any(String) },
  });
  const forPeople = await cli('users', 'show', person.userId);
  expect(forPeople.output).toMatch(/second factor +no/);
  expect(shown.output + forPeople.output).not.toMatch(/\$2[aby]\$|password/);
});

test('takes a lost second factor away, ends the sessions, and tells the owner', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql(
    `INSERT INTO second_factors (user_id, sealed_secret, secret_id, confirmed_at) VALUES ($1, decode(repeat('00', 60), 'hex'), 0, now())`,
    [person.userId],
  );
  const challenged = await signIn(app, person.email);
  expect(challenged.json()).not.toHaveProperty('access_token');
  expect(challenged.json()).toHaveProperty('mfa_token');
  const done = await cli('users', 'reset-second-factor', person.email, '--yes');
  expect([done.code, done.output]).toEqual([0, `took the second factor from ${person.email}, ended 1 session\n`]);
  await refusedSoon(app, person, 'revoked');
  const again = await logIn(app, person.email);
  const { events } = (
    await app.inject({ url: '/v1/me/events', headers: { authorization: `Bearer ${again.accessToken}` } })
  ).json();
  expect(events).toContainEqual(expect.objectContaining({ type: 'mfa_disabled', details: { by: 'operator' } }));
});

test.each([
  [['sessions'], 'sessions needs an action'],
  [['sessions', 'explode'], 'sessions cannot "explode"'],
  [['sessions', 'list'], 'sessions list needs --user'],
  [['sessions', 'end'], 'needs one of --user, --session and --all'],
  [['sessions', 'end', '--all', '--user', 'a@example.test'], 'needs one of --user, --session and --all'],
  [['sessions', 'end', '--session', 'x'], '"x" is not the id of a session'],
  [['sessions', 'end', '--everything'], '--everything'],
  [['users', 'disable'], 'users disable needs one address or id'],
  [['users', 'disable', 'x'], 'neither an e-mail address nor an id'],
  [['users', 'constructor', 'x'], 'users cannot "constructor"'],
  [['users', 'disable', 'a@example.test', '--reason', 'x'.repeat(201)], '--reason may have 200 characters'],
])('refuses %j with code 2, and says why', async (args, message) => {
  const { code, output } = await cli(...args);
  expect(output).toContain(message);
  expect(output).toContain('Usage: ');
  expect(code).toBe(2);
});

test('ends with code 1 for a person or a session that is not there, and for a database that is not there', async () => {
  for (const args of [
    ['users', 'show', 'nobody@example.test'],
    ['sessions', 'end', '--session', crypto.randomUUID(), '--yes'],
  ]) {
    const { code, output } = await cli(...args);
    expect(code).toBe(1);
    expect(output).toMatch(/^There is no /);
  }
  const away = await cliOn('postgresql://nobody:a-secret@127.0.0.1:1/nothing', 'sessions', 'end', '--all', '--yes');
  expect(away.code).toBe(1);
  expect(away.output).not.toContain('a-secret');
});
