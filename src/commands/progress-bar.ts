/** As much of a terminal as is needed. */
export type Terminal = { isTTY?: boolean; columns?: number; write: (text: string) => unknown };

const REDRAW_MS = 100;
const BAR_CHARACTERS = 24;
const ERASE_LINE = '\r\u001b[K';

type ProgressBarOptions = {
  terminal: Terminal;
  /** undefined when nobody knows. */
  totalBytes: number | undefined;
  now?: () => number;
};

/** A line at the bottom of a terminal that tells how far a command is. Anything but a terminal sees none of it. */
export function createProgressBar({ terminal, totalBytes, now = () => performance.now() }: ProgressBarOptions) {
  const visible = terminal.isTTY === true;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let isDrawn = false;
  const erase = () => {
    if (isDrawn) terminal.write(ERASE_LINE);
    isDrawn = false;
  };

  return {
    /** Tells how far it is; draws at most ten times a second. */
    update(doneBytes: number, lines: number): void {
      if (!visible || now() - drawnAt < REDRAW_MS) return;
      drawnAt = now();
      const text = describeProgress(doneBytes, totalBytes, lines).slice(0, (terminal.columns ?? 80) - 1);
      terminal.write(`${ERASE_LINE}${text}`);
      isDrawn = true;
    },

    /** Writes a line of its own above the bar. */
    print(line: string): void {
      erase();
      terminal.write(`${line}\n`);
      drawnAt = Number.NEGATIVE_INFINITY;
    },

    stop: erase,
  };
}

/** For example `[#####-------------------]  21 %  1,234 lines`. */
export function describeProgress(doneBytes: number, totalBytes: number | undefined, lines: number): string {
  const counted = `${lines.toLocaleString('en')} lines`;
  if (totalBytes === undefined) return counted;
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.floor(share * BAR_CHARACTERS);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_CHARACTERS - filled)}] ${percent} %  ${counted}`;
}
