import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of a built service, laid out as the image has it; only where a project has it built. */
    builtService: string | undefined;
  }
}

const root = path.resolve(import.meta.dirname, '../..');

/**
 * Before all tests of a project: `src/` as `npm run build` makes it, in a folder of this run. Compiling once takes a
 * second; compiling in each process that is started takes one for each.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  // Inside the project, so that what is imported from node_modules is found.
  await mkdir(path.join(root, '.gatehouse'), { recursive: true });
  const folder = await mkdtemp(path.join(root, '.gatehouse/test-build-'));
  await buildInto(folder);
  // While tests are watched, the source changes.
  project.onTestsRerun(() => buildInto(folder));
  project.provide('builtService', folder);
  return () => rm(folder, { recursive: true, force: true });
}

async function buildInto(folder: string): Promise<void> {
  for (const name of ['package.json', 'prisma']) {
    await cp(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  // Types are not checked here, so that a fault of one fails no test: that is what `npm run check` is for.
  const options = ['-p', 'tsconfig.build.json', '--noCheck', '--outDir', path.join(folder, 'dist')];
  await promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', ...options], { cwd: root });
}
