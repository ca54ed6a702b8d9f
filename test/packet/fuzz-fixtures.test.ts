/** Cases that the fuzzer found. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { FuzzDirector } from '../fuzz/director.js';
import { loadFixtures } from '../fuzz/fixtures.js';

for (const { name, scene, frames } of loadFixtures()) {
  test(`program and oracle agree on the fuzzer's finding ${name}`, async () => {
    using director = new FuzzDirector();
    await director.publish(scene);
    assert.equal(await director.compare(frames), undefined);
  });
}
