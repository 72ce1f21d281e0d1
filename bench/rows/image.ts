import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { atMost, type Row } from '../row.js';
import { ROOT } from '../stage.js';

export const image: Row = {
  name: 'image',
  title: "The image's content, without Node itself",
  targets: { size: atMost(60, 'MB') },
  async measure({ effort, emptyDatabase }) {
    if (effort.short) return { skipped: 'deploy/image-smoke.sh is a proof of its own' };
    if (process.platform !== 'linux') return { skipped: 'deploy/image-smoke.sh needs Linux' };
    const { url } = await emptyDatabase();
    const env = { ...process.env, DATABASE_URL: url, NODE_MODULES: path.join(ROOT, 'node_modules') };
    const { stdout } = await promisify(execFile)('deploy/image-smoke.sh', { cwd: ROOT, env, maxBuffer: 2 ** 24 });
    const megabytes = Number(/^Content without Node: ([\d.]+) MB$/m.exec(stdout)?.[1]);
    const parts = Object.fromEntries(
      [...stdout.matchAll(/^ {2}(\w+): ([\d.]+) MB$/gm)].map(([, part, size]) => [`${part}_mb`, Number(size)]),
    );
    return { size: { value: megabytes, details: parts } };
  },
};
