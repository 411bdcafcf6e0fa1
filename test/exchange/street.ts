/** One embedded head office and those who come to it one after the other, or beside each other, on one clock. */
import type { IkeConfig } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import type { HeadOffice, HeadOfficeConfig } from '../gateway/config.ts';
import { Conversation } from '../gateway/conversation.ts';
import { answering, PASSWORD } from '../gateway/credentials.ts';
import { clientConfig, officeConfig, seededRandom } from '../gateway/fixtures.ts';
import { createHeadOffice } from '../gateway/responder.ts';
import { TicketStore } from '../gateway/standing.ts';

/** An office, those who visit it one after the other, and its tickets, which outlive it. */
export class Street {
  readonly store = new TicketStore();
  now = 1_000;
  office: HeadOffice;
  readonly #config: Partial<HeadOfficeConfig>;
  readonly #client: Partial<IkeConfig>;
  #visits = 0;

  constructor(config: Partial<HeadOfficeConfig> = {}, client: Partial<IkeConfig> = {}) {
    this.#config = config;
    this.#client = client;
    this.office = this.#open();
  }

  restart(config: Partial<HeadOfficeConfig> = {}): void {
    this.office = this.#open(config);
  }

  #open(config: Partial<HeadOfficeConfig> = {}): HeadOffice {
    const whole = { ...officeConfig, ...this.#config, ...config };
    return createHeadOffice(whole, { random: seededRandom(`office ${this.#visits}`), ticketStore: this.store });
  }

  visit(config: Partial<IkeConfig> = {}): Conversation {
    const conversation = this.come(config);
    conversation.run(100_000, () => conversation.outputs('install-child').length + conversation.outputs('closed').length > 0);
    conversation.run(100);
    this.now = conversation.now;
    return conversation;
  }

  come(config: Partial<IkeConfig> = {}): Conversation {
    const endpoint = (address: string, port: number) => ({ address, port });
    const random = seededRandom(`client ${this.#visits++}`);
    const conversation = new Conversation({
      machine: createInitiator({ ...clientConfig, ...this.#client, ...config }, { random, keyLog: false }),
      office: this.office,
      client: { ike: endpoint('198.51.100.1', 61_000), natt: endpoint('198.51.100.1', 61_001) },
      gateway: { ike: endpoint('198.51.100.10', 500), natt: endpoint('198.51.100.10', 4500) },
      answer: answering({ credentials: { password: [PASSWORD] } }),
    });
    conversation.now = this.now;
    conversation.tell({ kind: 'start' });
    return conversation;
  }
}
