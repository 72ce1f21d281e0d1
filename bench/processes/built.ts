import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** Where a compiled file of `src/` is. What is measured is what `npm run build` made, not what a loader makes of its sources. */
export function built(file: string): string {
  return pathToFileURL(path.resolve(import.meta.dirname, '../../dist', file)).href;
}
