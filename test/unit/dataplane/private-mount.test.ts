/** A BPF file system that ends before the host does is told from the host's own. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { isPrivate } from '../../../src/dataplane/private-mount.js';

const root = '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw';
const bpf = (device: string, options: string, source: string): string =>
  `${root}\n82 22 ${device} / /sys/fs/bpf rw,relatime${options} - bpf ${source} rw,mode=700\n`;

for (const [what, own, host, expected] of [
  ["the host's, seen from the host", bpf('0:41', ' shared:9', 'bpffs'), bpf('0:41', ' shared:9', 'bpffs'), false],
  ['one that the host does not have', bpf('0:52', '', 'beeline'), bpf('0:41', ' shared:9', 'bpffs'), true],
  ['one that the host does not have, by whoever mounted it', bpf('0:52', '', 'bpffs'), root, true],
  [
    'one that the daemon mounted on the host',
    bpf('0:52', ' shared:9', 'beeline'),
    bpf('0:52', ' shared:9', 'beeline'),
    false,
  ],
  ['a device whose number begins alike', bpf('0:5', '', 'beeline'), bpf('0:52', '', 'bpffs'), true],
  ["the daemon's own in a container", bpf('0:41', '', 'beeline'), undefined, true],
  ["the daemon's own under a shared root", bpf('0:41', ' shared:9', 'beeline'), undefined, true],
  ["the host's, given to a container", bpf('0:41', '', 'bpffs'), undefined, false],
  ["a daemon's on the host, seen from a unit", bpf('0:41', ' shared:7 master:9', 'beeline'), undefined, false],
] as const) {
  test(`${what}: ${expected ? 'ends with the namespace' : 'stays'}`, () => {
    const device = own.split('\n')[1]!.split(' ')[2]!;
    assert.equal(isPrivate(device, own, host), expected);
  });
}
