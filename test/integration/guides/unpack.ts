import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { readSnippets } from '../../../scripts/guides.js';

const PRINTED_ADDRESS = 'https://auth.example.com';
const ROOT = path.resolve('.gatehouse');

/** The client's files, by name. Kept, since the compiler takes longer than most tests. */
let clientBuild: Promise<Map<string, Buffer>> | undefined;

/**
 * Writes the code of the guides into a folder, as a reader would, and says where it is. The folder goes with the test.
 *
 * @param address what stands for the address of Gatehouse that the guides print
 */
export async function unpackGuides(address = PRINTED_ADDRESS): Promise<string> {
  const folder = await makeFolder();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const { file, language, code } of readSnippets()) {
    if (file === null) continue;
    const target = path.join(folder, language === 'vue' ? `${file}.ts` : file);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, (language === 'vue' ? scriptOf(code) : code).replaceAll(PRINTED_ADDRESS, address));
  }
  return folder;
}

/** Gives that folder the packages that the code imports: the client as npm would bring it, and stand-ins for frameworks. */
export async function installPackages(folder: string): Promise<void> {
  const modules = path.join(folder, 'node_modules');
  await cp(path.join(import.meta.dirname, 'stand-ins'), modules, { recursive: true });
  const client = path.join(modules, '@gatehouse/client');
  await mkdir(path.join(client, 'dist'), { recursive: true });
  await cp('client/package.json', path.join(client, 'package.json'));
  clientBuild ??= buildClient();
  for (const [name, content] of await clientBuild) await writeFile(path.join(client, 'dist', name), content);
}

async function buildClient(): Promise<Map<string, Buffer>> {
  const folder = await makeFolder();
  try {
    await compile(['-p', 'client', '--outDir', folder]);
    const names = await readdir(folder);
    return new Map(
      await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name))] as const)),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Inside the project, so that what is imported from node_modules is found. */
async function makeFolder(): Promise<string> {
  await mkdir(ROOT, { recursive: true });
  return mkdtemp(path.join(ROOT, 'guides-'));
}

/** @returns what the compiler says; nothing when all is well */
export async function compile(options: string[]): Promise<string> {
  const run = promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', ...options]);
  return run.then(
    ({ stdout }) => stdout,
    ({ stdout, message }) => stdout || message,
  );
}

/** Of a single-file component only the script can be checked here; the template uses what it declares. */
function scriptOf(component: string): string {
  const script = /<script setup lang="ts">\n([\s\S]*?)<\/script>/.exec(component)?.[1] ?? '';
  const declared = [...script.matchAll(/^(?:async )?(?:const|function) (\w+)/gm)].map(([, name]) => name);
  return `${script}export { ${declared.join(', ')} };\n`;
}
