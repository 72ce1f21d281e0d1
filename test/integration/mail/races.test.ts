import { expect, test } from 'vitest';
import { newOneTimeToken } from '../../../src/modules/accounts/one-time-token.js';
import { sql } from '../../support/database.js';
import { buildTestApp, PASSWORD, readTokens, refresh, register } from '../../support/test-app.js';
import { post } from '../http/support.js';

const ROUNDS = 100;
const RESET = '/v1/auth/password/reset';

/** A token as a mail would have brought it. */
async function issueReset({ userId, email }: { userId: string; email: string }): Promise<string> {
  const { token, hash } = newOneTimeToken();
  await sql(
    `INSERT INTO one_time_tokens (token_hash, user_id, purpose, email, expires_at)
     VALUES ($1, $2, 'reset_password', $3, now() + interval '1 hour')
     ON CONFLICT (user_id, purpose) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at`,
    [hash, userId, email],
  );
  return token;
}

test('resets a password once of 50 who use one token at once on two instances', async () => {
  const apps = [(await buildTestApp()).app, (await buildTestApp()).app] as const;
  const person = await register(apps[0]);
  const token = await issueReset(person);
  const passwords = Array.from({ length: 50 }, (_, index) => `a quite different horse ${index}`);
  const answers = await Promise.all(
    passwords.map((password, index) => post(apps[index % 2 ? 1 : 0], RESET, { token, new_password: password })),
  );
  const won = answers.flatMap(({ statusCode }, index) => (statusCode === 204 ? [index] : []));
  expect(won).toHaveLength(1);
  const codes = answers.filter(({ statusCode }) => statusCode !== 204).map((answer) => answer.json().code);
  expect(new Set(codes)).toEqual(new Set(['token_invalid_or_expired']));
  const login = { email: person.email, password: passwords[won[0] ?? -1] };
  expect((await post(apps[1], '/v1/auth/login', login)).statusCode).toBe(200);
  const [row] = await sql<{ password_version: number }>('SELECT password_version FROM users WHERE id = $1', [
    person.userId,
  ]);
  expect(row?.password_version).toBe(2);
});

test(`lets no session of the old password outlive a reset that races login and refresh, in ${ROUNDS} rounds`, {
  timeout: 60_000,
}, async () => {
  const [one, other] = [(await buildTestApp()).app, (await buildTestApp()).app];
  const { email, userId } = await register(one);
  const survivors: string[] = [];
  const seen = { login: 0, refresh: 0 };
  let password = PASSWORD;
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = readTokens(await post(one, '/v1/auth/login', { email, password }));
    const token = await issueReset({ userId, email });
    const next = `a horse for round ${round}`;
    const logIn = () => post(other, '/v1/auth/login', { email, password });
    const [reset, ...raced] = await Promise.all([
      post(one, RESET, { token, new_password: next }),
      logIn(),
      refresh(other, before.refreshToken),
      logIn(),
    ]);
    expect(reset.statusCode).toBe(204);
    for (const answer of raced) {
      if (answer.statusCode !== 200) continue;
      seen[answer === raced[1] ? 'refresh' : 'login'] += 1;
      const { refreshToken } = readTokens(answer);
      if ((await refresh(other, refreshToken)).statusCode === 200) survivors.push(refreshToken);
    }
    password = next;
  }
  expect(survivors).toEqual([]);
  // Both did race: some were quick enough to be answered.
  expect(seen.login).toBeGreaterThan(0);
  expect(seen.refresh).toBeGreaterThan(0);
});
