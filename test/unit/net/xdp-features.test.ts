/** Whether a driver runs XDP programs is what the kernel says of it; a kernel that says nothing is not taken for a "no". */

import assert from 'node:assert/strict';
import test from 'node:test';

import { NetlinkError } from '../../../src/net/index.js';
import { decodeAttributes, encodePayload, numberOf, type NetlinkMessage } from '../../../src/net/netlink.js';
import { nativeXdp, type OpenGeneric } from '../../../src/net/xdp-features.js';

const FAMILY = 29;

/** A kernel that has the family "netdev", and these features by interface. */
function kernel(features: ReadonlyMap<number, number | undefined>): OpenGeneric {
  const answer = (attributes: ReadonlyMap<number, Uint8Array>): NetlinkMessage[] => [
    { type: FAMILY, flags: 0, sequence: 1, payload: encodePayload(Uint8Array.of(1, 1, 0, 0), attributes) },
  ];
  return () => ({
    request: (type, _flags, payload) => {
      const attributes = decodeAttributes(payload, 4);
      if (type === 0x10) {
        assert.equal(Buffer.from(attributes.get(2)!).toString(), 'netdev\0');
        return Promise.resolve(answer(new Map([[1, Uint8Array.of(FAMILY, 0)]])));
      }
      assert.equal(type, FAMILY);
      const found = features.get(numberOf(attributes.get(1)));
      return found === undefined
        ? Promise.reject(new NetlinkError('features', 19, 'No such device'))
        : Promise.resolve(answer(new Map([[3, Uint8Array.of(found, 0, 0, 0, 0, 0, 0, 0)]])));
    },
    close: () => undefined,
  });
}

test('the feature "basic" is native XDP, others alone are not, and of a missing interface nothing is known', async () => {
  const found = await nativeXdp(
    [3, 4, 5],
    kernel(
      new Map([
        [3, 0x23],
        [4, 0x02],
      ]),
    ),
  );
  assert.deepEqual(
    [...found],
    [
      [3, true],
      [4, false],
      [5, undefined],
    ],
  );
});

test('a kernel before 6.3 has no such family: nothing is known', async () => {
  const old: OpenGeneric = () => ({
    request: () => Promise.reject(new NetlinkError('family netdev', 2, '')),
    close: () => undefined,
  });
  assert.deepEqual([...(await nativeXdp([3], old))], [[3, undefined]]);
});
