import type { EapMethodName } from './contract.ts';
import type { EapMethod, MethodContext } from './method.ts';
import { TokenMethod } from './tokens.ts';

export function createMethod(name: EapMethodName, context: MethodContext): EapMethod {
  switch (name) {
    case 'gtc':
    case 'otp':
      return new TokenMethod(name, context);
    default:
      throw new Error(`EAP ${name} is not there yet`);
  }
}
