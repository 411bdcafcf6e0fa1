import type { EapConfig, EapMethodName } from './contract.ts';
import { Conversation } from './conversation.ts';
import { Md5Challenge } from './md5.ts';
import type { EapMethod, MethodContext } from './method.ts';
import { MsChapV2 } from './mschapv2.ts';
import { PeapPhase } from './peap.ts';
import { EapTlsPhase } from './tlsPhase.ts';
import { type TlsPhase, TlsTunnel } from './tlsTunnel.ts';
import { TokenMethod } from './tokens.ts';
import { TtlsEapPhase, TtlsMsChapPhase, TtlsPapPhase } from './ttls.ts';

export function createMethod(name: EapMethodName, context: MethodContext): EapMethod {
  switch (name) {
    case 'mschapv2':
      return new MsChapV2(context);
    case 'md5':
      return new Md5Challenge(context);
    case 'gtc':
    case 'otp':
      return new TokenMethod(name, context);
    case 'tls':
      return new TlsTunnel('tls', new EapTlsPhase());
    case 'peap':
      return new TlsTunnel('peap', new PeapPhase(innerConversation(context)));
    case 'ttls':
      return new TlsTunnel('ttls', ttlsPhase(context));
  }
}

/** RFC 5281 §11.2: in TTLS the client chooses, and can not choose again; so it is the first of the list. */
function ttlsPhase(context: MethodContext): TlsPhase {
  if (context.inner[0] === 'mschapv2-attributes') return new TtlsMsChapPhase(context);
  if (context.inner[0] === 'pap') return new TtlsPapPhase(context);
  return new TtlsEapPhase(context, innerConversation(context));
}

/** Inside a tunnel to a server that proved itself; no tunnel in a tunnel. */
function innerConversation(context: MethodContext): Conversation {
  const allowed = context.inner.filter(isEapMethod);
  return new Conversation(allowed, createInner, { value: context.identity() }, context);
}

function createInner(name: EapMethodName, context: MethodContext): EapMethod {
  return createMethod(name, context);
}

function isEapMethod(name: EapConfig['inner'][number]): name is 'mschapv2' | 'gtc' | 'md5' {
  return name === 'mschapv2' || name === 'gtc' || name === 'md5';
}
