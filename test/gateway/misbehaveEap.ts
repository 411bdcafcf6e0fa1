/** What an office can do wrong around EAP (SECURITY.md 1–5): its EAP server, and the IKE_AUTH rounds that carry it. */
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { Writer } from '../../core/bytes/writer.ts';
import { AUTH_METHOD, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import type { EapMisbehaviour } from './eap/serverMethod.ts';
import { without } from './misbehaveInit.ts';
import type { Misbehaviour, MisbehaviourContext } from './misbehaviours.ts';

const needs = 'eap';

export const eapMisbehaviours = [
  {
    name: 'eap-before-gateway',
    what: 'starts EAP without having proven who it is',
    clause: 'RFC 7296 §2.16, S3, S4',
    needs,
    hooks: { authAnswer: inRound(0, (honest) => honest.filter(({ kind }) => kind !== 'AUTH' && kind !== 'CERT')) },
  },
  {
    name: 'eap-bad-signature',
    what: 'starts EAP with a signature that is not its own',
    clause: 'RFC 7296 §2.15, S3',
    needs,
    hooks: {
      sign: (honest) => {
        const data = honest.data.slice();
        data[data.length - 1] ^= 1;
        return { ...honest, data };
      },
    },
  },
  {
    name: 'eap-without-certificate',
    what: 'starts EAP with a signature and no certificate to check it by',
    clause: 'RFC 7296 §2.16, §3.6, S4',
    needs,
    hooks: { authAnswer: inRound(0, without('CERT')) },
  },
  {
    name: 'eap-without-auth',
    what: 'starts EAP with its certificate, which anybody can show, and no AUTH',
    clause: 'RFC 7296 §2.16, S4',
    needs,
    hooks: { authAnswer: inRound(0, without('AUTH')) },
  },
  server('success-at-once', 'sends EAP Success before any method', 'RFC 3748 §4.2, S1 (CVE-2021-45079)'),
  server('success-after-identity', 'sends EAP Success for a name alone', 'RFC 3748 §4.2, S1'),
  server('success-before-proof', 'sends EAP Success before the method is over', 'RFC 2759 §5, S1'),
  server('success-without-proof', 'leaves out the S= of MSCHAPv2', 'RFC 2759 §5, S2'),
  server('success-wrong-proof', 'sends a wrong S=, as who does not know the password', 'RFC 2759 §5, S2'),
  refusal('of-3-octets', Uint8Array.of(4, 1, 0)),
  refusal('of-4-octets', Uint8Array.of(4, 1, 0, 4)),
  refusal('of-5-octets', Uint8Array.of(4, 1, 0, 5, 0x45)),
  refusal('too-short-for-itself', Uint8Array.of(4, 1, 0, 3, 0x45)),
  refusal('longer-than-sent', Uint8Array.of(4, 1, 0xff, 0xff, 0x45, 0x3d)),
  refusal('odd-challenge', mschapFailure('E=691 R=1 C=123456789ABCDEF V=3 M=x')),
  refusal('without-words', mschapFailure('E=691 R=1 C=')),
  refusal('of-1000-octets', mschapFailure(`E=691 R=0 M=${'x'.repeat(984)}`)),
  server('success-wrong-identifier', 'sends EAP Success for another packet than the last', 'RFC 3748 §4.2, S1'),
  server('second-method', 'starts another method when the first is over', 'RFC 3748 §2.1, S5'),
  server('identity-in-method', 'asks for the name again in the middle of a method', 'RFC 3748 §5.1'),
  server('endless-rounds', 'sends notifications without end', 'RFC 3748 §5.2, S10'),
  server('downgrade-md5', 'insists on MD5', 'RFC 3748 §5.4, S5'),
  server('expanded-type', 'insists on a method of its own', 'RFC 3748 §5.7, S5'),
  server('response-code', 'sends a response where a request is due', 'RFC 3748 §4.1'),
  server('wrong-length', 'sends an EAP length beyond its payload', 'RFC 3748 §4.1, S15'),
  {
    name: 'eap-failure-at-once',
    what: 'sends EAP Failure as the first thing',
    clause: 'RFC 7296 §2.16',
    needs,
    hooks: { eap: (_honest, count) => (count === 0 ? Uint8Array.of(4, 1, 0, 4) : _honest) },
  },
  {
    name: 'eap-endless-identity',
    what: 'asks for the name for ever',
    clause: 'RFC 3748 §5.1, S10',
    needs,
    hooks: { eapServer: 'endless-rounds', eap: (honest) => Uint8Array.of(1, honest[1], 0, 5, 1) },
  },
  {
    name: 'eap-failed-notify',
    what: 'says AUTHENTICATION_FAILED in the middle of EAP',
    clause: 'RFC 7296 §2.21.2',
    needs,
    hooks: { authAnswer: inRound(2, () => [notify(NOTIFY.AUTHENTICATION_FAILED)]) },
  },
  {
    name: 'eap-wrong-key',
    what: 'has another key than the one EAP made',
    clause: 'RFC 7296 §2.16, S1',
    needs,
    hooks: { eapKey: (_honest, random) => random(64) },
  },
  {
    name: 'eap-no-key',
    what: 'makes its AUTH from SK_pr although EAP made a key',
    clause: 'RFC 7296 §2.16, S1',
    needs,
    hooks: { eapKey: () => undefined },
  },
  {
    name: 'eap-last-auth-missing',
    what: 'leaves AUTH out when EAP is over',
    clause: 'RFC 7296 §2.16, S1',
    needs,
    hooks: {
      authAnswer: (honest) => (honest.some(({ kind }) => kind === 'SA') ? without('AUTH')(honest) : honest),
    },
  },
  {
    name: 'eap-auth-early',
    what: 'sends AUTH in the middle of EAP',
    clause: 'RFC 7296 §2.16',
    needs,
    hooks: { authAnswer: inRound(2, (honest) => [...honest, emptyAuth]) },
  },
  {
    name: 'eap-skipped',
    what: 'sends no EAP after its AUTH',
    clause: 'RFC 7296 §2.16, S1',
    needs,
    hooks: { authAnswer: inRound(0, without('EAP')) },
  },
  {
    name: 'eap-stops',
    what: 'sends nothing at all in the middle of EAP',
    clause: 'RFC 7296 §2.16',
    needs,
    hooks: { authAnswer: inRound(1, () => []) },
  },
  tlsServer('success-unfinished-tls', 'sends EAP Success when TLS is open and the method is not over', 'RFC 9190 §2.5, S1'),
  tlsServer('result-before-inner', 'says inside PEAP that all is well before anybody proved anything', 'MS-PEAP §3.1.5, S1'),
  tlsServer('wrong-binding', 'binds the method inside PEAP to another tunnel', 'MS-PEAP §3.1.5.6, S1'),
  tlsServer('tls-length', 'says that 4 GiB of TLS follow', 'RFC 5216 §3.1, S10'),
  tlsServer('fragments-without-end', 'sends fragments of TLS without end', 'RFC 5216 §2.1.5, S10'),
  {
    name: 'eap-other-name',
    what: 'starts EAP under another name, with its own certificate',
    clause: 'RFC 7296 §2.15, S3',
    needs,
    hooks: { authAnswer: inRound(0, (honest) => honest.map(renamed)) },
  },
] as const satisfies readonly Misbehaviour[];

/** The third packet of EAP, where MSCHAPv2 says whether the password was right, is a failure request of these octets. */
function refusal<N extends string>(name: N, request: Uint8Array) {
  return {
    name: `eap-failure-${name}`,
    what: `sends an MSCHAPv2 failure request ${name.replaceAll('-', ' ')}`,
    clause: 'RFC 2759 §6, S2 (CVE-2025-62291)',
    needs,
    hooks: {
      eap: (honest: Uint8Array, count: number) =>
        count === 2
          ? new Writer()
              .u8(1)
              .u8(honest[1])
              .u16(5 + request.length)
              .u8(26)
              .bytes(request)
              .finish()
          : honest,
    },
  } as const;
}

function mschapFailure(text: string): Uint8Array {
  const octets = fromUtf8(text);
  return new Writer()
    .u8(4)
    .u8(1)
    .u16(4 + octets.length)
    .bytes(octets)
    .finish();
}

function tlsServer<N extends EapMisbehaviour>(name: N, what: string, clause: string) {
  return { ...server(name, what, clause), needs: 'eap-tls' } as const;
}

function server<N extends EapMisbehaviour>(name: N, what: string, clause: string) {
  return { name: `eap-${name}`, what, clause, needs, hooks: { eapServer: name } } as const;
}

const emptyAuth: Payload = { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: new Uint8Array(32) };

function renamed(payload: Payload): Payload {
  return payload.kind === 'IDr' ? { ...payload, data: new Uint8Array(Buffer.from('evil.office.test')) } : payload;
}

function inRound(
  wanted: number,
  change: (honest: readonly Payload[]) => readonly Payload[],
): (honest: readonly Payload[], context: MisbehaviourContext) => readonly Payload[] {
  return (honest, { round }) => (round === wanted ? change(honest) : honest);
}
