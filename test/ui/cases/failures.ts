/** Each failure as the traveller meets it: the error card with its four parts in their order, and a way out. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import type { ReasonCode } from '../../../core/tunnel/reasons.ts';
import type { MisbehaviourName } from '../../gateway/misbehaviours.ts';
import type { App } from '../app.ts';
import { word } from '../catalogue.ts';
import { type Case, eventually } from '../kit.ts';
import type { Blocked, ProfileFields, World } from '../world.ts';

interface Setting {
  readonly profile?: ProfileFields;
  readonly misbehave?: MisbehaviourName;
  readonly block?: Blocked;
  readonly withinMs?: number;
  /** In the folded part. */
  readonly evidence?: RegExp;
}

export function card(app: App): Locator {
  return app.page.getByRole('region', { name: 'Problem' });
}

/** The card for this reason, its parts judged. Returns what it shows. */
export async function judgeCard(app: App, code: ReasonCode, withinMs: number, evidence = /./): Promise<string> {
  const shown = card(app);
  await shown.waitFor({ timeout: withinMs });
  const heading = shown.getByRole('heading').first();
  await heading.waitFor();
  const what = await heading.innerText();
  assert.equal(what, word('en', 'reasons', `${code}.what`), 'what happened');
  const text = await shown.innerText();
  const details = shown.locator('details');
  assert.equal(await details.getAttribute('open'), null, 'the evidence is folded');
  await shown.locator('summary').click();
  const unfolded = await details.innerText();
  assert.ok(unfolded.includes(code), `the code: ${unfolded}`);
  assert.match(unfolded, evidence);
  await shown.getByRole('button', { name: 'Copy report' }).click();
  const report = await eventually(
    'the report is copied',
    async () => {
      const copied = await app.page.evaluate<string>(`globalThis.uiCopied ?? ''`);
      return copied === '' ? undefined : copied;
    },
    3_000,
  );
  assert.ok(report.includes(what) && report.includes(code), 'the report');
  await app.button('Try again').waitFor();
  const buttons = (await app.page.getByRole('main').getByRole('button').allInnerTexts()).filter((name) => name !== '');
  const places = [what, word('en', 'reasons', `${code}.advice`), 'Details for the administrator', 'Copy report'].map((part) =>
    text.indexOf(part),
  );
  assert.ok(
    places.every((place, index) => place >= 0 && place > (places[index - 1] ?? -1)),
    `four parts in their order: ${places.join(' ')}`,
  );
  return `${what} [${buttons.join('] [')}]`;
}

/** What is copied can be asked for: headless Chromium lets nobody read the clipboard under this policy. */
export async function hearCopies(app: App): Promise<void> {
  await app.run(`(() => {
    const write = navigator.clipboard.writeText.bind(navigator.clipboard);
    navigator.clipboard.writeText = (text) => { globalThis.uiCopied = text; return write(text); };
  })()`);
}

async function fail(world: World, code: ReasonCode, setting: Setting): Promise<string> {
  await world.profile(setting.profile);
  if (setting.misbehave) await world.misbehave(setting.misbehave);
  if (setting.block) await world.block(setting.block);
  const app = await world.open();
  await hearCopies(app);
  await app.press('Connect');
  const said = await judgeCard(app, code, setting.withinMs ?? 12_000, setting.evidence);
  await app.picture(`failed-${code}`);
  const { state, failure } = await world.status();
  assert.equal(state, 'failed');
  assert.equal(failure?.code, code);
  return said;
}

function shows(name: string, code: ReasonCode, setting: Setting, smoke?: true): Case {
  return { name: `failures/${name}`, ...(smoke && { smoke }), run: (world) => fail(world, code, setting) };
}

export const failures: readonly Case[] = [
  shows(
    'a name nobody has',
    'name-not-resolved',
    { profile: { gateway: 'nowhere.office.test' }, evidence: /nowhere\.office\.test/ },
    true,
  ),
  shows('a gateway that does not answer', 'no-answer', { profile: { tcp: 'never' }, block: 'ike', withinMs: 60_000 }),
  shows('a gateway that goes silent', 'no-answer-auth', { profile: { tcp: 'never' }, block: 'natt', withinMs: 60_000 }),
  shows('a wrong key in the profile', 'authentication-failed', { profile: { secret: 'not the key that the office has' } }),
  shows('nothing in common', 'no-proposal-chosen', { profile: { ikeProposals: ['aes192-sha256-x25519'] } }),
  shows('nothing in common for the data', 'child-no-proposal-chosen', { profile: { espProposals: ['aes192-sha256'] } }),
  shows('a gateway of another name', 'gateway-identity', {
    profile: { remoteId: 'vpn.elsewhere.test' },
    evidence: /vpn\.office\.test/,
  }),
  shows('an impostor', 'gateway-identity', { misbehave: 'wrong-identity', evidence: /evil/ }),
  shows('a gateway that cannot prove itself', 'gateway-authentication-failed', { misbehave: 'wrong-auth' }),
  shows('a gateway that chooses what nobody offered', 'gateway-misbehaved', { misbehave: 'proposal-not-offered' }),
  shows('no address left', 'no-address', { misbehave: 'no-address' }),
  shows('networks the gateway will not carry', 'ts-unacceptable', { misbehave: 'ts-unacceptable' }),
  shows('a key exchange the profile does not have', 'ke-refused', { misbehave: 'invalid-ke-not-offered' }),
  shows('a gateway that hangs up at once', 'closed-by-gateway', { misbehave: 'delete-right-after-auth' }),
  {
    name: 'failures/try again after the cause is gone',
    run: async (world) => {
      await world.profile();
      await world.misbehave('wrong-auth');
      const app = await world.open();
      await app.press('Connect');
      await card(app).waitFor();
      await world.misbehave();
      await app.press('Try again');
      await world.state('connected');
      await card(app).waitFor({ state: 'detached' });
      return 'connected';
    },
  },
  {
    name: 'failures/a failure of another window shows here too',
    run: async (world) => {
      const { id } = await world.profile({ gateway: 'nowhere.office.test' });
      const app = await world.open();
      await world.call('tunnel.up', { profile: id });
      await world.state('failed');
      await card(app).waitFor();
      return await card(app).getByRole('heading').first().innerText();
    },
  },
];
