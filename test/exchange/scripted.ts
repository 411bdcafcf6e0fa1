/** A session, and a gateway of which the test says each answer: for those that no session of ours would be. One IKE SA, in order, nothing lost. */
import { IkeSa } from '../../core/ike/sa/ikeSa.ts';
import { Narrator } from '../../core/ike/sa/narrator.ts';
import { EXCHANGE } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { firstIkeSa, Side, type SideOptions } from './sessions.ts';
import { clientAt, gatewayAt, seededRandom, timing } from './world.ts';

/** What the gateway answers; undefined: nothing at all. */
export type Answering = (payloads: readonly Payload[]) => readonly Payload[] | undefined;

export class Scripted {
  readonly client: Side;
  readonly gateway: IkeSa;
  /** Each CREATE_CHILD_SA request of the client. */
  readonly asked: (readonly Payload[])[] = [];
  now = 1;
  readonly #outbox: Uint8Array[] = [];

  constructor(options: SideOptions, createChild: Answering, children = 1) {
    this.client = new Side('initiator', options);
    for (let i = 1; i <= children; i++) this.client.addChild(i);
    this.gateway = new IkeSa({
      role: 'responder',
      ...firstIkeSa(),
      ...{ timing: { ...timing, livenessAfter: 0 }, random: seededRandom('scripted'), keyLog: false, version: 'scripted' },
      ...{ channel: 'natt', remote: clientAt('natt'), nextRequestId: 0, expectedRequestId: 0, fragmentSize: undefined },
      ...{ closeWithoutChild: false, followPeer: false },
      narrator: new Narrator(() => {}),
      handlers: {
        [EXCHANGE.CREATE_CHILD_SA]: (payloads) => {
          this.asked.push(payloads);
          const answer = createChild(payloads);
          return answer && { payloads: answer };
        },
      },
      emit: (output) => {
        if (output.kind === 'transmit') this.#outbox.push(output.bytes);
      },
    });
    this.gateway.authenticated(0);
  }

  /** Carries all there is. */
  settle(): void {
    for (let i = 0; i < 1_000; i++) {
      const up = this.client.outbox.shift();
      const down = up ? undefined : this.#outbox.shift();
      const bytes = up ?? down;
      if (!bytes) return;
      this.now += 1;
      const parsed = parseMessage(bytes.slice());
      if (!parsed.ok) throw new Error(parsed.error.place);
      if (up) this.gateway.receive(parsed.value, bytes, 'natt', clientAt('natt'), this.now);
      else this.client.session.receive(parsed.value, bytes, 'natt', gatewayAt('natt'), this.now);
    }
    throw new Error('they talk without end');
  }

  /** Lets time pass, and carries everything. */
  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (;;) {
      this.settle();
      const due = Math.min(this.client.session.deadline() ?? Infinity, this.gateway.deadline() ?? Infinity);
      if (due > end) break;
      this.now = Math.max(this.now, due);
      this.client.session.tick(this.now);
      this.gateway.tick(this.now);
    }
    this.now = Math.max(this.now, end);
  }
}
