import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WhenLost } from '../../../core/rpc/contract.ts';
import { reasons } from '../../../core/tunnel/reasons.ts';
import { againAfter, waitBefore } from '../../../core/tunnel/retry.ts';
import { createSession, type SessionInput, type SessionOutput } from '../../../core/tunnel/session.ts';

/** A session under a virtual clock; `random` at its top, so that waits are at their bound. */
function at(whenLost: WhenLost = 'hold', random = 0.999_999) {
  const session = createSession({ whenLost, random: () => random });
  let now = 1_000_000;
  const said = (): string[] => {
    const words: string[] = [];
    for (let one = session.poll(); one; one = session.poll()) words.push(text(one));
    return words;
  };
  return {
    session,
    /** What it says to this. */
    give(input: SessionInput): string[] {
      session.handle(input, now);
      return said();
    },
    /** What it says while so much time passes, each with when. */
    pass(milliseconds: number): string[] {
      const words: string[] = [];
      const until = now + milliseconds;
      const from = now;
      for (let due = session.deadline(); due !== undefined && due <= until; due = session.deadline()) {
        now = Math.max(now, due);
        session.handle({ kind: 'tick' }, now);
        words.push(...said().map((word) => `${now - from}: ${word}`));
      }
      now = until;
      return words;
    },
    /** Up for so long. */
    up(milliseconds = 0) {
      session.handle({ kind: 'start' }, now);
      session.handle({ kind: 'up' }, now);
      said();
      now += milliseconds;
    },
    lost: (code: string) => {
      session.handle({ kind: 'ended', why: { code, evidence: 'x' } }, now);
      return said();
    },
  };
}

function text(output: SessionOutput): string {
  if (output.kind === 'connect') return output.redirect === undefined ? 'connect' : `connect ${output.redirect}`;
  if (output.kind === 'drop') return `drop ${output.code}`;
  if (output.kind === 'renew') return output.redirect === undefined ? 'renew' : `renew ${output.redirect}`;
  return output.kind === 'over' ? `over ${output.why?.code ?? ''}` : output.kind;
}

test('the first connection is tried once: its user is there and is told', () => {
  const it = at();
  assert.deepEqual(it.give({ kind: 'start' }), ['connect']);
  assert.deepEqual(it.lost('no-answer'), ['over no-answer']);
  assert.equal(it.session.deadline(), undefined);
});

test('one address that fell silent is not the only one', () => {
  const it = at();
  it.give({ kind: 'start' });
  assert.deepEqual(it.give({ kind: 'ended', why: { code: 'no-answer-auth', evidence: 'x' }, elsewhere: true }), ['connect']);
  assert.deepEqual(it.lost('no-answer-auth'), ['over no-answer-auth']);
});

test('what is lost is brought back: waits double up to a minute, and begin small after a good stretch', () => {
  const it = at();
  it.up(60_000);
  assert.deepEqual(it.lost('gateway-lost'), []);
  assert.deepEqual(it.session.lost()?.why.code, 'gateway-lost');
  const waits: string[] = [];
  for (let i = 0; i < 8; i++) {
    waits.push(...it.pass(60_000).map((word) => word.replace(' connect', '')));
    it.lost('no-answer');
  }
  assert.deepEqual(waits, ['999:', '1999:', '3999:', '7999:', '15999:', '31999:', '59999:', '59999:']);
  it.pass(60_000);
  it.give({ kind: 'up' });
  assert.equal(it.session.lost(), undefined);
  assert.deepEqual(it.lost('closed-by-gateway'), [], 'that was no good stretch');
  assert.deepEqual(it.pass(60_000), ['59999: connect']);
  it.give({ kind: 'up' });
  it.pass(60_000);
  it.lost('closed-by-gateway');
  assert.deepEqual(it.pass(60_000), ['999: connect']);
});

test('from network to network, each for a few seconds: no wait is longer than the first', () => {
  const it = at();
  it.up(5_000);
  for (let moves = 0; moves < 8; moves++) {
    it.lost('address-changed');
    assert.deepEqual(it.pass(1_000), ['249: connect']);
    it.give({ kind: 'up' });
    it.pass(4_000);
  }
});

test('full jitter: any wait up to the bound', () => {
  const it = at('hold', 0);
  it.up(60_000);
  assert.deepEqual(it.lost('gateway-lost'), ['connect']);
  assert.deepEqual(
    [waitBefore('soon', 3, 0.5), waitBefore('later', 0, 0.5), waitBefore('later', 99, 0.5)],
    [4_000, 15_000, 300_000],
  );
});

test('a refusal that costs something is not repeated, whatever it was before', () => {
  for (const code of ['password-wrong', 'authentication-failed', 'gateway-untrusted', 'eap-refused', 'no-such-code']) {
    const it = at();
    it.up(60_000);
    it.lost('gateway-lost');
    it.pass(1_000);
    assert.deepEqual(it.lost(code), [`over ${code}`]);
    assert.deepEqual(it.pass(86_400_000), []);
  }
});

test('what nobody has proven ends nothing that is held back: another network, or the user', () => {
  const why = { code: 'gateway-untrusted', evidence: 'x', unproven: true };
  for (const whenLost of ['hold', 'open', 'end'] as const) {
    const it = at(whenLost);
    it.up(60_000);
    const over = whenLost === 'hold' ? [] : ['over gateway-untrusted'];
    assert.deepEqual(it.give({ kind: 'ended', why }), over);
    assert.deepEqual(
      [it.session.lost()?.stuck, it.session.lost()?.final],
      whenLost === 'hold' ? [true, false] : [undefined, undefined],
    );
    it.pass(20_000);
    assert.deepEqual(it.give({ kind: 'network', usable: true }), whenLost === 'hold' ? ['connect'] : []);
  }
  const there = at();
  there.up(60_000);
  there.give({ kind: 'ended', why });
  assert.deepEqual(there.pass(600_000), ['59999: connect'], 'who pretends may be gone');
  there.give({ kind: 'ended', why });
  there.give({ kind: 'network', usable: false });
  assert.deepEqual(there.pass(600_000), [], 'not without a network');
  const refused = at();
  refused.up(60_000);
  refused.give({ kind: 'ended', why: { ...why, code: 'authentication-failed' } });
  assert.deepEqual(refused.pass(86_400_000), [], 'it may be the gateway that refuses');
  assert.deepEqual(refused.give({ kind: 'network', usable: true }), ['connect']);
  const told = at();
  told.up(60_000);
  assert.deepEqual(told.give({ kind: 'ended', why: { ...why, told: true } }), []);
  assert.deepEqual(told.give({ kind: 'network', usable: true }), []);
  assert.deepEqual(told.give({ kind: 'now' }), ['connect']);
  const first = at();
  first.give({ kind: 'start' });
  assert.deepEqual(first.give({ kind: 'ended', why }), ['over gateway-untrusted'], 'its user is there');
});

test('a gateway that breaks the protocol ends a tunnel at its first connection only', () => {
  const first = at();
  first.give({ kind: 'start' });
  assert.deepEqual(first.lost('gateway-misbehaved'), ['over gateway-misbehaved']);
  const it = at();
  it.up(60_000);
  assert.deepEqual(it.lost('gateway-misbehaved'), []);
  assert.equal(it.session.lost()?.stuck, false);
});

test('the table: what may lock an account or be somebody else is never tried again', () => {
  const never = Object.keys(reasons).filter((code) => againAfter(code) === 'never');
  for (const code of Object.keys(reasons)) {
    if (/^(password|account|eap-(?!tls-failed)|own-)/.test(code)) assert.ok(never.includes(code), code);
    if (/^gateway-(authentication|identity|no-cert|untrusted|cert-(revoked|invalid|expired)|wrong)/.test(code))
      assert.ok(never.includes(code), code);
  }
  const soon = Object.keys(reasons).filter((code) => againAfter(code) === 'soon');
  assert.deepEqual(soon.toSorted(), [
    'authentication-expired',
    'closed-by-gateway',
    'engine-restarted',
    'gateway-lost',
    'gateway-restarted',
    'keys-expired',
    'name-not-resolved',
    'no-answer',
    'no-answer-auth',
    'no-route',
  ]);
});

test('a gateway that does not want us now is asked seldom', () => {
  const it = at();
  it.up(60_000);
  it.lost('no-address');
  assert.deepEqual(it.pass(600_000), ['29999: connect']);
});

test('what is not to be brought back is over; what is locked stays shut', () => {
  const end = at('end');
  end.up(60_000);
  assert.deepEqual(end.lost('gateway-lost'), ['over gateway-lost']);
  const lock = at('lock');
  lock.up(60_000);
  assert.deepEqual(lock.lost('authentication-failed'), []);
  assert.deepEqual([lock.session.lost()?.stuck, lock.session.lost()?.final], [true, true]);
  assert.deepEqual(lock.give({ kind: 'network', usable: true }), [], 'no network helps');
  assert.deepEqual(lock.pass(86_400_000), []);
});

test('who does not want to wait does not: the next try is now, also of what is locked, and of nothing else', () => {
  const it = at();
  assert.deepEqual(it.give({ kind: 'now' }), [], 'nothing was begun');
  it.up(60_000);
  assert.deepEqual(it.give({ kind: 'now' }), [], 'it is up');
  it.lost('no-address');
  assert.deepEqual(it.give({ kind: 'now' }), ['connect']);
  assert.deepEqual([it.session.lost()?.retryAt, it.give({ kind: 'now' })], [undefined, []], 'it is being tried');
  it.lost('no-address');
  assert.deepEqual(it.pass(600_000), ['59999: connect'], 'as after the first');
  const lock = at('lock');
  lock.up(60_000);
  lock.lost('authentication-failed');
  assert.deepEqual(lock.give({ kind: 'now' }), ['connect']);
  assert.deepEqual(lock.lost('authentication-failed'), []);
  assert.equal(lock.session.lost()?.final, true, 'locked again');
});

test('without a network nobody tries; with one it is tried at once', () => {
  const it = at();
  it.up(60_000);
  it.give({ kind: 'network', usable: false });
  it.lost('gateway-lost');
  assert.deepEqual([it.session.lost()?.stuck, it.session.lost()?.retryAt], [true, undefined]);
  assert.deepEqual(it.pass(3_600_000), []);
  assert.deepEqual(it.give({ kind: 'network', usable: true }), ['connect']);
  it.lost('no-answer');
  assert.deepEqual(it.give({ kind: 'network', usable: true }), ['connect'], 'another network, another chance');
  assert.deepEqual(it.give({ kind: 'network', usable: true }), [], 'a try that has just begun goes on');
  it.pass(2_000);
  assert.deepEqual(it.give({ kind: 'network', usable: true }), ['drop no-answer']);
  assert.deepEqual(it.lost('no-answer'), ['connect']);
});

test('awake: the gateway is asked, and answers', () => {
  const it = at();
  it.up(60_000);
  it.give({ kind: 'suspending' });
  assert.equal(it.session.paused(), true);
  it.pass(3_600_000);
  assert.deepEqual(it.give({ kind: 'resumed', patience: 1_700 }), ['check']);
  assert.equal(it.session.paused(), true);
  assert.deepEqual(it.give({ kind: 'alive' }), []);
  assert.deepEqual([it.session.paused(), it.session.deadline()], [false, undefined]);
});

test('awake after an hour, and the gateway has forgotten us: a new connection is under way within two seconds', () => {
  const it = at();
  it.up(60_000);
  it.pass(3_600_000);
  it.give({ kind: 'resumed', patience: 1_700 });
  assert.deepEqual(it.pass(1_700), ['1700: drop gateway-lost']);
  assert.deepEqual(it.lost('gateway-lost'), ['connect']);
  assert.equal(it.session.paused(), false);
});

test('awake without a network: the question waits for one', () => {
  const it = at();
  it.up(60_000);
  it.give({ kind: 'network', usable: false });
  assert.deepEqual(it.give({ kind: 'resumed', patience: 1_700 }), []);
  assert.deepEqual(it.pass(10_000), []);
  assert.equal(it.session.paused(), true);
  assert.deepEqual(it.give({ kind: 'network', usable: true }), ['check']);
  it.give({ kind: 'network', usable: false });
  assert.deepEqual(it.pass(10_000), [], 'silence without a network says nothing of the gateway');
});

test('awake while it waits or tries: at once', () => {
  const waits = at();
  waits.up(60_000);
  waits.lost('gateway-lost');
  waits.pass(1_000);
  waits.lost('no-answer');
  assert.deepEqual(waits.give({ kind: 'resumed', patience: 1_700 }), ['connect']);
  assert.deepEqual(waits.give({ kind: 'resumed', patience: 1_700 }), ['drop no-answer']);
  assert.deepEqual(waits.lost('no-answer'), ['connect']);
});

test('on its way to sleep nobody is asked: not by a network that changes meanwhile, nor is what was asked waited for', () => {
  const it = at();
  it.up(60_000);
  assert.deepEqual(it.give({ kind: 'suspending' }), []);
  it.give({ kind: 'network', usable: false });
  assert.deepEqual(it.give({ kind: 'network', usable: true }), [], 'the dock was left');
  assert.deepEqual(it.give({ kind: 'resumed', patience: 1_700 }), ['check']);
  // Opened and closed again.
  it.give({ kind: 'suspending' });
  assert.deepEqual([...it.pass(3_600_000), it.session.paused()], [true]);
  it.give({ kind: 'network', usable: false });
  assert.deepEqual(it.give({ kind: 'resumed', patience: 1_700 }), []);
  assert.deepEqual(it.give({ kind: 'network', usable: true }), ['check']);
  assert.deepEqual(it.pass(60_000), ['1700: drop gateway-lost']);
});

test('a redirect is followed at once, five times in five minutes (RFC 5685 §6)', () => {
  const it = at();
  const sent = () => it.give({ kind: 'ended', why: { code: 'redirected', evidence: 'x', redirect: '192.0.2.9' } });
  it.give({ kind: 'start' });
  for (let i = 0; i < 5; i++) assert.deepEqual(sent(), ['connect 192.0.2.9']);
  assert.deepEqual(sent(), ['over redirected']);
  const later = at();
  later.up(60_000);
  const again = () => later.give({ kind: 'ended', why: { code: 'redirected', evidence: 'x', redirect: 'b.test' } });
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(again(), ['connect b.test']);
    later.pass(75_000);
  }
});

test('two gateways that send us to each other once we are connected are a loop as well', () => {
  const it = at();
  it.up(60_000);
  const sent = (where: string) => {
    const said = it.give({ kind: 'ended', why: { code: 'redirected', evidence: 'x', redirect: where } });
    it.give({ kind: 'up' });
    it.pass(1_000);
    return said;
  };
  for (const where of ['b.test', 'a.test', 'b.test', 'a.test', 'b.test']) assert.deepEqual(sent(where), [`connect ${where}`]);
  assert.deepEqual(it.give({ kind: 'ended', why: { code: 'redirected', evidence: 'x', redirect: 'a.test' } }), []);
  assert.equal(it.session.lost()?.why.code, 'redirected');
  assert.deepEqual(it.pass(60_000), ['59999: connect']);
  // A balancer that sends everybody on is no loop for who walks from network to network.
  const roams = at('hold', 0);
  roams.up(5_000);
  for (let moves = 0; moves < 8; moves++) {
    assert.deepEqual(roams.lost('address-changed'), ['connect']);
    assert.deepEqual(roams.give({ kind: 'ended', why: { code: 'redirected', evidence: 'x', redirect: 'b.test' } }), [
      'connect b.test',
    ]);
    roams.give({ kind: 'up' });
    roams.pass(4_000);
  }
});

test('when nobody wants it any more it is over, and nothing wakes it', () => {
  const it = at();
  it.up(60_000);
  assert.deepEqual(it.give({ kind: 'ended', why: undefined }), ['over ']);
  assert.deepEqual(it.give({ kind: 'network', usable: true }), []);
  assert.deepEqual(it.give({ kind: 'resumed', patience: 1 }), []);
  assert.equal(it.session.deadline(), undefined);
});

test('a login that runs out is made anew beside the one in use, again after a failure, and not after a refusal', () => {
  const it = at('hold', 0);
  it.up(60_000);
  assert.deepEqual(it.give({ kind: 'reauthenticate', within: 60_000 }), ['renew']);
  assert.deepEqual(it.give({ kind: 'reauthenticate', within: 60_000 }), [], 'one at a time');
  assert.deepEqual(it.give({ kind: 'renewal-ended', why: { code: 'no-answer', evidence: 'x' } }), []);
  assert.deepEqual(it.pass(5_000), ['1000: renew']);
  assert.deepEqual(it.give({ kind: 'renewed' }), []);
  assert.deepEqual([it.session.lost(), it.session.deadline()], [undefined, undefined]);
  it.give({ kind: 'reauthenticate', within: 60_000 });
  it.give({ kind: 'renewal-ended', why: { code: 'password-wrong', evidence: 'x' } });
  assert.deepEqual(it.pass(3_600_000), [], 'what is in use goes on to its end');
});

test('a new login that is sent to another gateway is made there, and not for ever (RFC 5685 §3, §6)', () => {
  const it = at('hold', 0);
  it.up(60_000);
  const sent = () => it.give({ kind: 'renewal-ended', why: { code: 'redirected', evidence: 'x', redirect: '192.0.2.9' } });
  it.give({ kind: 'reauthenticate', within: 60_000 });
  for (let i = 0; i < 5; i++) assert.deepEqual(sent(), ['renew 192.0.2.9']);
  assert.deepEqual(sent(), []);
  assert.deepEqual(it.pass(1_000), ['1000: renew']);
  it.give({ kind: 'renewed' });
  it.give({ kind: 'reauthenticate', within: 60_000 });
  assert.deepEqual(sent(), ['renew 192.0.2.9'], 'the next one begins anew');
});

test('no login is tried again after its time', () => {
  const it = at('hold', 0);
  it.up(60_000);
  it.give({ kind: 'reauthenticate', within: 1_500 });
  it.give({ kind: 'renewal-ended', why: { code: 'no-answer', evidence: 'x' } });
  assert.deepEqual(it.pass(1_200), ['1000: renew']);
  it.give({ kind: 'renewal-ended', why: { code: 'no-answer', evidence: 'x' } });
  assert.deepEqual(it.pass(3_600_000), []);
});

test('when the one in use ends first, the one beside it is what is tried', () => {
  const it = at();
  it.up(60_000);
  it.give({ kind: 'reauthenticate', within: 60_000 });
  assert.deepEqual(it.lost('closed-by-gateway'), []);
  assert.equal(it.session.lost()?.why.code, 'closed-by-gateway');
  it.give({ kind: 'up' });
  assert.equal(it.session.lost(), undefined);
  const failing = at('hold', 0);
  failing.up(60_000);
  failing.give({ kind: 'reauthenticate', within: 60_000 });
  failing.lost('closed-by-gateway');
  assert.deepEqual(failing.lost('no-answer'), ['connect'], 'and after that another');
});
