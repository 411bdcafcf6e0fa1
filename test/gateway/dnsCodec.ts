/**
 * As much of RFC 1035 as an authoritative server for a handful of addresses needs: one question in, A and AAAA records out.
 * Names are compressed to a pointer at the question, which is the owner of every record we send.
 */
import { Reader } from '../../core/bytes/reader.ts';
import { Writer } from '../../core/bytes/writer.ts';
import { CLASS_IN, FLAGS, RECORD } from '../../core/helper/dnsMessage.ts';

export interface Question {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  /** The question section as it came, echoed in the answer (resolvers check its letter case). */
  readonly section: Uint8Array;
}

/** The one question of a query; undefined where the datagram is not a standard query with exactly one question of class IN. */
export function parseQuestion(datagram: Uint8Array): Question | undefined {
  const reader = new Reader(datagram);
  const id = reader.u16();
  const flags = reader.u16();
  const questions = reader.u16();
  reader.bytes(6); // counts of the other sections: EDNS and cookies are ignored, as RFC 6891 §7 lets an old server do
  if (reader.short || (flags & (FLAGS.response | FLAGS.opcode)) !== 0 || questions !== 1) return undefined;
  const from = reader.offset;
  const labels: string[] = [];
  for (;;) {
    const length = reader.u8();
    // RFC 1035 §4.1.4: a question is the first name, so a pointer in it can only point at nonsense.
    if (length > 63 || labels.length > 127) return undefined;
    if (length === 0) break;
    labels.push(String.fromCharCode(...reader.bytes(length)).toLowerCase());
  }
  const type = reader.u16();
  const classNumber = reader.u16();
  if (reader.short || classNumber !== CLASS_IN) return undefined;
  const section = datagram.slice(from, reader.offset);
  return { id, recursionDesired: (flags & FLAGS.recursionDesired) !== 0, name: labels.join('.'), type, section };
}

/** An answer to `question`: `addresses` are 4 or 16 octets each and become A or AAAA records. */
export function encodeAnswer(question: Question, rcode: number, addresses: readonly Uint8Array[], ttl: number): Uint8Array {
  const writer = new Writer(512);
  const flags = FLAGS.response | FLAGS.authoritative | (question.recursionDesired ? FLAGS.recursionDesired : 0) | rcode;
  writer.u16(question.id).u16(flags).u16(1).u16(addresses.length).u16(0).u16(0).bytes(question.section);
  for (const address of addresses) {
    writer.u16(0xc00c); // pointer to offset 12: the question's name
    writer
      .u16(address.length === 4 ? RECORD.A : RECORD.AAAA)
      .u16(CLASS_IN)
      .u32(ttl)
      .u16(address.length)
      .bytes(address);
  }
  return writer.finish();
}
