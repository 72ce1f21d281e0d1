import { expect, onTestFinished, test } from 'vitest';
import type { Client, TokenStore } from '../../../client/src/types.js';
import { sql } from '../../support/database.js';
import { freshEmail, PASSWORD } from '../../support/test-app.js';
import { installGuides } from './install.js';

test('mobile/auth.ts keeps a person signed in through a restart, and knows the device after signing out', async () => {
  const guides = await installGuides();
  const start = async (process: number) => {
    const { auth } = await guides.load<{ auth: Client }>(`mobile/auth.ts?process=${process}`);
    onTestFinished(() => auth.close());
    await auth.ready;
    return auth;
  };
  const { stored } = await guides.load<{ stored: Map<string, string> }>('node_modules/expo-secure-store/index.js');
  const first = await start(1);
  expect(first.user).toBeNull();
  const user = await first.register({ email: freshEmail(), password: PASSWORD });
  expect([...stored.keys()].sort()).toEqual(['gatehouse.known_device', 'gatehouse.refresh_token']);
  first.close();
  const second = await start(2);
  expect(second).not.toBe(first);
  expect(second.user).toEqual(user);
  await second.logout();
  expect([...stored.keys()]).toEqual(['gatehouse.known_device']);
  expect((await start(3)).user).toBeNull();
});

test('mobile/foreground.ts finds out that the session was ended as soon as the app comes back, and not before', async () => {
  const { load } = await installGuides();
  const { auth } = await load<{ auth: Client }>('mobile/auth.ts');
  onTestFinished(() => auth.close());
  const { refreshInForeground } = await load<{ refreshInForeground: () => void }>('mobile/foreground.ts');
  const { become } = await load<{ become: (state: string) => void }>('node_modules/react-native/index.js');
  refreshInForeground();
  const user = await auth.register({ email: freshEmail(), password: PASSWORD });
  const reasons: string[] = [];
  auth.subscribe((event) => event.type === 'signed_out' && reasons.push(event.reason));
  await sql("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", [auth.session?.id]);
  become('background');
  expect(auth.user).toEqual(user);
  become('active');
  await expect.poll(() => reasons).toEqual(['revoked']);
  expect(auth.user).toBeNull();
});

test('mobile/keychain-store.ts keeps one secret for each key, and fails where the keychain did not do its part', async () => {
  const { load } = await installGuides();
  const { tokenStore } = await load<{ tokenStore: TokenStore }>('mobile/keychain-store.ts');
  const { keychain } = await load<{ keychain: { works: boolean } }>('node_modules/react-native-keychain/index.js');
  const kept = () => Promise.all([tokenStore.getItem('gatehouse.refresh_token'), tokenStore.getItem('another')]);
  expect(await kept()).toEqual([null, null]);
  await tokenStore.setItem('gatehouse.refresh_token', 'one');
  expect(await kept()).toEqual(['one', null]);
  keychain.works = false;
  await expect(tokenStore.setItem('gatehouse.refresh_token', 'two')).rejects.toThrow(/did not keep/);
  await expect(tokenStore.removeItem('gatehouse.refresh_token')).rejects.toThrow(/did not remove/);
  keychain.works = true;
  expect(await kept()).toEqual(['one', null]);
  await tokenStore.removeItem('gatehouse.refresh_token');
  expect(await kept()).toEqual([null, null]);
});
