/** What a mail says: plain paragraphs, at most one button. Foreign text is allowed in all of it. */
export type MailContent = {
  subject: string;
  paragraphs: string[];
  button?: { label: string; url: string };
  /** What happened where and when: names and values. */
  facts: [name: string, value: string][];
  /** What to do if it was not the reader. */
  closing: string[];
};

/** Sets a mail as text and as HTML that say the same. */
export function layOut({ paragraphs, button, facts, closing }: MailContent, serviceName: string) {
  const text = [
    ...paragraphs,
    ...(button ? [`${button.label}:\n${button.url}`] : []),
    ...(facts.length > 0 ? [facts.map(([name, value]) => `${name}: ${value}`).join('\n')] : []),
    ...closing,
    `— ${serviceName}`,
  ]
    .map(withoutControls)
    .join('\n\n');
  return { text: `${text}\n`, html: toHtml({ paragraphs, button, facts, closing }, serviceName) };
}

function toHtml(
  {
    paragraphs,
    button,
    facts,
    closing,
  }: Omit<MailContent, 'subject' | 'button'> & { button: MailContent['button'] | undefined },
  serviceName: string,
): string {
  const paragraph = (content: string) => `<p style="margin:0 0 16px">${escapeHtml(content)}</p>`;
  const rows = facts.map(
    ([name, value]) =>
      `<tr><td style="padding:0 16px 4px 0;opacity:.7;vertical-align:top">${escapeHtml(name)}</td><td style="padding:0 0 4px">${escapeHtml(value)}</td></tr>`,
  );
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">',
    '<style>:root{color-scheme:light dark}a.button{background:#1d4ed8;color:#fff}@media (prefers-color-scheme:dark){a.button{background:#93c5fd;color:#111}}</style>',
    `<title>${escapeHtml(serviceName)}</title></head>`,
    '<body style="margin:0;padding:24px;font:16px/1.5 system-ui,-apple-system,\'Segoe UI\',Roboto,sans-serif">',
    '<div style="max-width:520px;margin:0 auto">',
    ...paragraphs.map(paragraph),
    ...(button ? buttonLines(button) : []),
    ...(rows.length > 0
      ? [
          `<table role="presentation" style="margin:0 0 16px;font-size:14px;border-collapse:collapse">${rows.join('')}</table>`,
        ]
      : []),
    ...closing.map(paragraph),
    `<p style="margin:24px 0 0;opacity:.7">${escapeHtml(serviceName)}</p>`,
    '</div></body></html>',
    '',
  ].join('\n');
}

function buttonLines({ label, url }: NonNullable<MailContent['button']>): string[] {
  const href = escapeHtml(url);
  return [
    `<p style="margin:0 0 16px"><a class="button" href="${href}" style="display:inline-block;padding:10px 20px;border-radius:6px;text-decoration:none;font-weight:600">${escapeHtml(label)}</a></p>`,
    `<p style="margin:0 0 16px;font-size:14px;opacity:.8">Or copy this address into your browser:<br><a href="${href}" style="color:inherit;word-break:break-all">${href}</a></p>`,
  ];
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escapeHtml(text: string): string {
  return withoutControls(text).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

/** Drops what is not seen but does something: control characters but for the line break, and marks that turn text around. */
function withoutControls(text: string): string {
  return text.replace(/[^\P{C}\n]/gu, '');
}
