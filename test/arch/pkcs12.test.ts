import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesBelow } from './sources.ts';

test('pkijs and asn1js are used for the container of PKCS #12 only', () => {
  const users = [...sourcesBelow('core'), ...sourcesBelow('electron'), ...sourcesBelow('renderer')]
    .filter((source) => source.imports.some(({ specifier }) => specifier === 'pkijs' || specifier === 'asn1js'))
    .map((source) => source.path);
  assert.deepEqual(users, ['core/pki/pkcs12Container.ts']);
});
