/** `npm run tour`: runs the commands of the README and of docs/learn as a reader would, and checks what the pages say they print. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startService } from './throwaway-service.js';

const PRINTED_ADDRESS = 'http://localhost:3000';
const MARK = '=== end of block ===';
const LESSONS = 'docs/learn';

type Block = { commands: string; expected: string[] };

const lessons = (await readdir(LESSONS)).sort().map((file) => path.join(LESSONS, file));
const service = await startService();
let passed = 0;
let failed = 0;
try {
  for (const page of ['README.md', ...lessons]) {
    const blocks = readBlocks(await readFile(page, 'utf8'));
    const problems = await runPage(blocks);
    // A page whose marks nobody finds any more would pass without having run.
    if (blocks.length === 0) problems.push('It has no commands that are marked for the tour.');
    for (const problem of problems) console.error(`${page}: ${problem}`);
    failed += problems.length;
    passed += Math.max(0, blocks.length - problems.length);
  }
} finally {
  await service.stop();
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

/** The shell blocks behind a tour mark; a line `# → text` says that the block prints that text. */
function readBlocks(page: string): Block[] {
  return [...page.matchAll(/<!-- tour -->\n```sh\n([\s\S]*?)```/g)].map(([, commands = '']) => ({
    commands,
    expected: [...commands.matchAll(/^# → (.*)$/gm)].map(([, text = '']) => text),
  }));
}

/** Runs the blocks of one page in one shell and one empty folder. Returns a text for each block that went wrong. */
async function runPage(blocks: Block[]): Promise<string[]> {
  const script = ['set -euo pipefail', ...blocks.flatMap(({ commands }) => [commands, `echo; echo '${MARK}'`])];
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-tour-'));
  try {
    const { stdout, problem } = await runBash(script.join('\n').replaceAll(PRINTED_ADDRESS, service.url), folder);
    const outputs = stdout.split(`${MARK}\n`);
    return blocks.flatMap(({ commands, expected }, index) => {
      const output = outputs[index] ?? '';
      const missing = expected.filter((text) => !output.includes(text));
      const ran = outputs.length > index + 1;
      if (ran && missing.length === 0) return [];
      const wanted = missing.join(' · ') || 'success';
      return [`this went wrong:\n\n${commands}\nExpected: ${wanted}\nGot:\n${output}\n${ran ? '' : (problem ?? '')}`];
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

function runBash(script: string, cwd: string): Promise<{ stdout: string; problem: string | null }> {
  return new Promise((resolve) => {
    execFile('bash', ['-c', script], { cwd, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ stdout, problem: error && `bash ended with ${error.code}.\n${stderr}` });
    });
  });
}
