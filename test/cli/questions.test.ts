/** What a gateway asks while `up` waits: name, password, code, PIN; at a terminal, from files, cancelled, wrong. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { IkeAnswer, IkeAsk } from '../../core/ike/auth/contract.ts';
import { reasons } from '../../core/tunnel/reasons.ts';
import { comesUp, type Script } from '../unit/tunnel/fakes.ts';
import { assertRefused, command } from './command.ts';
import { type FakeHelper, startFakeHelper } from './fakeHelper.ts';
import { terminal } from './terminal.ts';

// The client refuses a helper that is not root's.
const skip = process.getuid?.() === 0 ? false : 'needs root: the client trusts a socket of root only';
const PASSWORD = 'zebra-quagga-okapi';
const WRONG = 'giraffe-not-right';
const CODE = '271828';

type Want = Extract<IkeAsk, { readonly kind: 'credential' }>['want'];

/** A gateway that asks for these one after the other, each until it is right. */
function gatewayAsking(...questions: readonly (readonly [Want, string, string])[]): Script {
  let at = 0;
  let attempt = 1;
  return (input, emit) => {
    const ask = () => {
      const [want, text] = questions[at] ?? ['password', ''];
      emit({
        kind: 'ask',
        id: at * 10 + attempt,
        ask: { kind: 'credential', want, text, identity: want === 'identity' ? '' : 'alice', attempt },
      });
    };
    if (input.kind === 'start') {
      at = 0;
      attempt = 1;
      emit({ kind: 'progress', step: 'sa-init' });
      emit({ kind: 'progress', step: 'auth' });
      ask();
    } else if (input.kind === 'answer') {
      const said = textOf(input.answer);
      if (input.answer.kind === 'refused') emit({ kind: 'closed', failure: input.answer.failure });
      else if (said === undefined)
        emit({ kind: 'closed', failure: { code: 'credential-cancelled', evidence: 'nobody said anything' } });
      else if (said === questions[at]?.[2]) {
        at += 1;
        attempt = 1;
        if (at < questions.length) ask();
        else comesUp({ kind: 'start' }, emit);
      } else {
        attempt += 1;
        ask();
      }
    } else comesUp(input, emit);
  };
}

function textOf(answer: IkeAnswer): string | undefined {
  return answer.kind === 'credential' ? new TextDecoder().decode(answer.value) : undefined;
}

const helpers: FakeHelper[] = [];
after(async () => {
  for (const helper of helpers) await helper.close();
});

function helperAsking(...questions: readonly (readonly [Want, string, string])[]): Promise<FakeHelper> {
  return helperWith(gatewayAsking(...questions));
}

async function helperWith(script: Script): Promise<FakeHelper> {
  const helper = await startFakeHelper({ script });
  helpers.push(helper);
  const fields = ['name=Office', 'gateway=127.0.0.1', 'ipv6=no', 'auth=eap', 'eap={"methods":["mschapv2","gtc"]}'];
  const created = await command(helper.socket, ['create', ...fields]);
  assert.equal(created.code, 0, created.stderr);
  return helper;
}

test('name, password and code at a terminal, with the gateway’s words; wrong, then right; only the name is shown', {
  skip,
}, async () => {
  const { socket, journal } = await helperAsking(
    ['identity', '', 'alice'],
    ['password', 'Domain OFFICE', PASSWORD],
    ['code', 'Enter the code on your token', CODE],
  );
  const it = terminal(socket, 'up', 'Office');
  await it.says('User name: ');
  it.type('alicx\x7fe\r');
  await it.says('The gateway says: Domain OFFICE. Password of alice: ');
  const waiting = await command(socket, ['status']);
  assert.match(waiting.stdout, /^ {2}Asked for +password of alice, Domain OFFICE$/m);
  it.type(`${WRONG}\r`);
  await it.says('That was not right. The gateway says: Domain OFFICE. Password of alice: ');
  it.type(`${PASSWORD}\r`);
  await it.says('The gateway says: Enter the code on your token. Code of alice: ');
  it.type(`${CODE}\r`);
  assert.equal(await it.ended, 0, it.said());
  assert.match(it.said(), /User name: alicx[\b ]+e/);
  assert.match(it.said(), /Connected: Office/);
  for (const secret of [PASSWORD, WRONG, CODE]) {
    assert.equal(it.said().includes(secret), false, 'what is typed is not echoed');
    assert.equal(journal.join('').includes(secret), false);
  }
});

test('a PIN; Ctrl-C cancels and leaves nothing', { skip }, async () => {
  const { socket, world } = await helperAsking(['pin', 'PIN of the card', '1234']);
  const it = terminal(socket, 'up', 'Office');
  await it.says('PIN of alice: ');
  it.type('\x03');
  assert.equal(await it.ended, reasons.cancelled.exitCode, it.said());
  assert.equal((await command(socket, ['status'])).stdout, 'Not connected\n');
  assert.equal(world.open.size, 0);
});

test('scripts answer from files, each question once', { skip }, async () => {
  const helper = await helperAsking(['identity', '', 'alice'], ['password', '', PASSWORD], ['code', '', CODE]);
  const { socket, folder, journal } = helper;
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const code = ['--code-file', write('code', `${CODE}\n`)];
  const up = ['up', 'Office', '--user', 'alice', '--password-file', '-', ...code];
  const right = await command(socket, ['--json', ...up], `${PASSWORD}\n`);
  assert.equal(JSON.parse(right.stdout).connected, true, right.stdout);
  await command(socket, ['down']);
  const wrong = await command(socket, up, `${WRONG}\n`);
  assertRefused(wrong, 'password-wrong', /refused, and asked for again/);
  assertRefused(
    await command(socket, ['up', 'Office', '--user', 'alice']),
    'profile-secret-missing',
    /no terminal to ask for the password on/,
  );
  assertRefused(
    await command(socket, ['up', 'Office', '--code-file', '-', '--password-file', '-'], 'x'),
    'usage',
    /one of the files only/,
  );
  assert.equal((await command(socket, ['status'])).stdout, 'Not connected\n');
  for (const secret of [PASSWORD, WRONG, CODE]) assert.equal(journal.join('').includes(secret), false);
});

test('what is asked elsewhere is answered by `answer`: a new login while connected, and an `up` that waits', {
  skip,
}, async () => {
  const asking = gatewayAsking(['code', 'Enter the code on your token', CODE]);
  // Any datagram is the word that the login runs out.
  const helper = await helperWith((input, emit) => {
    if (input.kind === 'datagram') emit({ kind: 'reauthenticate', within: 60_000 });
    else asking(input, emit);
  });
  const { socket, tunnel, journal } = helper;
  assertRefused(await command(socket, ['answer']), 'prompt-unknown', /nothing is asked now/);

  const up = terminal(socket, 'up', 'Office');
  await up.says('Code of alice: ');
  const wrong = await command(socket, ['answer', '--code-file', '-'], `${WRONG}\n`);
  assertRefused(wrong, 'eap-refused', /not the right one|refused/);
  const right = await command(socket, ['--json', 'answer', '--code-file', '-'], `${CODE}\n`);
  assert.equal(right.code, 0, right.stderr);
  assert.deepEqual([JSON.parse(right.stdout).answered, JSON.parse(right.stdout).status.state], [true, 'connected']);
  assert.equal(await up.ended, 0, up.said());

  tunnel.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  const it = terminal(socket, 'answer');
  await it.says('The gateway says: Enter the code on your token. Code of alice: ');
  const { state, children } = JSON.parse((await command(socket, ['--json', 'status'])).stdout);
  assert.deepEqual([state, children.length], ['rekeying', 1], 'it is connected all the while');
  assert.match((await command(socket, ['status'])).stdout, /^ {2}Answer with +`sallyport answer`$/m);
  it.type(`${CODE}\r`);
  assert.equal(await it.ended, 0, it.said());
  assert.match(it.said(), /Answered, and connected\./);
  assert.equal(`${it.said()}${journal.join('')}`.includes(CODE), false);
  assertRefused(await command(socket, ['answer', '--code-file', '-'], `${CODE}\n`), 'prompt-unknown', /nothing is asked now/);
  assert.equal((await command(socket, ['down'])).code, 0);
});

test('`answer` says so when the new login was refused, though the connection before it is still there', { skip }, async () => {
  const asking = gatewayAsking(['code', '', CODE]);
  const refused = { code: 'account-disabled', evidence: 'E=647' } as const;
  let logins = 0;
  const helper = await helperWith((input, emit) => {
    if (input.kind === 'datagram') emit({ kind: 'reauthenticate', within: 60_000 });
    else if (input.kind === 'answer' && ++logins > 1) emit({ kind: 'closed', failure: refused });
    else asking(input, emit);
  });
  const { socket, tunnel } = helper;
  assert.equal((await command(socket, ['up', 'Office', '--code-file', '-'], `${CODE}\n`)).code, 0);
  const state = async () => JSON.parse((await command(socket, ['--json', 'status'])).stdout);
  const before = await state();
  tunnel.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  const answered = await command(socket, ['answer', '--code-file', '-'], `${CODE}\n`);
  assertRefused(answered, 'account-disabled', /E=647; the connection of the login before goes on/);
  const after = await state();
  assert.deepEqual([after.state, after.ike, after.renewalFailure.code], ['connected', before.ike, 'account-disabled']);
  assert.match((await command(socket, ['status'])).stdout, /^ {2}New login +.*\n {2}Advice +.*\n {2}Evidence +E=647$/m);

  // The next one begins anew.
  logins = 0;
  tunnel.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  assert.equal((await state()).renewalFailure, undefined);
  const right = await command(socket, ['answer', '--code-file', '-'], `${CODE}\n`);
  assert.equal(right.code, 0, right.stderr);
  assert.equal((await state()).renewalFailure, undefined);
});

test('a lost tunnel whose login asks is left as it was by an `up` that is cancelled at the question, or has no answer', {
  skip,
}, async () => {
  const asking = gatewayAsking(['code', '', CODE]);
  const { socket, tunnel } = await helperWith((input, emit) => {
    if (input.kind === 'datagram') emit({ kind: 'closed', failure: { code: 'gateway-lost', evidence: 'no answer' } });
    else asking(input, emit);
  });
  const first = terminal(socket, 'up', 'Office');
  await first.says('Code of alice: ');
  first.type(`${CODE}\r`);
  assert.equal(await first.ended, 0, first.said());
  tunnel.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  for (const _ of ['while it is lost', 'while it asks']) {
    const it = terminal(socket, 'up', 'Office');
    await it.says('Code of alice: ');
    it.type('\x03');
    assert.equal(await it.ended, reasons['not-waited-for'].exitCode, it.said());
  }
  assertRefused(await command(socket, ['up', 'Office']), 'profile-secret-missing', /no terminal/);
  const { state, failure } = JSON.parse((await command(socket, ['--json', 'status'])).stdout);
  assert.deepEqual([state, failure.code], ['waiting', 'gateway-lost']);
  assert.equal((await command(socket, ['down'])).code, 0);
});
