/** `npm run tour`: runs the commands of the README's tour as a reader would, and checks what the README says they print. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startService } from './throwaway-service.js';

const PRINTED_ADDRESS = 'http://localhost:3000';
const MARK = '=== end of block ===';

type Block = { commands: string; expected: string[] };

const blocks = readBlocks(await readFile('README.md', 'utf8'));
const service = await startService();
const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-tour-'));
let passed = 0;
let failed = 0;
try {
  const script = ['set -euo pipefail', ...blocks.flatMap(({ commands }) => [commands, `echo; echo '${MARK}'`])].join(
    '\n',
  );
  const { stdout, problem } = await runBash(script.replaceAll(PRINTED_ADDRESS, service.url), folder);
  const outputs = stdout.split(`${MARK}\n`);
  blocks.forEach(({ commands, expected }, index) => {
    const output = outputs[index] ?? '';
    const missing = expected.filter((text) => !output.includes(text));
    const ran = outputs.length > index + 1;
    if (ran && missing.length === 0) {
      passed += 1;
      return;
    }
    failed += 1;
    console.error(
      `This part of the tour went wrong:\n\n${commands}\nExpected: ${missing.join(' · ') || 'success'}\nGot:\n${output}`,
    );
  });
  if (problem) console.error(problem);
} finally {
  await service.stop();
  await rm(folder, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

/** The shell blocks behind a tour mark; a line `# → text` says that the block prints that text. */
function readBlocks(readme: string): Block[] {
  return [...readme.matchAll(/<!-- tour -->\n```sh\n([\s\S]*?)```/g)].map(([, commands = '']) => ({
    commands,
    expected: [...commands.matchAll(/^# → (.*)$/gm)].map(([, text = '']) => text),
  }));
}

function runBash(script: string, cwd: string): Promise<{ stdout: string; problem: string | null }> {
  return new Promise((resolve) => {
    execFile('bash', ['-c', script], { cwd, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ stdout, problem: error && `bash ended with ${error.code}.\n${stderr}` });
    });
  });
}
