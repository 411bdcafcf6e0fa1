/** What a gateway, or somebody on the way who sees IKE_SA_INIT, can ask of a client's processor (RFC 8019). */
import { NOTIFY, TRANSFORM } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { onSaInitAnswer } from './misbehaveTransport.ts';
import type { Misbehaviour, MisbehaviourContext } from './misbehaviours.ts';

/** Of a PRF that the client offered, with a cookie that is another every time. */
function puzzle(bits: number) {
  return ({ random, request }: MisbehaviourContext): readonly Payload[] => [
    notify(NOTIFY.COOKIE, random(32)),
    notify(NOTIFY.PUZZLE, Uint8Array.of(0, prfOf(request), bits)),
  ];
}

function prfOf(payloads: readonly Payload[]): number {
  const offered = findPayload(payloads, 'SA')?.proposals.flatMap(({ transforms }) => transforms) ?? [];
  return offered.find(({ type }) => type === TRANSFORM.PRF)?.id ?? 0;
}

export const puzzleMisbehaviours = [
  {
    name: 'endless-puzzle',
    what: 'has another puzzle for every one that is solved',
    clause: 'RFC 8019 §7.1.5, S10',
    hooks: { insteadOfSaInit: puzzle(8) },
  },
  {
    name: 'puzzle-too-hard',
    what: 'wants 255 zero bits',
    clause: 'RFC 8019 §7.1.1.1, S10',
    hooks: { insteadOfSaInit: puzzle(255) },
  },
  {
    name: 'puzzle-without-cookie',
    what: 'gives a puzzle without the text to work on',
    clause: 'RFC 8019 §7.1.2',
    hooks: { insteadOfSaInit: (context) => puzzle(8)(context).slice(1) },
  },
  {
    name: 'puzzle-of-unknown-prf',
    what: 'gives a puzzle for a PRF that nobody offered, and then a cookie alone',
    clause: 'RFC 8019 §7.1.1.2',
    hooks: {
      insteadOfSaInit: ({ random }) => [notify(NOTIFY.COOKIE, random(32)), notify(NOTIFY.PUZZLE, Uint8Array.of(3, 0xe7, 8))],
    },
  },
  {
    name: 'puzzle-cut-short',
    what: 'gives half a puzzle',
    clause: 'RFC 8019 §8.1, S15',
    hooks: { insteadOfSaInit: ({ random }) => [notify(NOTIFY.COOKIE, random(32)), notify(NOTIFY.PUZZLE, Uint8Array.of(0))] },
  },
  {
    name: 'auth-puzzle-too-hard',
    what: 'wants 255 zero bits before IKE_AUTH',
    clause: 'RFC 8019 §7.2.1.1, S10',
    hooks: {
      saInitAnswer: (honest, context) => [...honest, notify(NOTIFY.PUZZLE, Uint8Array.of(0, prfOf(context.request), 255))],
    },
  },
  {
    name: 'auth-puzzle-of-unknown-prf',
    what: 'gives a puzzle before IKE_AUTH for a PRF that nobody offered',
    clause: 'RFC 8019 §7.2.1.2',
    hooks: { saInitAnswer: (honest) => [...honest, notify(NOTIFY.PUZZLE, Uint8Array.of(3, 0xe7, 8))] },
  },
  {
    name: 'auth-puzzle-at-once',
    what: 'gives a puzzle before IKE_AUTH and had none before that, of a difficulty that is for us to choose',
    clause: 'RFC 8019 §7.2.1, §7.2.1.1',
    hooks: { saInitAnswer: (honest, context) => [...honest, notify(NOTIFY.PUZZLE, Uint8Array.of(0, prfOf(context.request), 0))] },
  },
  {
    name: 'forged-puzzle',
    what: 'puzzles of somebody on the way come before the genuine IKE_SA_INIT answer',
    clause: 'RFC 8019 §7.1.2, S10, S12',
    hooks: {
      datagrams: onSaInitAnswer((bytes) => {
        const parsed = parseMessage(bytes);
        if (!parsed.ok) return [bytes];
        const header = { ...parsed.value.header, spiR: new Uint8Array(8) };
        const prf = prfOf(parsed.value.payloads);
        const forged = (cookie: number) =>
          encodeMessage(header, [
            notify(NOTIFY.COOKIE, new Uint8Array(32).fill(cookie)),
            notify(NOTIFY.PUZZLE, Uint8Array.of(0, prf, 20)),
          ]);
        return [forged(1), forged(2), bytes];
      }),
    },
  },
] as const satisfies readonly Misbehaviour[];
