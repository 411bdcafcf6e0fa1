import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSettings, type HelperLink, type WindowEvent } from '../../../core/desktop/contract.ts';
import type { Status, TunnelState } from '../../../core/rpc/contract.ts';
import {
  applyEvent,
  type Intent,
  initialSession,
  isConnecting,
  type Session,
  shownState,
  withIntent,
  withoutChange,
  withoutIntent,
  withRefusal,
} from '../../../renderer/store/reduce.ts';

const office = { id: 'p1', name: 'Head office' };
const here: HelperLink = { state: 'connected', version: '1', uid: 0 };

function status(state: TunnelState, since = 1): Status {
  return { state, since, otherUser: false, virtualIps: [], dns: [], domains: [], routes: [], children: [], steps: [] };
}

function after(...events: readonly WindowEvent[]): Session {
  return events.reduce((session, event, at) => applyEvent(session, event, at), initialSession);
}

const connected = after({ event: 'helper', data: here }, { event: 'status', data: { ...status('connected'), profile: office } });
const idle = after({ event: 'helper', data: here }, { event: 'status', data: status('idle') });
const up = (at: number): Intent => ({ kind: 'up', profile: office, at });

test('a press shows at once, and the helper’s word takes its place', () => {
  const asked = withIntent(idle, up(10));
  assert.deepEqual(shownState(asked), { state: 'resolving', asked: true });
  const confirmed = applyEvent(asked, { event: 'status', data: status('resolving', 11) }, 11);
  assert.equal(confirmed.intent, null);
  assert.deepEqual(shownState(confirmed), { state: 'resolving', asked: false });
});

test('an idle status that was on its way already does not undo the press', () => {
  const asked = withIntent(idle, up(10));
  assert.equal(applyEvent(asked, { event: 'status', data: status('idle', 1) }, 11).intent, asked.intent);
});

test('after a failure, the old failure does not answer the new press, a new one does', () => {
  const failed = applyEvent(idle, { event: 'status', data: status('failed', 5) }, 5);
  const asked = withIntent(failed, up(10));
  assert.equal(shownState(asked).state, 'resolving');
  assert.equal(shownState(applyEvent(asked, { event: 'status', data: status('failed', 5) }, 11)).state, 'resolving');
  assert.equal(shownState(applyEvent(asked, { event: 'status', data: status('failed', 12) }, 12)).state, 'failed');
});

test('what nobody confirms falls back', () => {
  const intent = up(10);
  const asked = withIntent(idle, intent);
  assert.equal(shownState(withoutIntent(asked, intent)).state, 'idle');
  // A later press is not undone by the timer of the one before.
  const again = withIntent(asked, up(20));
  assert.equal(withoutIntent(again, intent), again);
});

test('what the helper refuses falls back and says why', () => {
  const intent = up(10);
  const refused = withRefusal(withIntent(idle, intent), intent, { code: 'used-by-another', detail: '' });
  assert.deepEqual(shownState(refused), { state: 'idle', asked: false });
  assert.equal(refused.refusal?.code, 'used-by-another');
  assert.equal(withIntent(refused, up(20)).refusal, null);
  // A refusal of an old press does not end the new one.
  const newer = withIntent(idle, up(30));
  assert.equal(withRefusal(newer, intent, { code: 'already-up', detail: '' }), newer);
});

test('disconnecting shows at once, on whatever stage', () => {
  const asked = withIntent(connected, { kind: 'down', at: 10 });
  assert.deepEqual(shownState(asked), { state: 'disconnecting', asked: true });
  assert.equal(applyEvent(asked, { event: 'status', data: status('idle', 11) }, 11).intent, null);
  assert.equal(applyEvent(asked, { event: 'status', data: status('connected', 1) }, 11).intent, asked.intent);
});

test('when the helper goes, nothing old is shown as if it were live', () => {
  const gone = applyEvent(withIntent(connected, { kind: 'down', at: 9 }), { event: 'helper', data: { state: 'restarting' } }, 42);
  assert.equal(gone.status, null);
  assert.equal(gone.intent, null);
  assert.equal(gone.lastStatus?.profile?.name, 'Head office');
  assert.equal(gone.linkSince, 42);
  const still = applyEvent(gone, { event: 'helper', data: { state: 'restarting' } }, 50);
  assert.equal(still.linkSince, 42);
});

test('settings and offers', () => {
  const settings = { ...initialSession.settings, language: 'ko' as const };
  const told = after({ event: 'settings', data: settings });
  assert.equal(told.settingsKnown, true);
  assert.equal(told.settings.language, 'ko');
  const one = { source: 'file' as const, from: 'a.json', text: '{}' };
  const two = { source: 'link' as const, from: 'sallyport:x', text: '{}' };
  assert.deepEqual(after({ event: 'offer', data: one }, { event: 'offer', data: two }).offers, [one, two]);
});

test('every state on the way up can be cancelled, no other', () => {
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
  const wanted = ['waiting', 'resolving', 'connecting', 'authenticating', 'installing', 'reconnecting', 'paused'];
  assert.deepEqual(states.filter(isConnecting), wanted);
});

test('a setting that was not kept is taken back, but not what changed meanwhile', () => {
  const before = { ...defaultSettings, appearance: 'light', language: 'en' } as const;
  const change = { appearance: 'dark' } as const;
  assert.deepEqual(withoutChange({ ...before, ...change, language: 'ko' }, change, before), { ...before, language: 'ko' });
  const newer = { ...before, appearance: 'high-contrast' } as const;
  assert.deepEqual(withoutChange(newer, change, before), newer);
});
