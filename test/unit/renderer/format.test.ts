import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formats } from '../../../renderer/i18n/format.ts';

const [en, de, ko] = [formats('en'), formats('de'), formats('ko')];
/** Intl writes no-break spaces where a line must not break. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');

test('sizes', () => {
  assert.equal(plain(en.bytes(0)), '0 bytes');
  assert.equal(plain(en.bytes(1)), '1 byte');
  assert.equal(plain(en.bytes(999)), '999 bytes');
  assert.equal(plain(en.bytes(1000)), '1 kB');
  assert.equal(plain(en.bytes(1_234_567)), '1.2 MB');
  assert.equal(plain(de.bytes(1_234_567)), '1,2 MB');
  assert.equal(plain(en.bytes(999_960)), '1 MB');
  assert.equal(plain(en.bytes(1e15)), '1,000 TB');
  assert.equal(plain(ko.bytes(12)), '12바이트');
});

test('rates begin at kilobytes, so that the unit does not flip at every keepalive', () => {
  assert.equal(plain(en.rate(0)), '0 kB/s');
  assert.equal(plain(en.rate(120)), '0.1 kB/s');
  assert.equal(plain(en.rate(1_300_000)), '1.3 MB/s');
  assert.equal(plain(de.rate(1_300_000)), '1,3 MB/s');
  assert.equal(plain(en.rate(-5)), '0 kB/s');
});

test('durations show their two largest units', () => {
  assert.equal(plain(en.duration(0)), '0 sec');
  assert.equal(plain(en.duration(59_999)), '59 sec');
  assert.equal(plain(en.duration(3_900_000)), '1 hr 5 min');
  assert.equal(plain(en.duration(3_600_000)), '1 hr');
  assert.equal(plain(en.duration(90_061_000)), '1 day 1 hr');
  assert.equal(plain(de.duration(7_500_000)), '2 Std. 5 Min.');
  assert.equal(plain(ko.duration(7_500_000)), '2시간 5분');
});

test('clocks', () => {
  assert.equal(en.clock(0), '0:00');
  assert.equal(en.clock(61_999), '1:01');
  assert.equal(en.clock(3_849_000), '1:04:09');
  assert.equal(en.clock(-1), '0:00');
});

test('relative times', () => {
  const now = 1_800_000_000_000;
  assert.equal(en.relative(now - 2000, now), 'now');
  assert.equal(en.relative(now - 30_000, now), '30 seconds ago');
  assert.equal(en.relative(now - 5 * 60_000, now), '5 minutes ago');
  assert.equal(en.relative(now + 3 * 3_600_000, now), 'in 3 hours');
  assert.equal(en.relative(now - 86_400_000, now), 'yesterday');
  assert.equal(de.relative(now - 5 * 60_000, now), 'vor 5 Minuten');
  assert.equal(ko.relative(now - 5 * 60_000, now), '5분 전');
});

test('numbers and lists', () => {
  assert.equal(en.number(1234567.891), '1,234,567.89');
  assert.equal(de.number(1234567.891), '1.234.567,89');
  assert.equal(de.list(['3 Netze', '2 Domains']), '3 Netze und 2 Domains');
  assert.equal(en.list(['3 networks']), '3 networks');
});

test('steps and round trips', () => {
  assert.equal(plain(en.seconds(2140)), '2.1s');
  assert.equal(plain(en.seconds(2000)), '2.0s');
  assert.equal(plain(de.seconds(2140)), '2,1 Sek.');
  assert.equal(plain(en.milliseconds(17.3)), '17 ms');
});

test('the same locale is made once', () => {
  assert.equal(formats('en'), en);
});
