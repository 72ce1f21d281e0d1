/** The command line: `node dist/cli.js …`, or what the image runs with other arguments. */
import { attempts } from './commands/attempts.js';
import { type Command, UsageError } from './commands/command.js';
import { doctor } from './commands/doctor.js';
import { keys } from './commands/keys.js';
import { mails } from './commands/mails.js';
import { migrate } from './commands/migrate.js';
import { sessions } from './commands/sessions.js';
import { users } from './commands/users.js';
import { ConfigError } from './config.js';

/** As `sysexits.h` and shells have them. */
const EXIT = { failed: 1, usage: 2, config: 78 };

const commands: Record<string, Command> = { migrate, doctor, keys, sessions, users, attempts, mails };

const HELP = `Usage: node dist/cli.js <command>

Commands:
${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(9)} ${summary}`)
  .join('\n')}
  help      show this; <command> --help shows more

The configuration is read from the environment, as by the service itself.`;

// As the first process of a container, one without a handler ignores them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT.failed));

const [name = 'help', ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
const asksForHelp = args.some((argument) => argument === '--help' || argument === '-h');

if (['help', '--help', '-h'].includes(name)) {
  console.log(HELP);
} else if (command === undefined) {
  fail(`There is no command "${name}".\n\n${HELP}`, EXIT.usage);
} else if (asksForHelp) {
  console.log(command.help);
} else {
  try {
    await command.run(args);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof UsageError) fail(`${message}\n\n${command.help}`, EXIT.usage);
    else fail(message, error instanceof ConfigError ? EXIT.config : EXIT.failed);
  }
}

function fail(message: string, exitCode: number): void {
  console.error(message);
  process.exitCode = exitCode;
}
