import { expect, test, vi } from 'vitest';
import { COOKIE, PASSWORD, register } from '../../support/test-app.js';
import { type Guides, installGuides, signUp } from './install.js';

type Mounted<Value> = { renders: Value[]; unmount: () => void };
type Framework = {
  mount: <Value>(hook: () => Value) => Mounted<Value>;
  renderOnServer: (hook: () => unknown) => unknown;
};

const HOOKS = ['react', 'vue'];

async function loadHook({ load }: Guides, framework: string) {
  const { useUser } = await load<{ useUser: () => unknown }>(`${framework}/use-user.ts`);
  const { mount, renderOnServer } = await load<Framework>(`node_modules/${framework}/index.js`);
  return { mount: () => mount(useUser), renderOnServer: () => renderOnServer(useUser) };
}

type Way = [string, (guides: Guides) => Promise<Mounted<unknown>>];

/** Each way of the guides to show who is signed in. `renders` grows with all that it shows. */
const WAYS: Way[] = [
  ['start.ts', mountStart],
  ...HOOKS.map((hook): Way => [`${hook}/use-user.ts`, async (guides) => (await loadHook(guides, hook)).mount()]),
];

async function mountStart({ load }: Guides): Promise<Mounted<unknown>> {
  const { startApp } = await load<{ startApp: (show: (user: unknown) => void) => void }>('start.ts');
  const renders: unknown[] = [];
  startApp((user) => renders.push(user));
  return { renders, unmount: () => expect.unreachable() };
}

/** The same twice in a row is nothing that anybody sees. */
function changes(renders: unknown[]): unknown[] {
  return renders.filter((one, index) => index === 0 || !Object.is(one, renders[index - 1]));
}

test.each(WAYS)('%s shows what is not known, nobody, the user', async (_name, mount) => {
  const guides = await installGuides({ opened: false });
  const { renders } = await mount(guides);
  expect(renders).toEqual([undefined]);
  guides.open();
  await expect.poll(() => changes(renders)).toEqual([undefined, null]);
  const user = await signUp(guides);
  await expect.poll(() => changes(renders)).toEqual([undefined, null, user]);
  await guides.auth.logout();
  await expect.poll(() => changes(renders)).toEqual([undefined, null, user, null]);
});

test.each(WAYS)('%s never shows the form to a person whose hint the browser has deleted', async (_name, mount) => {
  const guides = await installGuides({ hasTokenStore: false });
  const { email, refreshToken } = await register(guides.app);
  guides.network.cookie = `${COOKIE}=${refreshToken}`;
  await guides.auth.ready;
  expect(guides.auth.user, 'the client alone does not ask').toBeNull();
  const { renders } = await mount(guides);
  await expect.poll(() => changes(renders)).toEqual([undefined, expect.objectContaining({ email })]);
});

test.each(WAYS)('%s shows the form to a visitor once Gatehouse was asked', async (_name, mount) => {
  const guides = await installGuides({ hasTokenStore: false });
  await guides.auth.ready;
  let asked = 0;
  guides.network.answer = () => {
    asked += 1;
    return undefined;
  };
  const { renders } = await mount(guides);
  expect(renders).toEqual([undefined]);
  await expect.poll(() => changes(renders)).toEqual([undefined, null]);
  expect(asked).toBe(1);
});

test.each(HOOKS)('%s/use-user.ts shows nothing new once it is unmounted', async (hook) => {
  const guides = await installGuides();
  const { renders, unmount } = (await loadHook(guides, hook)).mount();
  const { email } = await signUp(guides);
  await expect.poll(() => renders.at(-1)).toMatchObject({ email });
  unmount();
  const before = renders.length;
  await guides.auth.logout();
  await guides.auth.login({ email, password: PASSWORD });
  expect(renders).toHaveLength(before);
});

test.each(HOOKS)('%s/use-user.ts knows nobody on a server, and leaves nothing behind there', async (hook) => {
  const guides = await installGuides();
  await signUp(guides);
  const subscribe = vi.spyOn(guides.auth, 'subscribe');
  const { mount, renderOnServer } = await loadHook(guides, hook);
  expect(renderOnServer()).toBeUndefined();
  expect(subscribe).not.toHaveBeenCalled();
  mount();
  expect(subscribe, 'as in a page').toHaveBeenCalledOnce();
});

test('vue/use-user.ts first renders what the server did, though the user is known', async () => {
  const guides = await installGuides();
  const user = await signUp(guides);
  const { renders } = (await loadHook(guides, 'vue')).mount();
  await expect.poll(() => renders).toEqual([undefined, user]);
});

test('use-orders.ts shows each person their own orders and nobody else’s, and no refusal as orders', async () => {
  const guides = await installGuides();
  const { load, network, auth } = guides;
  const first = await signUp(guides);
  await auth.logout();
  const second = await signUp(guides);
  const statuses: number[] = [];
  network.answer = (request) => {
    if (!request.url.startsWith('https://api.example.com/')) return undefined;
    // As the API of the example: whose orders these are is in the access token.
    const of = JSON.parse(atob(request.headers.get('authorization')?.split('.')[1] ?? '')).sub;
    const status = statuses.length === 0 ? 503 : 200;
    statuses.push(status);
    return Response.json(status === 200 ? { of } : { code: 'unavailable' }, { status });
  };
  const { useUser } = await load<{ useUser: () => { id: string } | null | undefined }>('react/use-user.ts');
  const { useOrders } = await load<{ useOrders: () => unknown }>('react/use-orders.ts');
  const { mount } = await load<Framework>('node_modules/react/index.js');
  const { renders } = mount(() => ({ of: useUser()?.id, orders: useOrders() }));
  await expect.poll(() => statuses).toEqual([503]);
  // By the time that a whole request has been answered, the refusal has long been taken in.
  await auth.sessions.list();
  expect(renders).toEqual([{ of: second.id, orders: undefined }]);
  for (const { id, email } of [first, second]) {
    await auth.logout();
    await auth.login({ email, password: PASSWORD });
    await expect.poll(() => renders.at(-1)).toEqual({ of: id, orders: { of: id } });
  }
  await auth.logout();
  await expect.poll(() => renders.at(-1)?.of).toBeUndefined();
  const shown = renders.filter(({ orders }) => orders !== undefined);
  expect(shown.filter(({ of, orders }) => (orders as { of: string }).of !== of)).toEqual([]);
  expect(shown.map(({ of }) => of)).toEqual([first.id, second.id]);
});
