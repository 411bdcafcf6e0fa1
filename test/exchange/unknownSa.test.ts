/** Under protection the peer says that it does not know a CHILD SA that is in use: INVALID_SPI in the IKE SA (RFC 7296 §1.5). */
import assert from 'node:assert/strict';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import { spiBytes } from '../../core/ike/wire/spi.ts';
import { each, rekeyed, said } from './rekeying.ts';
import { Two, type Who } from './sessions.ts';

function complain(two: Two, who: Who, spi: Uint8Array): void {
  two
    .side(who)
    .session.current?.request(
      { exchange: EXCHANGE.INFORMATIONAL, build: () => [notify(NOTIFY.INVALID_SPI, spi)], process() {} },
      two.now,
    );
  two.settle();
}

each('it has lost it: another is made at once, not at the next rekeying', (one, other) => {
  const two = new Two({ [other]: { closeWithoutChild: true } });
  const spi = two.spiIn(one);
  two.side(one).session.current?.forgetChild(spi);
  complain(two, one, spiBytes(spi));
  two.agree(1);
  assert.equal(two.side(other).closed, false);
});

each('it has it after all, and was only slow: rekeyed, once in ten seconds however often it says so', (one, other) => {
  const two = new Two();
  for (let i = 0; i < 20; i++) complain(two, one, spiBytes(two.spiIn(one)));
  two.agree(1);
  assert.deepEqual(rekeyed(two, other), ['us']);
  two.pass(10_000);
  complain(two, one, spiBytes(two.spiIn(one)));
  two.agree(1);
  assert.deepEqual(rekeyed(two, other), ['us', 'us']);
});

each('what was replaced, is nobody’s, is our own SPI or none at all: nothing is made of it', (one, other) => {
  const two = new Two();
  two.rekeyChild(other);
  two.carry(other);
  two.carry(one);
  const [old] = two.side(one).living.keys();
  for (const spi of [spiBytes(old), spiBytes(0x7777_7777), spiBytes(two.spiIn(other)), new Uint8Array(0), new Uint8Array(8)])
    complain(two, one, spi);
  two.agree(1);
  assert.equal(said(two, other, /CREATE_CHILD_SA request/), 1);
});
