import path from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { build } from 'vite';
import { expect } from 'vitest';
import type { AuthEvent, Client, ClientOptions } from '../../../client/src/index.js';
import type { Line } from '../../support/browser-line.js';

declare global {
  /** What the test page has made. */
  var client: Client;
  /** What its client told, oldest first. */
  var events: AuthEvent[];
}

const PAGE = '/test-page';

/** The page makes its client as it loads, as apps do, by the options in its address. */
const HTML = `<!doctype html>
<title>Test page</title>
<script src="${PAGE}/client.js"></script>
<script>
  const options = JSON.parse(decodeURIComponent(location.search.slice(1)) || '{}');
  globalThis.events = [];
  globalThis.client = gatehouse.createClient(options);
  client.subscribe((event) => events.push(event));
</script>`;

/** Puts the test page in front of what a line leads to: pages that use the client live there, and the service has none of it. */
export async function servePage(line: Line): Promise<void> {
  const body = await bundledClient();
  line.handle(PAGE, async () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: HTML }));
  line.handle(`${PAGE}/client.js`, async () => ({ status: 200, headers: { 'content-type': 'text/javascript' }, body }));
  line.handle('/favicon.ico', async () => ({ status: 204 }));
}

/** Opens the test page of an origin in a new tab; its client has found out who is signed in, or could not. */
export async function openTab(context: BrowserContext, origin: string, options: ClientOptions = {}): Promise<Page> {
  const tab = await context.newPage();
  await load(tab, origin, options);
  await tab.evaluate(() => client.ready);
  return tab;
}

export async function load(tab: Page, origin: string, options: ClientOptions = {}): Promise<void> {
  await tab.goto(`${origin}${PAGE}?${encodeURIComponent(JSON.stringify(options))}`);
}

export async function reload(tab: Page): Promise<void> {
  await tab.reload();
  await tab.evaluate(() => client.ready);
}

let bundled: Promise<string> | undefined;

/** The client as apps get it, as a script that sets `gatehouse`. */
function bundledClient(): Promise<string> {
  bundled ??= bundle();
  return bundled;
}

async function bundle(): Promise<string> {
  const root = path.resolve(import.meta.dirname, '../../..');
  const built = await build({
    configFile: false,
    root,
    logLevel: 'silent',
    build: {
      write: false,
      lib: { entry: path.join(root, 'client/src/index.ts'), formats: ['iife'], name: 'gatehouse' },
    },
  });
  const [output] = [built].flat();
  const chunks = output !== undefined && 'output' in output ? output.output : expect.unreachable('not built');
  return chunks[0].code;
}
