import type { ClaimedMail, LinkAction, MailKind, Message, PreparedMail } from './mail.js';
import { layOut, type MailContent } from './mail-layout.js';

type TemplateOptions = {
  /** What people know the service as. */
  serviceName: string;
  /** The app's page to which links lead. */
  appUrl: string;
  /** What a person would call the device behind a user agent. */
  describeDevice: (userAgent: string | null) => string | null;
};

type Words = Omit<MailContent, 'facts' | 'button'> & { button?: string };

const IGNORE = 'If it was not you, ignore this mail: nothing changes unless the link is opened.';
const SECURE_ACCOUNT =
  'If it was not you, somebody else may have your password. Reset it at once, with “Forgot password?” where you sign in: that signs out every device.';

const hours = (count: number) =>
  `The link works once, for ${count === 1 ? 'one hour' : `${count} hours`}; a newer one replaces it.`;

/** What each mail says: what happened, and what to do if it was not the reader. */
const WORDS: Record<MailKind, (service: string) => Words> = {
  verify_email: (service) => ({
    subject: `Confirm your address for ${service}`,
    paragraphs: [`Somebody, probably you, gave this address to ${service}. Confirm that it is yours.`, hours(24)],
    button: 'Confirm this address',
    closing: [IGNORE],
  }),
  reset_password: (service) => ({
    subject: `Choose a new password for ${service}`,
    paragraphs: [
      `Somebody, probably you, asked for a new password for your account at ${service}. When you have chosen one, every device is signed out.`,
      hours(1),
    ],
    button: 'Choose a new password',
    closing: [`${IGNORE} Your password stays as it is.`],
  }),
  already_registered: (service) => ({
    subject: `You have an account at ${service} already`,
    paragraphs: [
      `Somebody, probably you, tried to register this address with ${service}. There is an account with it already, so none was made.`,
      'Sign in with your password. If you do not know it, or if you did not make that account yourself, choose a new password: that signs out every device, and whoever made the account with your address is out.',
      hours(1),
    ],
    button: 'Choose a new password',
    closing: [IGNORE],
  }),
  change_email: (service) => ({
    subject: `Confirm your new address for ${service}`,
    paragraphs: [
      `Somebody, probably you, wants to use this address for an account at ${service}, in place of the one it has. Confirm that it is yours.`,
      hours(24),
    ],
    button: 'Use this address',
    closing: [IGNORE],
  }),
  password_changed: (service) => ({
    subject: `Your password for ${service} was changed`,
    paragraphs: [`The password of your account at ${service} was changed, and other devices were signed out.`],
    closing: ['If it was you, there is nothing to do.', SECURE_ACCOUNT],
  }),
  email_changed: (service) => ({
    subject: `Your address for ${service} was changed`,
    paragraphs: [
      `Your account at ${service} has another e-mail address now. Mails about it no longer come to this one, and you sign in with the new one.`,
    ],
    closing: [
      'If it was you, there is nothing to do.',
      `If it was not you, somebody else has taken your account: tell those who run ${service} at once.`,
    ],
  }),
  refresh_reuse: (service) => ({
    subject: `A device was signed out of ${service} for safety`,
    paragraphs: [
      `A sign-in of yours at ${service} was used from two places, as if somebody had copied it. It was ended for safety, in both.`,
      'Sign in again on the device that was signed out. This can happen by mistake, when a device is restored from a backup.',
    ],
    closing: [
      'If you cannot explain it, look for programs that you do not know on that device, then reset your password, with “Forgot password?” where you sign in: that signs out every device.',
    ],
  }),
  second_factor_enabled: (service) => ({
    subject: `Signing in to ${service} now takes a code`,
    paragraphs: [`Two-step sign-in was switched on for your account at ${service}.`],
    closing: ['If it was you, keep the recovery codes in a safe place.', SECURE_ACCOUNT],
  }),
  second_factor_disabled: (service) => ({
    subject: `Signing in to ${service} no longer takes a code`,
    paragraphs: [`Two-step sign-in was switched off for your account at ${service}: the password alone signs in.`],
    closing: ['If it was you, there is nothing to do.', SECURE_ACCOUNT],
  }),
  account_deleted: (service) => ({
    subject: `Your account at ${service} was deleted`,
    paragraphs: [
      `Your account at ${service} was deleted, with all that was kept on you. This is the last mail about it.`,
    ],
    closing: [`If it was not you, tell those who run ${service}: they may know more.`],
  }),
};

/** Puts mails into words. Foreign text (addresses, user agents) is escaped, and bounded by where it was stored. */
export function createMailTemplates({ serviceName, appUrl, describeDevice }: TemplateOptions) {
  return ({ kind, details, createdAt }: ClaimedMail, { recipient, link }: PreparedMail): Message => {
    const { button: label, ...words } = WORDS[kind](serviceName);
    const url = link === null ? null : linkTo(appUrl, link);
    const content: MailContent = {
      ...words,
      ...(url !== null && label !== undefined ? { button: { label, url } } : {}),
      facts: factsOf(details, createdAt, describeDevice),
    };
    return { to: recipient, subject: content.subject, ...layOut(content, serviceName), link: url };
  };
}

/** The token stands in the fragment, which browsers send to no server: it is in no log, and in no Referer header. */
export function linkTo(appUrl: string, { action, token }: { action: LinkAction; token: string }): string {
  return `${appUrl}#action=${action}&token=${token}`;
}

function factsOf(
  { ip, user_agent: userAgent }: Record<string, string>,
  at: Date,
  describeDevice: TemplateOptions['describeDevice'],
): MailContent['facts'] {
  // A name that an app gave itself is somebody else's text: let it be nothing that a mail program makes a link of.
  const device = describeDevice(userAgent ?? null)
    ?.replace(/[^\p{L}\p{N} ]+/gu, ' ')
    .trim()
    .slice(0, 60);
  return [
    ['When', `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`],
    ...(device ? [['Device', device] as [string, string]] : []),
    ...(ip ? [['Network address', ip] as [string, string]] : []),
  ];
}
