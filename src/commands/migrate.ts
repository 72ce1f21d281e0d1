import { parseArgs } from 'node:util';
import { loadMigrationUrl } from '../config.js';
import { applyMigrations } from '../database/migrations.js';
import { type Command, orUsageError } from './command.js';

export const migrate: Command = {
  summary: 'apply the migrations that the database has not seen yet',
  help: `Usage: node dist/cli.js migrate

Applies the migrations that the database has not seen yet. Any number of processes may do so at once.
Needs DATABASE_URL (or DATABASE_DIRECT_URL, where the first goes through a pooler).`,

  async run(args) {
    orUsageError(() => parseArgs({ args, options: {} }));
    const applied = await applyMigrations(loadMigrationUrl());
    console.log(applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`);
  },
};
