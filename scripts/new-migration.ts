/** `npm run migration -- <name>`: writes the migration that leads from those on disk to `schema.prisma`. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { diffMigrationsToSchema } from './schema-diff.js';

const name = process.argv[2];
if (!name || !/^[a-z0-9_]+$/.test(name)) {
  console.error('Give the migration a name of a-z, 0-9 and _: npm run migration -- add_something');
  process.exit(2);
}

const postgres = await startEmbeddedPostgres({ folder: '.gatehouse/test-postgres', throwaway: true });
try {
  const sql = await diffMigrationsToSchema(postgres.url('postgres'));
  if (sql === '') {
    console.log('schema.prisma and the migrations agree: nothing to write.');
  } else {
    const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
    const folder = path.join('prisma', 'migrations', `${stamp}_${name}`);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'migration.sql'), sql);
    console.log(`Wrote ${folder}/migration.sql. Read it, and add what Prisma cannot say (checks, fill factors).`);
  }
} finally {
  await postgres.stop();
}
