import { expect, test } from 'vitest';
import { buildTestApp, getMe, refresh, register } from '../support/test-app.js';

test('registers, passes the gate and refreshes', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  expect((await getMe(app, person.accessToken)).json()).toMatchObject({ email: person.email });
  const refreshed = await refresh(app, person.refreshToken);
  expect(refreshed.statusCode).toBe(200);
});
