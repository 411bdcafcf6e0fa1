import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SizeSearch } from '../../../core/dataplane/sizeSearch.ts';

/** Tries until the search is over, on a path that carries up to `path`; the sizes that were tried. */
function run(search: SizeSearch, path: number): number[] {
  const tried: number[] = [];
  for (let size = search.next(); size !== undefined; size = search.next()) {
    assert.ok(tried.length < 16, 'it does not end');
    tried.push(size);
    if (size <= path) search.answered(size);
    else search.died(size);
  }
  return tried;
}

const range = { first: 1400, base: 1280, floor: 1280, top: 1400 };

test('a path that carries all costs one try', () => {
  const search = new SizeSearch(range);
  assert.deepEqual(run(search, 1400), [1400]);
  assert.equal(search.works, 1400);
});

test('whatever the path carries is found to 8 octets, in few tries', () => {
  for (let path = 1280; path < 1400; path++) {
    const search = new SizeSearch(range);
    const tried = run(search, path);
    assert.ok(tried.length <= 7, `${tried}`);
    assert.equal(tried[1], 1280);
    assert.ok(search.works <= path && path - search.works < 8, `${path}: ${search.works}`);
  }
});

test('below the base nothing is tried without evidence, and down to the floor with it', () => {
  const without = new SizeSearch(range);
  assert.deepEqual(run(without, 1279), [1400, 1280]);
  assert.equal(without.works, 0);
  for (let path = 514; path < 1400; path += 3) {
    const search = new SizeSearch({ ...range, floor: 514 });
    run(search, path);
    assert.ok(search.works <= path && path - search.works < 8, `${path}: ${search.works}`);
  }
  const nothing = new SizeSearch({ ...range, floor: 514 });
  assert.deepEqual(run(nothing, 513), [1400, 1280, 514]);
  assert.equal(nothing.works, 0);
});

test('from a size in use it goes up: the top first, then the middle', () => {
  const search = new SizeSearch({ ...range, first: 1300 });
  const tried = run(search, 1371);
  assert.deepEqual(tried.slice(0, 3), [1300, 1400, 1350]);
  assert.ok(1371 - search.works < 8);
  assert.deepEqual(run(new SizeSearch({ ...range, first: 1300 }), 1400), [1300, 1400]);
});

test('from a size below the base it goes down to the floor', () => {
  const search = new SizeSearch({ first: 900, base: 1280, floor: 514, top: 1400 });
  assert.deepEqual(run(search, 520).slice(0, 2), [900, 514]);
  assert.ok(search.works >= 514 && search.works <= 520);
});
