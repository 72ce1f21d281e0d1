import { expect, test } from 'vitest';
import { openBrowser } from '../support/browser.js';
import { startGatehouse } from '../support/browser-gatehouse.js';
import { freshEmail, PASSWORD } from '../support/test-app.js';
import { openTab, servePage } from './support/tab.js';

test('a reload keeps the sign-in, and asks for one refresh only', async () => {
  const { origin, line } = await startGatehouse();
  await servePage(line);
  const context = await openBrowser();
  const tab = await openTab(context, origin);
  const email = freshEmail();
  await tab.evaluate((account) => client.register(account), { email, password: PASSWORD });
  line.exchanges.length = 0;
  await tab.reload();
  await tab.evaluate(() => client.ready);
  expect(await tab.evaluate(() => client.user?.email)).toBe(email);
  expect(line.exchanges.map(({ method, path, status }) => `${method} ${path} ${status}`)).toContain(
    'POST /v1/auth/refresh 200',
  );
});
