import { expect, test } from 'vitest';
import { createFaults } from '../../src/modules/simulated-faults/faults.js';

function createFaultsAt(start: number) {
  const clock = { time: start, now: () => clock.time };
  return { clock, faults: createFaults(clock) };
}

test('nothing is broken until somebody asks for it', () => {
  const { faults } = createFaultsAt(0);
  expect([faults.isOffline(), faults.isLosingNextAnswer(), faults.takeLoss()]).toEqual([false, false, false]);
});

test('one answer is lost, however often it was asked for', () => {
  const { faults } = createFaultsAt(0);
  faults.loseNextAnswer();
  faults.loseNextAnswer();
  expect(faults.isLosingNextAnswer()).toBe(true);
  expect([faults.takeLoss(), faults.takeLoss()]).toEqual([true, false]);
  expect(faults.isLosingNextAnswer()).toBe(false);
  faults.loseNextAnswer();
  expect(faults.takeLoss()).toBe(true);
});

test('an answer that nobody came for within a minute is lost no more', () => {
  const { clock, faults } = createFaultsAt(0);
  faults.loseNextAnswer();
  clock.time = 59_999;
  expect(faults.isLosingNextAnswer()).toBe(true);
  clock.time = 60_000;
  expect([faults.isLosingNextAnswer(), faults.takeLoss()]).toEqual([false, false]);
});

test('offline lasts as long as was said last, and ends with 0', () => {
  const { clock, faults } = createFaultsAt(1_000);
  faults.goOffline(60);
  faults.goOffline(2);
  clock.time = 2_999;
  expect(faults.isOffline()).toBe(true);
  clock.time = 3_000;
  expect(faults.isOffline()).toBe(false);
  faults.goOffline(60);
  expect(faults.isOffline()).toBe(true);
  faults.goOffline(0);
  expect(faults.isOffline()).toBe(false);
});
