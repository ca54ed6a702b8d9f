/** Checks of the VIPs in the lab, beside a director that forwards packets to them. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

import { type HostName, hostNamed, NIC, PAGES, VIP4, VIP6 } from '../../src/lab/index.js';
import { Load, TestLab } from '../support/lab.js';

const CHECK_VIPS = fileURLToPath(new URL('../support/check-vips.js', import.meta.url));

/** Checks each VIP through each real server, and returns the different findings. */
async function findings(lab: TestLab, rounds = 10): Promise<string[]> {
  const output = await lab.exec('director', [process.execPath, CHECK_VIPS, String(rounds)]);
  return [...new Set(output.trim().split(/ *\n/))].sort();
}

function expected(real2: string): string[] {
  const line = (name: HostName, found: string): string[] => [
    `${hostNamed(name).ipv4} ${VIP4} ${found}`,
    `${hostNamed(name).ipv6} ${VIP6} ${found}`,
  ];
  return [...line('real1', `ok ${PAGES.real1!}`), ...line('real2', real2)].sort();
}

test('checks of the VIPs beside a director', async (context) => {
  const lab = await TestLab.build(context, 'checks');
  await lab.startDirector();
  const fine = expected(`ok ${PAGES.real2!}`);

  await context.test(
    'each check is answered by its real server, while the director forwards clients’ packets',
    async () => {
      const load = await Load.start(lab, `http://${VIP4}/`);
      assert.deepEqual(await findings(lab), fine);
      const { failures, requests } = await load.stop();
      assert.deepEqual(failures, []);
      assert.ok(requests > 0);
    },
  );

  await context.test('the same in generic mode, after which packets come without their Ethernet headers', async () => {
    const text = readFileSync(lab.configPath, 'utf8');
    lab.configure(`mode: generic\n${text}`);
    await lab.beeline(['reload']);
    assert.equal((await lab.status()).interfaces[0]?.mode, 'generic');
    assert.deepEqual(await findings(lab), fine);
    lab.configure(text);
    await lab.beeline(['reload']);
  });

  await context.test('the same on a standby, which has no VIP', async () => {
    const change = async (action: 'add' | 'del'): Promise<void> => {
      await lab.exec('director', ['ip', 'addr', action, `${VIP4}/32`, 'dev', NIC]);
      await lab.exec('director', [
        'ip',
        'addr',
        action,
        `${VIP6}/128`,
        'dev',
        NIC,
        ...(action === 'add' ? ['nodad'] : []),
      ]);
    };
    await change('del');
    assert.deepEqual(await findings(lab), fine);
    await change('add');
  });

  await context.test(
    'a real server that lost its VIPs and forwards is found out, though the director would send its packets on',
    async () => {
      const { ipv4, ipv6 } = hostNamed('director');
      const commands = [
        ['ip', 'addr', 'del', `${VIP4}/32`, 'dev', 'lo'],
        ['ip', 'addr', 'del', `${VIP6}/128`, 'dev', 'lo'],
        [
          'sysctl',
          '-qw',
          'net.ipv4.ip_forward=1',
          'net.ipv6.conf.all.forwarding=1',
          'net.ipv4.icmp_ratelimit=0',
          'net.ipv6.icmp.ratelimit=0',
        ],
        ['ip', 'route', 'add', VIP4, 'via', ipv4],
        ['ip', 'route', 'add', VIP6, 'via', ipv6],
      ];
      for (const command of commands) {
        await lab.exec('real2', command);
      }
      assert.deepEqual(await findings(lab, 3), expected('forwarded'));
    },
  );
});
