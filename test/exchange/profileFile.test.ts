/** What a profile file says, as the gateway gets to hear it: from the text to the dialogue. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ok } from '../../core/bytes/result.ts';
import { furtherSelectors, ikeConfig } from '../../core/helper/ikeConfig.ts';
import { pskBothWays } from '../../core/ike/auth/psk.ts';
import type { IkeConfig } from '../../core/ike/sa/contract.ts';
import { selectorText } from '../../core/ike/wire/selectorText.ts';
import { importProfile } from '../../core/profile/import.ts';
import type { Profile } from '../../core/profile/model.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { identity, SECRET } from '../gateway/fixtures.ts';
import { profileText } from '../unit/profile/sample.ts';
import { agreed, LONG, meet } from './office.ts';

const path = { local: '192.168.77.2', remote: '198.51.100.10', localPorts: { ike: 500, natt: 4500 } };

function read(changes: Readonly<Record<string, unknown>>): { readonly profile: Profile; readonly client: IkeConfig } {
  const imported = importProfile(profileText(changes));
  assert.ok(imported.ok);
  const profile = { ...imported.value.profile, id: 'office' };
  const proof = { auth: pskBothWays(SECRET), localIdentity: () => ok(identity('alice@office.test')) };
  const config = ikeConfig(profile, proof, path, 'Sallyport');
  assert.ok(config.ok);
  return { profile, client: config.value };
}

const authRequest = (conversation: Conversation) =>
  String(conversation.outputs('log').find(({ text }) => text === 'sent IKE_AUTH request')?.fields?.payloads);

test('MOBIKE is offered unless the file says no', () => {
  const usual = meet({ client: read({}).client, office: { mobike: {} } });
  agreed(usual);
  assert.match(authRequest(usual), /N\(MOBIKE_SUPPORTED\)/);
  const without = meet({ client: read({ mobike: false }).client, office: { mobike: {} } });
  agreed(without);
  assert.doesNotMatch(authRequest(without), /MOBIKE/);
});

test('each further entry has a CHILD SA of its own, once the first stands', () => {
  const further = [{ remoteNetworks: ['10.10.2.0/24', '10.10.3.7/24'] }, { remoteNetworks: ['fd10:10::2:0/112'] }];
  const { client, profile } = read({ remoteNetworks: ['10.10.1.0/24'], additionalChildren: further });
  assert.deepEqual(
    furtherSelectors(profile).map((each) => each.map(selectorText)),
    [['10.10.2.0/24', '10.10.3.0/24'], ['fd10:10::2:0/112']],
  );
  const conversation = meet({ client });
  conversation.run(LONG, () => conversation.outputs('install-child').length === 3);
  // CREATE_CHILD_SA request: SA Ni TSi TSr → ← CREATE_CHILD_SA response: SA Nr TSi TSr, twice
  const made = conversation.outputs('install-child').map(({ child }) => child.remoteSelectors.map(selectorText));
  assert.deepEqual(made, [['10.10.1.0/24'], ['10.10.2.0/24', '10.10.3.0/24'], ['fd10:10::2:0/112']]);
  const ours = conversation.outputs('install-child').map(({ child }) => child.localSelectors.map(selectorText));
  // The address of IPv6 was asked for, though the first has no use for it.
  assert.deepEqual(ours, [['10.10.99.1/32'], ['10.10.99.1/32'], ['fd10:99::1/128']]);
});

test('a family that the profile does not want is left out of a further one', () => {
  const { client } = read({ ipv6: false, additionalChildren: [{ remoteNetworks: ['10.10.2.0/24', 'fd10:10::/64'] }] });
  assert.deepEqual(
    client.additionalChildren?.map(({ localSelectors, remoteSelectors }) =>
      [localSelectors, remoteSelectors].map((each) => each.map(selectorText)),
    ),
    [[['0.0.0.0/0'], ['10.10.2.0/24']]],
  );
  assert.equal(client.request.ipv6, false);
});
