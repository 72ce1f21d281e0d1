import { describe, expect, test } from 'vitest';
import { type ClaimedMail, carriesLink, type MailKind } from '../../src/modules/mail/mail.js';
import { createMailTemplates } from '../../src/modules/mail/mail-templates.js';
import { describeDevice } from '../../src/modules/sessions/device.js';

const KINDS: MailKind[] = [
  'verify_email',
  'reset_password',
  'already_registered',
  'change_email',
  'password_changed',
  'email_changed',
  'refresh_reuse',
  'second_factor_enabled',
  'second_factor_disabled',
  'account_deleted',
];
const TOKEN = 'q6cJ5v0Zr2mXh8yTqk1uGd4oBvWn7sLpE3iRfA9xYzM';

const render = createMailTemplates({ serviceName: 'Ex & Co', appUrl: 'https://app.example/x?a=1&b=2', describeDevice });

function mailOf(kind: MailKind, details: Record<string, string> = {}): ClaimedMail {
  return {
    id: '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e',
    kind,
    recipient: 'ada@example.com',
    userId: null,
    details,
    createdAt: new Date('2026-11-22T16:05:59Z'),
    ageSeconds: 1,
    attempt: 1,
  };
}

function rendered(kind: MailKind, details?: Record<string, string>) {
  const link = carriesLink(kind) ? { action: 'reset_password' as const, token: TOKEN } : null;
  return render(mailOf(kind, details), { recipient: 'ada@example.com', link });
}

describe.each(KINDS)('the mail %s', (kind) => {
  test('says who writes, what happened, when, and what to do if it was not the reader, as text and as HTML', () => {
    const { to, subject, text, html } = rendered(kind);
    expect(to).toBe('ada@example.com');
    expect(subject).toContain('Ex & Co');
    expect(subject).toMatch(/^[\x20-\x7e]{10,78}$/);
    expect(text).toContain('2026-11-22 16:05 UTC');
    expect(html).toContain('2026-11-22 16:05 UTC');
    expect(text).toMatch(/If (it was not you|you cannot explain it)/);
    expect(html).toMatch(/If (it was not you|you cannot explain it)/);
    expect(html).toContain('Ex &amp; Co');
    expect(html).not.toMatch(/Ex & Co|<script|<img|http:/);
    expect(text).not.toMatch(/undefined|null|\[object/);
  });

  test('has a link, with the token in the fragment, if it is there for one, and else none', () => {
    const { text, html, link } = rendered(kind);
    if (!carriesLink(kind)) {
      expect(link).toBeNull();
      expect(text + html).not.toMatch(/https?:/);
      return;
    }
    expect(link).toBe(`https://app.example/x?a=1&b=2#action=reset_password&token=${TOKEN}`);
    expect(text).toContain(`\n${link}\n`);
    expect(html.match(/class="button" href="/g)).toHaveLength(1);
    expect(html).toContain(`href="https://app.example/x?a=1&amp;b=2#action=reset_password&amp;token=${TOKEN}"`);
    expect(text).toMatch(/works once, for (one hour|24 hours)/);
  });
});

test('tells from where, in words of its own', () => {
  const details = {
    ip: '203.0.113.7',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  };
  const { text, html } = rendered('password_changed', details);
  expect(text).toContain('Device: Firefox on Linux\nNetwork address: 203.0.113.7');
  for (const word of ['Firefox on Linux', '203.0.113.7']) expect(html).toContain(word);
});

test.each([
  '<script>alert(1)</script>/1.0',
  'https://evil.example/login now/1.0',
  'www.evil.example/1',
  'evil.example/1.0 (X11; Linux)',
  '"><a href=x>/1',
  "a'b&c/1",
  'line\r\nBcc: eve@example.com/1',
  '\u202egnp.exe/1',
  'x'.repeat(256),
])('makes nothing to click, and no markup, of the user agent %j', (userAgent) => {
  const { text, html } = rendered('refresh_reuse', { user_agent: userAgent });
  expect(text + html).not.toMatch(/evil\.example|<script|<a href=x|https?:|\u202e|\r|eve@/);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(400);
});

test('escapes what is foreign, and drops characters that are not seen', () => {
  const { text, html } = rendered('refresh_reuse', { ip: '<b>"\'&\u202e\u0000\u200b</b>' });
  expect(html).toContain('&lt;b&gt;&quot;&#39;&amp;&lt;/b&gt;');
  expect(text).toContain('<b>"\'&</b>');
});
