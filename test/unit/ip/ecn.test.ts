import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyOuterEcn, ecnDrop, ecnKeep, ecnUnusual, outerMask, outerOctet } from '../../../core/ip/ecn.ts';
import { confined, headerIsRight, ipv4Packet, ipv6Packet } from './judge.ts';

const codepoints = { 'Not-ECT': 0, 'ECT(1)': 1, 'ECT(0)': 2, CE: 3 } as const;
type Codepoint = keyof typeof codepoints;

/** RFC 6040 figure 4, row by row, with its marks. */
const figure4: readonly (readonly [inner: Codepoint, outer: Codepoint, outgoing: Codepoint | 'drop', mark: '' | '!' | '!!!'])[] =
  [
    ['Not-ECT', 'Not-ECT', 'Not-ECT', ''],
    ['Not-ECT', 'ECT(0)', 'Not-ECT', '!!!'],
    ['Not-ECT', 'ECT(1)', 'Not-ECT', '!!!'],
    ['Not-ECT', 'CE', 'drop', '!!!'],
    ['ECT(0)', 'Not-ECT', 'ECT(0)', ''],
    ['ECT(0)', 'ECT(0)', 'ECT(0)', ''],
    ['ECT(0)', 'ECT(1)', 'ECT(1)', ''],
    ['ECT(0)', 'CE', 'CE', ''],
    ['ECT(1)', 'Not-ECT', 'ECT(1)', ''],
    ['ECT(1)', 'ECT(0)', 'ECT(1)', '!'],
    ['ECT(1)', 'ECT(1)', 'ECT(1)', ''],
    ['ECT(1)', 'CE', 'CE', ''],
    ['CE', 'Not-ECT', 'CE', ''],
    ['CE', 'ECT(0)', 'CE', ''],
    ['CE', 'ECT(1)', 'CE', '!!!'],
    ['CE', 'CE', 'CE', ''],
  ];

test('RFC 6040 figure 4: what arrives, for every DSCP of both headers and both versions', () => {
  assert.equal(new Set(figure4.map(([inner, outer]) => `${inner} ${outer}`)).size, 16);
  for (const [inner, outer, outgoing, mark] of figure4) {
    const name = `inner ${inner}, outer ${outer}`;
    const verdict = outgoing === 'drop' ? ecnDrop : mark === '' ? ecnKeep : ecnUnusual;
    for (const innerDscp of [0, 0x0a, 0x2e, 0x3f]) {
      for (const outerDscp of [0, 0x15, 0x3f]) {
        const before = (innerDscp << 2) | codepoints[inner];
        const octet = (outerDscp << 2) | codepoints[outer];
        const packet4 = ipv4Packet({ tos: before, options: [1, 1, 1, 0], payload: Uint8Array.of(1, 2, 3) });
        const after4 = confined(packet4, (bytes, at) => applyOuterEcn(bytes, at, octet));
        assert.equal(after4.result, verdict, name);
        const packet6 = ipv6Packet({ trafficClass: before, flowLabel: 0xabcde, payload: Uint8Array.of(1, 2, 3) });
        const after6 = confined(packet6, (bytes, at) => applyOuterEcn(bytes, at, octet));
        assert.equal(after6.result, verdict, name);
        if (outgoing === 'drop') continue;
        const expected = (innerDscp << 2) | codepoints[outgoing];
        assert.ok(headerIsRight(after4.packet), name);
        assert.deepEqual(
          after4.packet,
          ipv4Packet({ tos: expected, options: [1, 1, 1, 0], payload: Uint8Array.of(1, 2, 3) }),
          name,
        );
        assert.deepEqual(
          after6.packet,
          ipv6Packet({ trafficClass: expected, flowLabel: 0xabcde, payload: Uint8Array.of(1, 2, 3) }),
          name,
        );
      }
    }
  }
});

test('RFC 1624: the new IPv4 checksum is the one made anew, for every identification', () => {
  for (let id = 0; id <= 0xffff; id++) {
    const packet = ipv4Packet({ id, tos: codepoints['ECT(0)'] });
    applyOuterEcn(packet, 0, codepoints.CE);
    assert.ok(headerIsRight(packet));
    assert.deepEqual(packet, ipv4Packet({ id, tos: codepoints.CE }));
  }
});

test('a wrong IPv4 checksum stays wrong by as much', () => {
  const packet = ipv4Packet({ tos: codepoints['ECT(0)'] });
  packet[11] ^= 0x40;
  applyOuterEcn(packet, 0, codepoints.CE);
  const right = ipv4Packet({ tos: codepoints.CE });
  assert.equal(packet[11], right[11] ^ 0x40);
  assert.equal(packet[10], right[10]);
});

test('RFC 6040 §4.1: ECN is copied to the outer header; RFC 4301 §5.1.2: DSCP is copied or not, per SA', () => {
  for (let octet = 0; octet <= 0xff; octet++) {
    for (const packet of [ipv4Packet({ tos: octet }), ipv6Packet({ trafficClass: octet, flowLabel: 0xfffff })]) {
      const of = (rule: 'copy' | 'zero'): number =>
        confined(packet, (bytes, at) => outerOctet(bytes, at, outerMask(rule))).result;
      assert.equal(of('copy'), octet);
      assert.equal(of('zero'), octet & 3);
    }
  }
});
