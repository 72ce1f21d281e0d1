import { ConfigSchema } from '../src/config-schema.js';
import { ERROR_CODES } from '../src/shared/error-codes.js';

/** What the documents say of configuration and errors, made from the code so that they cannot differ from it. */

type Variable = { name: string; required: boolean; value: string; description: string };

function variables(): Variable[] {
  const required = new Set<string>(ConfigSchema.required);
  return Object.entries(ConfigSchema.properties).map(([name, schema]) => {
    const { default: value, description = '' } = schema as { default?: unknown; description?: string };
    return { name, required: required.has(name) && value === undefined, value: String(value ?? ''), description };
  });
}

/** `.env.example`, whole. */
export function envExample(): string {
  const head = `# Every variable that Gatehouse reads. Copy to .env for development (npm run dev reads it there; production reads
# its environment only). What is commented out shows its default.
`;
  const entries = variables().map(({ name, required, value, description }) =>
    [`# ${description}${required ? ' Required.' : ''}`, required ? `${name}=` : `# ${name}=${value}`].join('\n'),
  );
  return `${head}\n${entries.join('\n\n')}\n`;
}

/** The table of `docs/configuration.md`. */
export function configurationTable(): string {
  const rows = variables().map(({ name, required, value, description }) => {
    const shown = required ? '**required**' : value === '' ? '' : `\`${value}\``;
    return `| \`${name}\` | ${shown} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| variable | default | what it is |', '|---|---|---|', ...rows].join('\n');
}

/** `docs/errors.md`, whole. */
export function errorReference(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { status, detail }]) => `| \`${code}\` | ${status} | ${detail.replaceAll('|', '\\|')} |`,
  );
  return `# Error codes

Every error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with the media type
\`application/problem+json\`. Branch on \`code\`: it never changes. \`detail\` is for people and may change. \`request_id\` finds
the request in the logs.

\`session_ended\` carries a \`reason\`: \`logout\`, \`revoked\`, \`reuse_detected\`, \`password_changed\`, \`password_reset\`,
\`account_deleted\` or \`disabled\`. \`session_expired\` carries \`idle\` or \`absolute\`. \`validation_failed\` and
\`password_rejected\` carry \`errors\`, each with a JSON pointer and a message.

Only these mean that the person must sign in again: \`refresh_token_missing\`, \`refresh_token_invalid\`,
\`refresh_token_reused\`, \`session_expired\`, \`session_ended\`. After \`access_token_invalid\` or \`access_token_expired\`,
refresh first. A 429 or 5xx never means signed out: wait as long as \`Retry-After\` says, and try again.

| code | status | what it says |
|---|---|---|
${rows.join('\n')}
`;
}

export const CONFIGURATION_MARKS = [
  '<!-- configuration: written by npm run docs -->',
  '<!-- configuration: end -->',
] as const;

/** A document with the text between two marks replaced. */
export function replaceBetween(document: string, [start, end]: readonly [string, string], text: string): string {
  const from = document.indexOf(start);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`The marks ${start} and ${end} are not in the document.`);
  return `${document.slice(0, from + start.length)}\n\n${text}\n\n${document.slice(to)}`;
}
