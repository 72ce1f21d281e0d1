// Generates the Prisma client, unless it is up to date. Plain JavaScript: it runs before anything else does.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const { version } = require('prisma/package.json');
const root = path.resolve(import.meta.dirname, '..');
const stampFile = path.join(root, 'src/generated/prisma/.stamp');
const schema = readFileSync(path.join(root, 'prisma/schema.prisma'));
const stamp = createHash('sha256').update(version).update(schema).digest('hex');

if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [require.resolve('prisma/build/index.js'), 'generate', '--no-hints'],
    {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...process.env,
        // Generating needs no engine; naming any file that exists keeps Prisma from fetching one.
        PRISMA_SCHEMA_ENGINE_BINARY: 'package.json',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
        CHECKPOINT_DISABLE: '1',
      },
    },
  );
  if (status !== 0) {
    console.error(`The Prisma client could not be generated.\n${stdout}${stderr}`);
    process.exit(1);
  }
  writeFileSync(stampFile, stamp);
}
