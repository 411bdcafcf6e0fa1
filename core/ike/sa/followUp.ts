/** IKE_FOLLOWUP_KE at work, for who asked: after a CREATE_CHILD_SA that agreed on additional key exchanges, to the SA or to nothing. */
import type { Random } from '../../crypto/types.ts';
import type { CreateVerdict, Fresh } from '../exchanges/createChild.ts';
import { wipeFresh } from '../exchanges/createChild.ts';
import { FollowupRequests } from '../exchanges/followupKe.ts';
import type { ChildSuite, IkeSuite } from '../negotiation.ts';
import { EXCHANGE, NOTIFY } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import type { IkeSa } from './ikeSa.ts';

/**
 * `verdict` is what the answer to CREATE_CHILD_SA was read as. `done` is called at once where nothing is to follow, and otherwise with what became of
 * it; while the SA is not established any more, nothing is sent.
 */
export function followUp<T extends Fresh & { readonly suite: IkeSuite | ChildSuite }>(
  sa: IkeSa,
  verdict: CreateVerdict<T>,
  answer: readonly Payload[],
  random: Random,
  now: number,
  done: (verdict: CreateVerdict<T>, now: number) => void,
): void {
  if (verdict.kind !== 'agreed' || verdict.agreed.suite.additional.length === 0 || sa.state !== 'established') {
    done(verdict, now);
    return;
  }
  const { agreed } = verdict;
  const requests = new FollowupRequests(agreed.suite.additional, answer, random);
  const fail = (other: Exclude<CreateVerdict<T>, { readonly kind: 'agreed' }>, at: number) => {
    wipeFresh(agreed);
    done(other, at);
  };
  const ask = (at: number): void => {
    const payloads = requests.build();
    if (!payloads) {
      const evidence = 'no ADDITIONAL_KEY_EXCHANGE in CREATE_CHILD_SA response';
      fail({ kind: 'refused', type: NOTIFY.STATE_NOT_FOUND, evidence }, at);
      return;
    }
    sa.request(
      {
        exchange: EXCHANGE.IKE_FOLLOWUP_KE,
        build: () => payloads,
        process(response, then) {
          const followed = requests.read(response);
          if (followed.kind === 'more' && sa.state === 'established') ask(then);
          else if (followed.kind === 'more')
            fail({ kind: 'refused', type: NOTIFY.TEMPORARY_FAILURE, evidence: 'the IKE SA ends' }, then);
          else if (followed.kind === 'done') done({ kind: 'agreed', agreed: { ...agreed, more: followed.secrets } }, then);
          else fail(followed, then);
        },
      },
      at,
    );
  };
  ask(now);
}
