import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectorContains, selectorsText, selectsAddress, widerThan } from '../../../core/ike/selectors.ts';
import type { TrafficSelector } from '../../../core/ike/wire/message.ts';
import { selectorFromCidr } from '../../../core/ike/wire/selectorText.ts';

function net(text: string, more: Partial<TrafficSelector> = {}): TrafficSelector {
  const selector = selectorFromCidr(text);
  assert.ok(selector);
  return { ...selector, ...more };
}

test('a narrowing selects no packet that was not asked for (RFC 7296 §2.9)', () => {
  const inside: readonly (readonly [TrafficSelector, TrafficSelector])[] = [
    [net('0.0.0.0/0'), net('10.0.0.0/8')],
    [net('10.0.0.0/8'), net('10.0.0.0/8')],
    [net('10.0.0.0/8'), net('10.255.255.255')],
    [net('::/0'), net('fd10::/16')],
    [net('10.0.0.0/8'), net('10.0.0.0/8', { protocol: 6, startPort: 443, endPort: 443 })],
    [
      net('10.0.0.0/8', { protocol: 6, startPort: 80, endPort: 443 }),
      net('10.1.0.0/16', { protocol: 6, startPort: 80, endPort: 80 }),
    ],
    [net('10.0.0.0/8'), net('10.0.0.0/8', { protocol: 1, startPort: 65535, endPort: 0 })],
  ];
  const outside: readonly (readonly [TrafficSelector, TrafficSelector])[] = [
    [net('10.0.0.0/8'), net('0.0.0.0/0')],
    [net('10.0.0.0/8'), net('11.0.0.0')],
    [net('10.0.0.0/8'), net('10.0.0.0/8', { end: Uint8Array.of(11, 0, 0, 0) })],
    [net('10.0.0.0/8'), net('10.0.0.0/8', { start: Uint8Array.of(9, 255, 255, 255) })],
    [net('10.0.0.0/8'), net('10.0.0.0/8', { start: Uint8Array.of(10, 9, 0, 0), end: Uint8Array.of(10, 8, 0, 0) })],
    [net('0.0.0.0/0'), net('::/0')],
    [net('10.0.0.0/8', { protocol: 6 }), net('10.0.0.0/8')],
    [net('10.0.0.0/8', { protocol: 6 }), net('10.0.0.0/8', { protocol: 17 })],
    [net('10.0.0.0/8', { startPort: 80, endPort: 443 }), net('10.0.0.0/8', { startPort: 79, endPort: 443 })],
    [net('10.0.0.0/8', { startPort: 80, endPort: 443 }), net('10.0.0.0/8', { startPort: 65535, endPort: 0 })],
    [net('10.0.0.0/8'), net('10.0.0.0/8', { startPort: 500, endPort: 400 })],
  ];
  for (const [outer, inner] of inside) assert.equal(selectorContains(outer, inner), true, `${selectorsText([outer, inner])}`);
  for (const [outer, inner] of outside) assert.equal(selectorContains(outer, inner), false, `${selectorsText([outer, inner])}`);
});

test('the first selector that is too wide is named', () => {
  const asked = [net('10.0.0.0/8'), net('fd10::/16')];
  assert.equal(widerThan(asked, [net('10.1.0.0/16'), net('fd10:1::/32')]), undefined);
  assert.deepEqual(widerThan(asked, [net('10.1.0.0/16'), net('172.16.0.0/12')]), net('172.16.0.0/12'));
  assert.equal(widerThan(asked, []), undefined);
});

test('an address is selected within its family', () => {
  assert.equal(selectsAddress(net('10.0.0.0/8'), Uint8Array.of(10, 1, 2, 3)), true);
  assert.equal(selectsAddress(net('10.0.0.0/8'), Uint8Array.of(11, 1, 2, 3)), false);
  assert.equal(selectsAddress(net('::/0'), Uint8Array.of(10, 1, 2, 3)), false);
});
