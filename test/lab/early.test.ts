/** Fragments that come before their first one, in the lab: real servers get whole datagrams. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';

const UDP = fileURLToPath(new URL('../support/udp.js', import.meta.url));
const EARLY = fileURLToPath(new URL('../support/early.js', import.meta.url));

const CLIENTS = [
  ['192.168.1.12', VIP4],
  ['fd00::12', VIP6],
] as const;

const config = (mode: string, rest = ''): string => `interfaces: [${NIC}]
mode: ${mode}
services:
  - { address: ${VIP4}, port: 53, protocol: udp, realServers: [192.168.1.31, 192.168.1.32]${rest} }
  - { address: '${VIP6}', port: 53, protocol: udp, realServers: ['fd00::31', 'fd00::32']${rest} }
`;

async function startUdpServers(lab: TestLab, address: string): Promise<void> {
  for (const host of ['real1', 'real2'] as const) {
    const name = `udp-${host}-${address.includes(':') ? 6 : 4}`;
    const ready = join(lab.directory, `${name}.ready`);
    lab.startProcess(host, name, [process.execPath, UDP, 'serve', address, '53', host, '0', ready]);
    await lab.until(`${host} listens`, () => existsSync(ready));
  }
}

test('datagrams whose first fragment does not come first reach one real server whole', async (context) => {
  const lab = await TestLab.build(context, 'early');
  for (const [, vip] of CLIENTS) {
    await startUdpServers(lab, vip);
  }
  const [link] = JSON.parse(await lab.exec('client', ['ip', '-j', 'link', 'show', 'dev', NIC])) as [
    { ifindex: number },
  ];
  const [director] = JSON.parse(await lab.exec('director', ['ip', '-j', 'link', 'show', 'dev', NIC])) as [
    { address: string },
  ];
  for (const [mode, rest] of [
    ['native', ''],
    ['native', ', scheduler: rr, onePacket: true'],
    ['generic', ''],
  ] as const) {
    lab.configure(config(mode, rest));
    await lab.startDirector();
    for (const [source, vip] of CLIENTS) {
      for (const order of ['2,1,0', '1,0,2']) {
        await context.test(`${mode}${rest}: to ${vip}, ${order}`, async () => {
          const command = [process.execPath, EARLY, source, vip, '53', '2900', '6', NIC, director.address, order];
          const answers = await lab.exec('client', ['env', `IFINDEX=${link.ifindex}`, ...command]);
          const lines = answers.trim().split('\n');
          assert.equal(lines.length, 6);
          for (const line of lines) {
            assert.match(line, /^real[12] 2900$/);
          }
        });
      }
    }
    const { noService, services } = await lab.ask('stats', {});
    // Of three fragments the early ones count twice: when they came, and when they went.
    assert.equal(noService['early'], 2 * 6 * (2 + 1));
    assert.deepEqual(
      services.map(({ packets }) => packets),
      [2 * 6 * 3, 2 * 6 * 3],
    );
    await lab.beeline(['stop', '--detach']);
  }
});
