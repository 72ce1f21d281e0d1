// Plain JavaScript, since it runs in the worker threads: see password-worker.js.
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import * as common from '@zxcvbn-ts/language-common';
import * as english from '@zxcvbn-ts/language-en';

/** Of 0 to 4; 2 stands for more than a million guesses, and guessing at sign-in ends at a hundred. */
const LEAST_SCORE = 2;

/**
 * The estimate's time grows faster than the square of the length, so long passwords are looked at in pieces, of which one
 * has to do; and with the ways in which letters may stand for others, of which no honest password has many. Both figures
 * are chosen so that the worst password takes no longer than a bcrypt hash (docs/decisions/0006).
 */
const PIECE_CHARACTERS = 64;
const MAX_SUBSTITUTIONS = 8;

const WARNINGS = { userInputs: 'Your address and the name of this service are easy to guess.' };

/** @returns {(password: string, context: string[]) => string[]} tells what is wrong with a password; nothing if it will do */
export function createStrengthJudge() {
  const { translations } = english;
  const zxcvbn = new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
    translations: { ...translations, warnings: { ...translations.warnings, ...WARNINGS } },
    maxLength: PIECE_CHARACTERS,
    l33tMaxSubstitutions: MAX_SUBSTITUTIONS,
  });

  return (password, context) => {
    let best;
    for (let start = 0; start < password.length; start += PIECE_CHARACTERS) {
      const estimate = zxcvbn.check(password.slice(start, start + PIECE_CHARACTERS), context);
      if (estimate.score >= LEAST_SCORE) return [];
      if (best === undefined || estimate.guesses > best.guesses) best = estimate;
    }
    const { warning = null, suggestions = [] } = best?.feedback ?? {};
    return [warning ?? 'This password is easy to guess.', ...suggestions];
  };
}
