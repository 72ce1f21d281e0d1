import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const GUIDES = 'docs/guides';

/** `file` is the name that the guide gives it in a comment before the code; `null` where it gives none. */
export type Snippet = { guide: string; file: string | null; language: string; code: string };

/** Every fenced piece of code in the guides. */
export function readSnippets(): Snippet[] {
  const guides = readdirSync(GUIDES).filter((name) => name.endsWith('.md'));
  return guides.flatMap((guide) => {
    const text = readFileSync(path.join(GUIDES, guide), 'utf8');
    return [...text.matchAll(/(?:<!-- file: (\S+) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)].map(
      ([, file = null, language = '', code = '']) => ({ guide, file, language, code }),
    );
  });
}

/** @throws when no guide has such a file */
export function readSnippet(file: string): string {
  const snippet = readSnippets().find((one) => one.file === file);
  if (snippet === undefined) throw new Error(`No guide has ${file}.`);
  return snippet.code;
}
