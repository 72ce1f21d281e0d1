import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export type Page = { file: string; text: string; prose: string };

/** Every page of the project but those of packages and of builds, by its path from the root. */
export function readPages(folder = '.'): Page[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): Page[] => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      const isForeign = /^(node_modules|dist|coverage|generated|\.(?!github$).*)$/.test(entry.name);
      return isForeign ? [] : readPages(file);
    }
    if (!entry.name.endsWith('.md')) return [];
    const text = readFileSync(file, 'utf8');
    return [{ file, text, prose: withoutCode(text) }];
  });
}

/** What pages point at: links, images, and the sources of HTML. */
export function linksOf({ prose }: Page): string[] {
  const inMarkdown = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const definitions = [...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)];
  const inHtml = [...prose.matchAll(/\b(?:href|src|srcset)="([^"\s]+)"/g)];
  const bare = [...prose.matchAll(/<(https?:\/\/[^>\s]+)>/g)];
  return [...inMarkdown, ...definitions, ...inHtml, ...bare].map(([, target = '']) => target);
}

/** The page's anchors, as GitHub makes them from its headings. */
export function anchorsOf({ text }: Page): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set([...text.matchAll(/\b(?:id|name)="([^"]+)"/g)].map(([, id = '']) => id));
  for (const [, heading = ''] of text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    anchors.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return anchors;
}

function withoutCode(text: string): string {
  return text.replace(/^([ >]*)(```+)[\s\S]*?^\1\2\s*$/gm, '').replace(/`[^`\n]*`/g, '');
}
