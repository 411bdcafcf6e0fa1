import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { HelperLink } from '../../../core/desktop/contract.ts';
import { autostartEntry } from '../../../core/desktop/desktopSession.ts';
import { type Glance, glanceOf, type Notice, noticeOf } from '../../../core/desktop/glance.ts';
import { type Circumstances, wayToStart } from '../../../core/desktop/startHelper.ts';
import { filled, wordsFor } from '../../../core/desktop/words.ts';
import type { TunnelState } from '../../../core/rpc/contract.ts';
import { failure } from '../../../core/tunnel/explain.ts';
import { statusFor, type TunnelFacts } from '../../../core/tunnel/status.ts';
import { childSa } from '../tunnel/fakes.ts';
import { idle } from './fakeServer.ts';

const connected: HelperLink = { state: 'connected', version: '1', uid: 1000 };
const at = (state: TunnelState): Glance => glanceOf(connected, { ...idle, state, profile: { id: 'p', name: 'Office' } });
/** No network, and the session is kept. */
const cutOff: Glance = { ...at('blocked'), kept: true };
/** The tunnel is there, and a new login asks. */
const asking: Glance = { ...at('rekeying'), state: 'waiting' };
const facts: TunnelFacts = {
  owner: 1000,
  profile: { id: 'p', name: 'Office' },
  startedAt: 1,
  readyAt: 1,
  gateway: { name: 'vpn.office.test' },
  children: [{ sa: childSa(), localSelectors: [], remoteSelectors: [], installedAt: 1, counters: undefined }],
};
const away = glanceOf({ state: 'restarting' }, undefined);

suite('what tray, menu and notifications make of a status', () => {
  test('the gate is open exactly while the tunnel is there', () => {
    const states: readonly TunnelState[] = [
      'idle',
      'waiting',
      'resolving',
      'connecting',
      'authenticating',
      'installing',
      'connected',
      'rekeying',
      'roaming',
      'reconnecting',
      'paused',
      'blocked',
      'disconnecting',
      'failed',
    ];
    assert.deepEqual(
      states.filter((state) => at(state).gate === 'open'),
      ['connected', 'rekeying', 'roaming'],
    );
    assert.deepEqual(
      states.map((state) => at(state).control),
      [
        ...['connect', 'cancel', 'cancel', 'cancel', 'cancel', 'cancel', 'disconnect', 'disconnect', 'disconnect'],
        ...['cancel', 'cancel', 'disconnect', 'none', 'connect'],
      ],
    );
  });

  test('without a helper nothing is claimed and nothing offered', () => {
    const states: readonly HelperLink[] = [
      { state: 'missing' },
      { state: 'hung' },
      { state: 'connecting' },
      { state: 'refused', detail: '' },
    ];
    for (const helper of states) {
      const glance = glanceOf(helper, { ...idle, state: 'connected' });
      assert.equal(glance.gate, 'fault');
      assert.equal(glance.control, 'none');
    }
  });

  test('another user’s tunnel is no protection of this one, and not theirs to end', () => {
    const glance = glanceOf(connected, { ...idle, state: 'connected', otherUser: true });
    assert.equal(glance.gate, 'closed');
    assert.equal(glance.control, 'none');
  });

  test('a new login that asks waits for its user, and the gate is open', () => {
    const prompt = { id: 'x', kind: 'code', text: '', identity: '', rememberAllowed: false, attempt: 1, askedAt: 2 } as const;
    const status = statusFor({ ...facts, rekeyingAt: 2, prompt }, 1000, 0);
    assert.deepEqual(glanceOf(connected, status), asking);
  });

  test('blocked for want of a network alone while there are SAs', () => {
    assert.equal(at('blocked').kept, undefined);
    const child = statusFor({ ...facts, lost: { at: 2, why: failure('no-route', ''), held: true, stuck: true } }, 1000, 0);
    assert.deepEqual(glanceOf(connected, child), { ...cutOff, profile: 'Office' });
  });

  const cases: readonly (readonly [string, Glance, Glance, Notice | undefined])[] = [
    ['connected', at('installing'), at('connected'), 'protected'],
    ['the tunnel broke', at('connected'), at('failed'), 'lost'],
    ['the helper went away under it', at('connected'), away, 'lost'],
    ['it could not be reached', at('connecting'), at('failed'), 'failed'],
    ['it asks for something', at('authenticating'), at('waiting'), 'waiting'],
    ['the user disconnects', at('connected'), at('disconnecting'), undefined],
    ['the user has disconnected', at('disconnecting'), at('idle'), undefined],
    ['the user cancels', at('connecting'), at('idle'), undefined],
    ['the window starts while connected', away, at('connected'), undefined],
    ['the window starts after a failure', away, at('failed'), undefined],
    ['a new login asks', at('connected'), asking, 'waiting'],
    ['the new login is there', asking, at('connected'), undefined],
    ['the tunnel ends while a new login asks', asking, at('failed'), 'lost'],
    ['nothing changes', at('connected'), at('connected'), undefined],
    ['fresh keys', at('connected'), at('rekeying'), undefined],
    ['another network', at('connected'), at('roaming'), undefined],
    ['it may come back', at('connected'), at('reconnecting'), undefined],
    ['it came back', at('reconnecting'), at('connected'), undefined],
    ['it did not come back', at('reconnecting'), at('failed'), 'lost'],
    ['nothing goes any more', at('reconnecting'), at('blocked'), 'lost'],
    ['the cable is out', at('connected'), cutOff, undefined],
    ['the cable is in again', cutOff, at('connected'), undefined],
    ['the session is over without a network', cutOff, at('failed'), 'lost'],
    ['it goes on connecting', at('resolving'), at('authenticating'), undefined],
  ];
  for (const [what, before, now, notice] of cases) test(`notice: ${what}`, () => assert.equal(noticeOf(before, now), notice));

  test('words: the chosen language, else the system’s, else English, all with the same keys', () => {
    assert.equal(wordsFor('system', 'de-AT').quit, 'Beenden');
    assert.equal(wordsFor('system', 'ko').quit, '종료');
    assert.equal(wordsFor('system', 'fr-FR').quit, 'Quit');
    assert.equal(wordsFor('en', 'de-DE').quit, 'Quit');
    const placeholders = (language: 'en' | 'ko' | 'de'): number =>
      JSON.stringify(wordsFor(language, '')).split('{profile}').length;
    assert.equal(placeholders('ko'), placeholders('en'));
    assert.equal(placeholders('de'), placeholders('en'));
    assert.equal(filled('{profile} needs you', 'A $& B'), 'A $& B needs you');
  });
});

suite('starting things on this machine', () => {
  const nothing: Circumstances = {
    uid: 1000,
    systemctl: undefined,
    pkexec: undefined,
    sudo: undefined,
    serviceInstalled: false,
    display: false,
    terminal: false,
    helper: ['/usr/bin/node', '/src/monitor.ts'],
  };

  test('the installed service first, then root itself, a dialog, a terminal', () => {
    const all = {
      ...nothing,
      systemctl: '/bin/systemctl',
      pkexec: '/bin/pkexec',
      sudo: '/bin/sudo',
      display: true,
      terminal: true,
    };
    assert.deepEqual(wayToStart({ ...all, serviceInstalled: true })?.argv, ['/bin/systemctl', 'start', 'sallyport.service']);
    assert.deepEqual(wayToStart({ ...all, uid: 0 })?.argv, nothing.helper);
    assert.deepEqual(wayToStart(all)?.argv, ['/bin/pkexec', '/usr/bin/node', '/src/monitor.ts']);
    assert.equal(wayToStart({ ...all, display: false })?.argv[0], '/bin/sudo');
  });

  test('whoever is asked for a password is told why', () => {
    for (const way of [
      { pkexec: '/bin/pkexec', display: true },
      { sudo: '/bin/sudo', terminal: true },
      { serviceInstalled: true, systemctl: '/bin/systemctl' },
    ]) {
      assert.match(wayToStart({ ...nothing, ...way })?.reason ?? '', /must run as root/);
    }
  });

  test('no way is no way', () => {
    assert.equal(wayToStart(nothing), undefined);
    assert.equal(wayToStart({ ...nothing, pkexec: '/bin/pkexec' }), undefined, 'nobody would see the dialog');
    assert.equal(wayToStart({ ...nothing, sudo: '/bin/sudo' }), undefined, 'nobody could type');
    assert.equal(wayToStart({ ...nothing, uid: 0, helper: undefined }), undefined);
  });

  test('the autostart entry survives odd paths', () => {
    assert.match(autostartEntry(['/opt/Sallyport/sallyport', '--hidden']), /^Exec=\/opt\/Sallyport\/sallyport --hidden$/m);
    assert.match(autostartEntry(['/home/a b/100%/$x"y']), /^Exec="\/home\/a b\/100%%\/\\\\\$x\\\\"y"$/m);
  });
});
