/**
 * Jobs for libipsec-mb: a batch of packets in one call. The library's manager has a ring of jobs, of which each burst takes the next; those of
 * an AEAD are done when the call returns. What is the same for all packets of an SA stays written in a job until another SA comes by.
 */
import {
  IMB_DIR_DECRYPT,
  IMB_DIR_ENCRYPT,
  IMB_JOB,
  IMB_MGR,
  IMB_ORDER_CIPHER_HASH,
  IMB_ORDER_HASH_CIPHER,
  IMB_STATUS_COMPLETED,
  type Manager,
  maxBurst,
  ringJobs,
} from '../../system/ffi/ipsecMb.ts';
import { addressOfPackets, type FixedAddresses, NativeBlock } from '../../system/ffi/nativeBlock.ts';
import { type CipherBatch, espHeaderBytes } from '../espCipher.ts';
import { copyIv8, sameOctets, writeAad } from '../espFrame.ts';
import { octetsBefore, sameWords, wordsOfPackets } from './packetWords.ts';

/** What the jobs of one SA have in common. The addresses are valid for as long as it is used. */
export interface BurstKey {
  /** Of `newKeyId`. */
  readonly id: number;
  readonly encryptKeys: number;
  readonly decryptKeys: number;
  readonly keyBytes: number;
  readonly cipherMode: number;
  readonly hash: number;
  readonly icvBytes: number;
  /** Four octets that the nonces begin with (RFC 4106 §4, RFC 7634 §2). */
  readonly salt: Uint8Array;
  readonly esn: boolean;
}

/** What is done with a packet. `reseal` enciphers and leaves the ICV behind it alone. */
type Purpose = 1 | 2 | 3;
const seal = 1;
const open = 2;
const reseal = 3;

let lastKeyId = 0;

/** Never given twice, so that nobody takes a job for prepared that belonged to somebody else. */
export function newKeyId(): number {
  lastKeyId += 1;
  return lastKeyId;
}

/** Offsets in words. */
const jobWords = IMB_JOB.size >>> 2;
const jobsAt = IMB_MGR.jobs >>> 2;
const nextJobAt = IMB_MGR.nextJob >>> 2;
const srcAt = IMB_JOB.src >>> 2;
const dstAt = IMB_JOB.dst >>> 2;
const cipherLengthAt = IMB_JOB.cipherLength >>> 2;
const hashLengthAt = IMB_JOB.hashLength >>> 2;
const tagPointerAt = IMB_JOB.tag >>> 2;
const aadPointerAt = IMB_JOB.aad >>> 2;
const statusAt = IMB_JOB.status >>> 2;

/** In octets: what belongs to each job of the ring and is not the packet's. */
const partBytes = 16;
const noncesAt = 0;
const aadsAt = ringJobs * partBytes;
const tagsAt = 2 * ringJobs * partBytes;
const pointersAt = 3 * ringJobs * partBytes;

/** SPI, sequence number and IV. */
const headBytes = 16;

/** Of a buffer, so that no sum of what lies in it has more than 32 bits. */
export const maxBufferBytes = 0xffff_fff0;

export class Burst {
  readonly #manager: Manager;
  readonly #words: Uint32Array;
  /** Nonces, additional data with ESN and tags for every job; pointers to all jobs, so that each can be followed by 127 more. */
  readonly #block = new NativeBlock(pointersAt + 8 * (ringJobs + maxBurst));
  readonly #bytes: Uint8Array;
  readonly #fixed: FixedAddresses;
  /** For each job, of the pointers to it and those behind it. */
  readonly #pointers: readonly FixedAddresses[];
  /** For each job, key and purpose it is prepared for. */
  readonly #prepared = new Uint32Array(ringJobs);

  constructor(manager: Manager) {
    this.#manager = manager;
    this.#words = manager.block.words;
    this.#bytes = this.#block.bytes;
    const list = this.#block.address + pointersAt;
    this.#fixed = ['fixed', manager.block.address];
    this.#pointers = Array.from({ length: ringJobs }, (_, job) => ['fixed', list + 8 * job]);
    this.#writePointers();
  }

  /** Throws when the library has not done it all: the packets are then neither sealed nor as they were. The caller has checked the places. */
  seal(key: BurstKey, buffer: Uint8Array, batch: CipherBatch): void {
    for (let from = 0; from < batch.count; from += maxBurst) {
      const count = Math.min(batch.count - from, maxBurst);
      if (this.#run(key, seal, buffer, batch, from, count) < 0) throw new Error('libipsec-mb does not seal');
    }
  }

  /** Fills `batch.intact`. The caller has checked the places. */
  open(key: BurstKey, buffer: Uint8Array, batch: CipherBatch): void {
    for (let from = 0; from < batch.count; from += maxBurst) {
      const count = Math.min(batch.count - from, maxBurst);
      const first = this.#run(key, open, buffer, batch, from, count);
      if (first < 0) batch.intact.fill(0, from, from + count);
      else if (!this.#judge(key, buffer, batch, from, count, first)) this.#restore(key, buffer, batch, from, count);
    }
  }

  /** Leaves nothing of the key in the jobs. */
  forget(key: BurstKey): void {
    for (let job = 0; job < ringJobs; job++) {
      if (this.#prepared[job] >>> 2 !== key.id) continue;
      this.#prepared[job] = 0;
      this.#bytes.fill(0, noncesAt + partBytes * job, noncesAt + partBytes * (job + 1));
    }
  }

  /** Index of the first job, or -1 when something is not as it must be. `count` is 1 to 128. */
  #run(key: BurstKey, purpose: Purpose, buffer: Uint8Array, batch: CipherBatch, from: number, count: number): number {
    const words = this.#words;
    const first = words[nextJobAt] / IMB_JOB.size;
    this.#fill(key, purpose, buffer, batch, from, count, first);
    let complete = this.#manager.submitBurst(this.#fixed[1], count, this.#pointers[first][1]) === count;
    for (let i = 0, job = first; i < count; i++) {
      if (words[jobsAt + jobWords * job + statusAt] !== IMB_STATUS_COMPLETED) complete = false;
      job = job + 1 === ringJobs ? 0 : job + 1;
    }
    if (complete) return first;
    this.#restart();
    return -1;
  }

  #fill(
    key: BurstKey,
    purpose: Purpose,
    buffer: Uint8Array,
    batch: CipherBatch,
    from: number,
    count: number,
    first: number,
  ): void {
    const words = this.#words;
    const bytes = this.#bytes;
    const prepared = this.#prepared;
    const owner = 4 * key.id + purpose;
    const esn = key.esn;
    const parts = this.#block.words;
    const packets = wordsOfPackets(buffer);
    const shift = octetsBefore(buffer);
    // Addresses in halves, so that none is a number that V8 would put into a box.
    const address = addressOfPackets(buffer);
    const low = address >>> 0;
    const high = Math.floor(address / 0x1_0000_0000);
    let job = first;
    for (let i = from; i < from + count; i++) {
      if (prepared[job] !== owner) this.#prepare(job, key, purpose);
      const at = batch.at[i];
      const length = batch.length[i];
      const word = jobsAt + jobWords * job;
      const data = (low + at + headBytes) >>> 0;
      const dataHigh = data < low ? high + 1 : high;
      words[word + srcAt] = data;
      words[word + srcAt + 1] = dataHigh;
      words[word + dstAt] = data;
      words[word + dstAt + 1] = dataHigh;
      words[word + cipherLengthAt] = length;
      words[word + hashLengthAt] = length;
      words[word + statusAt] = 0;
      if (purpose === seal) {
        const tag = (data + length) >>> 0;
        words[word + tagPointerAt] = tag;
        words[word + tagPointerAt + 1] = tag < low ? high + 1 : high;
      }
      if (esn) {
        writeAad(bytes, aadsAt + partBytes * job, buffer, at, true, batch.seqHigh[i]);
      } else {
        // RFC 4106 §5: SPI and sequence number, as they lie in the packet.
        const aad = (low + at) >>> 0;
        words[word + aadPointerAt] = aad;
        words[word + aadPointerAt + 1] = aad < low ? high + 1 : high;
      }
      const nonce = noncesAt + partBytes * job;
      const iv = shift + at + espHeaderBytes;
      if ((iv & 3) === 0) {
        parts[(nonce >>> 2) + 1] = packets[iv >>> 2];
        parts[(nonce >>> 2) + 2] = packets[(iv >>> 2) + 1];
      } else {
        copyIv8(bytes, nonce + 4, buffer, at);
      }
      job = job + 1 === ringJobs ? 0 : job + 1;
    }
  }

  /** Whether all are authentic; says of each. */
  #judge(key: BurstKey, buffer: Uint8Array, batch: CipherBatch, from: number, count: number, first: number): boolean {
    const bytes = this.#bytes;
    const parts = this.#block.words;
    const packets = wordsOfPackets(buffer);
    const shift = octetsBefore(buffer);
    const { at, length, intact } = batch;
    const icvBytes = key.icvBytes;
    let all = true;
    let job = first;
    for (let i = from; i < from + count; i++) {
      const tag = tagsAt + partBytes * job;
      const icv = at[i] + headBytes + length[i];
      const same =
        ((shift + icv) & 3) === 0
          ? sameWords(parts, tag >>> 2, packets, (shift + icv) >>> 2, icvBytes >>> 2)
          : sameOctets(bytes, tag, buffer, icv, icvBytes);
      intact[i] = same ? 1 : 0;
      if (!same) all = false;
      job = job + 1 === ringJobs ? 0 : job + 1;
    }
    return all;
  }

  /** What was deciphered and is not authentic is enciphered again before anybody can look at it. */
  #restore(key: BurstKey, buffer: Uint8Array, batch: CipherBatch, from: number, count: number): void {
    for (let i = from; i < from + count; i++) {
      if (batch.intact[i] === 0 && this.#run(key, reseal, buffer, batch, i, 1) < 0) throw new Error('libipsec-mb does not seal');
    }
  }

  /** Writes into a job what is the same for all packets of the key. */
  #prepare(job: number, key: BurstKey, purpose: Purpose): void {
    const block = this.#manager.block;
    const at = IMB_MGR.jobs + IMB_JOB.size * job;
    block.bytes.fill(0, at, at + IMB_JOB.size);
    block.setPointer(at + IMB_JOB.encKeys, key.encryptKeys);
    block.setPointer(at + IMB_JOB.decKeys, key.decryptKeys);
    block.setPointer(at + IMB_JOB.keyLength, key.keyBytes);
    block.setPointer(at + IMB_JOB.ivLength, 12);
    block.setPointer(at + IMB_JOB.tagLength, key.icvBytes);
    block.setPointer(at + IMB_JOB.aadLength, key.esn ? 12 : 8);
    const parts = this.#block.address + partBytes * job;
    block.setPointer(at + IMB_JOB.iv, parts + noncesAt);
    block.setPointer(at + IMB_JOB.aad, parts + aadsAt);
    block.setPointer(at + IMB_JOB.tag, parts + tagsAt);
    const words = this.#words;
    words[(at + IMB_JOB.cipherMode) >>> 2] = key.cipherMode;
    words[(at + IMB_JOB.hash) >>> 2] = key.hash;
    words[(at + IMB_JOB.direction) >>> 2] = purpose === open ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
    words[(at + IMB_JOB.order) >>> 2] = purpose === open ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
    this.#bytes.set(key.salt, noncesAt + partBytes * job);
    this.#prepared[job] = 4 * key.id + purpose;
  }

  #writePointers(): void {
    for (let i = 0; i < ringJobs + maxBurst; i++) {
      const job = this.#manager.block.address + IMB_MGR.jobs + IMB_JOB.size * (i % ringJobs);
      this.#block.setPointer(pointersAt + 8 * i, job);
    }
  }

  #restart(): void {
    this.#manager.reset();
    this.#prepared.fill(0);
    this.#writePointers();
  }
}
