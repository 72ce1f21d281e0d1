/** One command of the command line, with its name in `cli.ts`. */
export type Command = {
  /** One line for the list of commands. */
  summary: string;
  /** All that `--help` shows. */
  help: string;
  /** @param args what follows the command's name. @throws UsageError when they make no sense; any error to fail */
  run: (args: string[]) => Promise<void>;
};

/** The command was not called as it can be. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs something that throws when arguments are wrong (`parseArgs`). @throws UsageError instead */
export function orUsageError<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
