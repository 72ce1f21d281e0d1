/** Longer ones are no accounts, and would be held in memory. */
export const MAX_LINE_BYTES = 64 * 1024;

/** A line, counted from 1, or what is wrong with it. */
export type Line = { number: number; text: string } | { number: number; fault: string };

const NEWLINE = 0x0a;

/**
 * Splits bytes into lines of UTF-8 text, holding no more than one of them: one that is too long is passed over up to its
 * end, and those behind it come as ever. A byte order mark at the beginning and carriage returns are taken away.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let number = 1;
  let parts: Buffer[] = [];
  let bytes = 0;

  const keep = (part: Buffer) => {
    bytes += part.length;
    if (bytes > MAX_LINE_BYTES) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const finish = (): Line => {
    const line = bytes > MAX_LINE_BYTES ? tooLong(number) : decode(Buffer.concat(parts), number);
    number += 1;
    parts = [];
    bytes = 0;
    return line;
  };

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    // Copied: a part of a chunk would keep all of it in memory.
    keep(Buffer.from(chunk.subarray(start)));
  }
  if (bytes > 0) yield finish();
}

function tooLong(number: number): Line {
  return { number, fault: `it is longer than ${MAX_LINE_BYTES / 1024} KB` };
}

function decode(bytes: Buffer, number: number): Line {
  try {
    // The decoder itself takes a byte order mark away, wherever it is: only the first line may have one.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: number > 1 }).decode(bytes);
    return { number, text: text.replace(/\r$/, '') };
  } catch {
    return { number, fault: 'it is not UTF-8' };
  }
}
