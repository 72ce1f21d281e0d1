/**
 * `npm run postman`: walks the Postman collection with newman, against a service that it starts and stops again.
 * `npm run postman -- http://localhost:3000`: against one that runs already.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { startService } from './throwaway-service.js';

type Count = { passed: number; failed: number; skipped: number };
type Variable = { key: string; value: string };

/** The little of newman that is used here; it comes without types. */
type Newman = { run: (options: NewmanOptions, done: (error: Error | null, summary: NewmanSummary) => void) => void };
type NewmanOptions = {
  collection: unknown;
  environment: unknown;
  envVar: Variable[];
  reporters: string[];
  ignoreRedirects: boolean;
  timeoutRequest: number;
};
type NewmanSummary = {
  run: {
    /** Assertions, requests and scripts that failed. */
    failures: unknown[];
    executions: { assertions?: { skipped?: boolean; error?: unknown }[] }[];
  };
};

const REQUEST_TIMEOUT_MS = 10_000;

const [runningUrl] = process.argv.slice(2);
const count = await walk(runningUrl).catch((error: unknown) => {
  console.error(error);
  return { passed: 0, failed: 1, skipped: 0 };
});
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;

async function walk(url: string | undefined): Promise<Count> {
  if (url !== undefined) return runCollection(originOf(url));
  const service = await startService();
  try {
    return await runCollection(service.url);
  } finally {
    await service.stop();
  }
}

async function runCollection(url: string): Promise<Count> {
  const newman = loadNewman();
  const options: NewmanOptions = {
    collection: await readJson('gatehouse.postman_collection.json'),
    environment: await readJson('gatehouse.postman_environment.json'),
    envVar: [
      { key: 'base_url', value: url },
      { key: 'cookie_name', value: url.startsWith('https:') ? '__Host-refresh_token' : 'refresh_token' },
    ],
    reporters: ['cli'],
    ignoreRedirects: true,
    timeoutRequest: REQUEST_TIMEOUT_MS,
  };
  const { run } = await new Promise<NewmanSummary>((resolve, reject) => {
    newman.run(options, (error, summary) => (error ? reject(error) : resolve(summary)));
  });
  const assertions = run.executions.flatMap((execution) => execution.assertions ?? []);
  return {
    passed: assertions.filter(({ skipped, error }) => !skipped && !error).length,
    // Not the failed assertions alone: a request without an answer, and a script that breaks, have none.
    failed: run.failures.length,
    skipped: assertions.filter(({ skipped }) => skipped).length,
  };
}

/** newman still loads Node's old `punycode`; that is its own affair, and no news to whoever runs this. */
function loadNewman(): Newman {
  process.noDeprecation = true;
  const require = createRequire(import.meta.url);
  return require('newman') as Newman;
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(`../postman/${file}`, import.meta.url), 'utf8'));
}

function originOf(url: string): string {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new Error(`"${url}" is no address of a service, such as http://localhost:3000.`);
  }
  return new URL(url).origin;
}
