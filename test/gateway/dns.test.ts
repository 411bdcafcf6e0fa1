import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { test } from 'node:test';
import { answerQuery, startDns } from './dns.ts';

const names = { 'intranet.office.test': ['10.10.0.80', 'fd10:10::80'], 'four.office.test': ['10.10.0.4'] };

test("a resolver that is not ours understands the name server's answers", async () => {
  const port = 20_000 + (process.pid % 10_000);
  const queries: string[] = [];
  const server = await startDns({ listen: ['127.0.0.1'], port, names }, ({ name }) => queries.push(name));
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${port}`]);
  try {
    assert.deepEqual(await resolver.resolve4('Intranet.Office.test'), ['10.10.0.80']);
    assert.deepEqual(await resolver.resolve6('intranet.office.test'), ['fd10:10::80']);
    await assert.rejects(resolver.resolve6('four.office.test'), { code: 'ENODATA' });
    await assert.rejects(resolver.resolve4('elsewhere.test'), { code: 'ENOTFOUND' });
    assert.ok(queries.includes('elsewhere.test'));
  } finally {
    await server.close();
  }
});

test('what is no question gets no answer', () => {
  const question = Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0x61, 0, 0, 1, 0, 1]);
  assert.ok(answerQuery(question, names));
  for (let length = 0; length < question.length; length++)
    assert.equal(answerQuery(question.subarray(0, length), names), undefined);
  assert.equal(answerQuery(Uint8Array.from([...question.subarray(0, 12), 0xc0, 12, 0, 1, 0, 1]), names), undefined, 'a pointer');
  assert.equal(
    answerQuery(
      question.map((octet, at) => (at === 2 ? 0x81 : octet)),
      names,
    ),
    undefined,
    'an answer',
  );
});
