import { ConfigError, loadMigrationUrl } from './config.js';
import { applyMigrations } from './database/migrations.js';

const HELP = `Usage: node dist/cli.js <command>

Commands:
  migrate   apply the migrations that the database has not seen yet (needs DATABASE_URL only)
  help      show this

The configuration is read from the environment, as by the service itself.`;

// As the first process of a container, one without a handler ignores them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const commands: Record<string, () => Promise<void>> = {
  async migrate() {
    const applied = await applyMigrations(loadMigrationUrl());
    console.log(applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`);
  },
  async help() {
    console.log(HELP);
  },
};

const name = process.argv[2] ?? 'help';
const asked = name === '--help' || name === '-h' ? 'help' : name;
const command = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
if (command === undefined) {
  console.error(`There is no command "${name}".\n\n${HELP}`);
  process.exit(2);
}
command().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(error instanceof ConfigError ? 78 : 1);
});
