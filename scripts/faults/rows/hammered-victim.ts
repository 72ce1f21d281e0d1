import { freshPerson, logIn, register } from '../people.js';
import { createFaults, type Row } from '../row.js';

const ATTACKERS = 8;

export const hammeredVictim: Row = {
  name: 'hammered-victim',
  fault: 'somebody hammers a victim’s address with wrong passwords, from many addresses',
  right: 'the victim with the right password and a known device still gets in; guesses are stopped',
  async run(stage) {
    const { faults, hold } = createFaults();
    // Behind a proxy, so that everyone has an address of their own; every limit as it is by default.
    const settings = {
      TRUSTED_PROXIES: '127.0.0.1',
      RATE_LIMIT_PER_MINUTE: '',
      RATE_LIMIT_CREDENTIALS_PER_MINUTE: '',
      SIGN_IN_FAILURES_PER_ADDRESS: '',
      // The victim signs in more often here than a person does, and signs out never.
      MAX_SESSIONS_PER_USER: '1000',
    };
    const [one, other] = await stage.startTwo(settings);
    const victim = freshPerson();
    const from = (address: string) => ({ 'x-forwarded-for': address });
    const signedUp = stage.witness.heard(await register(one.url, victim));
    const device = knownDeviceOf(signedUp.headers['set-cookie']);
    hold(device !== undefined, 'signing up made no known device: the test is wrong');

    let stopping = false;
    const guesses = new Map<number, number>();
    const guess = async (number: number) => {
      for (let index = 0; !stopping; index += 1) {
        const { status } = await logIn(
          [one, other][index % 2]?.url ?? '',
          { ...victim, password: `guess ${number} ${index}` },
          from(`10.${number}.${index % 250}.${(index >> 8) % 250}`),
        );
        guesses.set(status, (guesses.get(status) ?? 0) + 1);
      }
    };
    const attack = Promise.all(Array.from({ length: ATTACKERS }, (_, number) => guess(number)));
    // 29: what one address may try in a minute, by default, at one instance.
    const tries = stage.isShort ? 25 : 100;
    let letIn = 0;
    for (let index = 0; index < tries; index += 1) {
      const answer = await logIn([one, other][index % 2]?.url ?? '', victim, {
        ...from(`192.0.2.${index % 10}`),
        cookie: `known_device=${device}`,
      });
      stage.witness.heard(answer);
      if (answer.status === 200) letIn += 1;
      else faults.push(`the victim was answered ${answer.status} ${answer.code ?? ''}`);
    }
    stopping = true;
    await attack;
    const stranger = await logIn(one.url, victim, from('203.0.113.9'));
    hold(stranger.status === 429, `a stranger was answered ${stranger.status} when guesses had been stopped`);
    hold((guesses.get(429) ?? 0) > 0 && (guesses.get(401) ?? 0) <= 101, `${guesses.get(401)} guesses were checked`);
    hold((guesses.get(200) ?? 0) === 0, 'a guess was right');
    return {
      figure: `${letIn} of ${tries} let in, beside ${sum(guesses)} guesses, of which ${guesses.get(401) ?? 0} were checked`,
      faults,
    };
  },
};

const sum = (counts: Map<number, number>) => [...counts.values()].reduce((total, count) => total + count, 0);

function knownDeviceOf(header: string | string[] | undefined): string | undefined {
  return [header ?? []]
    .flat()
    .join('\n')
    .match(/known_device=([^;]+)/)?.[1];
}
