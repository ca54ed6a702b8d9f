/** Real servers that `beeline realserver` sets up: clients get pages, nobody but the director answers for the VIP, and remove leaves nothing. */

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { type HostName, hostNamed, NIC, PAGES, VIP4, VIP6 } from '../../src/lab/index.js';
import { answering, bare, REAL } from '../support/arp.js';
import { execute, TestLab } from '../support/lab.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const METHODS = ['sysctl', 'arptables', 'nft', 'redirect'] as const;
const VIPS = ['--vip', VIP4, VIP6];

const onBoth = <Result>(work: (host: HostName, i: number) => Promise<Result>): Promise<Result[]> =>
  Promise.all(REAL.map(work));

/** The machine has one /etc and one /var/lib: each host of the lab has its own folder for them. */
const rootOf = (lab: TestLab, host: HostName): string => join(lab.directory, `${host}-root`);

async function run(lab: TestLab, host: HostName, ...command: string[]): Promise<string> {
  const { status, stdout, stderr } = await execute(lab, host, command);
  assert.equal(status, 0, `${command.join(' ')} on ${host}: ${stdout}${stderr}`);
  return stdout;
}

function realserver(lab: TestLab, host: HostName, ...words: string[]): Promise<string> {
  const root = `BEELINE_REALSERVER_ROOT=${rootOf(lab, host)}`;
  return run(lab, host, 'env', root, process.execPath, BEELINE, 'realserver', ...words);
}

/** Addresses, sysctls and rules. arptables leaves its empty table. */
async function snapshot(lab: TestLab, host: HostName): Promise<string> {
  const script = `ip -j address show
    sysctl -a 2>/dev/null | grep -E 'arp_(ignore|announce)'
    nft list ruleset | grep -vE '^table arp filter|^}|^\tchain (INPUT|OUTPUT)|^\t}|policy accept;$|^$' || true
    arptables-save | grep -e '^-A' || true`;
  return run(lab, host, 'sh', '-c', script);
}

async function expectBalanced(lab: TestLab): Promise<void> {
  await run(lab, 'client', 'ip', 'neigh', 'flush', 'dev', NIC);
  assert.deepEqual(await answering(lab), new Set([hostNamed('director').mac]));
  for (const url of [`http://${VIP4}/`, `http://[${VIP6}]/`]) {
    assert.deepEqual(new Set(await lab.pages(20, url)), new Set([PAGES.real1, PAGES.real2]), url);
  }
  const neighbour = await run(lab, 'client', 'ip', '-6', 'neigh', 'show', VIP6, 'dev', NIC);
  assert.match(neighbour, new RegExp(hostNamed('director').mac));
}

test('real servers set up by Beeline', async (context) => {
  const lab = await TestLab.build(context, 'realserver');
  await lab.startDirector();
  for (const host of REAL) {
    // These stand for a program that is installed and runs: its files are refused otherwise, or said to be unread.
    for (const path of ['usr/lib/systemd/systemd-networkd', 'run/systemd/netif/state']) {
      mkdirSync(join(rootOf(lab, host), path), { recursive: true });
    }
    await bare(lab, host);
  }

  await context.test('the ARP problem is there without the set-up, and check finds it', async () => {
    await run(lab, 'real1', 'ip', 'address', 'add', `${VIP4}/32`, 'dev', 'lo');
    assert.ok((await answering(lab)).has(hostNamed('real1').mac));
    const root = `BEELINE_REALSERVER_ROOT=${rootOf(lab, 'real1')}`;
    const command = ['env', root, process.execPath, BEELINE, 'realserver', 'check', '--vip', VIP4, '--json'];
    const { status, stdout } = await execute(lab, 'real1', command);
    assert.equal(status, 2, stdout);
    assert.match(stdout, /answers ARP for 192\.168\.1\.100 on ens3/);
    await run(lab, 'real1', 'ip', 'address', 'del', `${VIP4}/32`, 'dev', 'lo');
  });

  for (const method of METHODS) {
    await context.test(`${method}: pages from both, ARP answered by the director alone, and nothing left`, async () => {
      const before = await onBoth((host) => snapshot(lab, host));
      await onBoth(async (host) => {
        await realserver(lab, host, 'setup', ...VIPS, '--method', method, '--persist', 'systemd-networkd');
        const again = await realserver(lab, host, 'setup', ...VIPS, '--method', method);
        assert.doesNotMatch(again, /^done/m);
        assert.doesNotMatch(await realserver(lab, host, 'check', '--port', '80'), /^(note|warning|error)/m);
      });
      await expectBalanced(lab);
      await onBoth(async (host, i) => {
        await realserver(lab, host, 'remove');
        assert.equal(await snapshot(lab, host), before[i]);
        const files = readdirSync(rootOf(lab, host), { recursive: true, withFileTypes: true });
        assert.deepEqual(
          files.filter((each) => !each.isDirectory()).map(({ name }) => name),
          [],
        );
      });
    });

    await context.test(`${method}: the script does the same without Node.js`, async () => {
      const before = await onBoth((host) => snapshot(lab, host));
      const file = join(lab.directory, 'realserver.sh');
      writeFileSync(file, await realserver(lab, 'client', 'script', ...VIPS, '--method', method));
      const script = (host: HostName, word: string): Promise<string> =>
        run(lab, host, 'env', `BEELINE_STATE=${rootOf(lab, host)}/state`, 'sh', file, word);
      await onBoth(async (host) => {
        await script(host, 'setup');
        assert.doesNotMatch(await script(host, 'setup'), /^done/m);
        assert.doesNotMatch(await script(host, 'check'), /^missing/m);
        assert.doesNotMatch(await realserver(lab, host, 'check', ...VIPS, '--port', '80'), /^(warning|error)/m);
      });
      await expectBalanced(lab);
      await onBoth(async (host, i) => {
        await script(host, 'remove');
        assert.equal(await snapshot(lab, host), before[i]);
      });
    });
  }

  await context.test(
    'two scripts with a VIP each: one goes, and what the other needs stays until it goes too',
    async () => {
      const before = await snapshot(lab, 'real1');
      const script = async (vip: string, word: string): Promise<string> => {
        const file = join(lab.directory, `${vip}.sh`);
        writeFileSync(file, await realserver(lab, 'client', 'script', '--vip', vip));
        return await run(lab, 'real1', 'env', `BEELINE_STATE=${rootOf(lab, 'real1')}/state`, 'sh', file, word);
      };
      const [first, second] = [VIP4, '192.168.1.101'];
      await script(first, 'setup');
      await script(second, 'setup');
      assert.match(await script(first, 'remove'), /^undone {3}address 192\.168\.1\.100[^]*^kept .*arp_ignore=1/m);
      assert.doesNotMatch(await script(second, 'check'), /^missing/m);
      assert.match(await script(second, 'remove'), /^undone {3}address 192\.168\.1\.101[^]*^undone .*arp_ignore=1/m);
      assert.equal(await snapshot(lab, 'real1'), before);
      assert.ok(!readdirSync(rootOf(lab, 'real1')).includes('state'));
    },
  );

  await context.test(
    'redirect without nft: iptables has the rules, by IPv4 and IPv6, and remove takes them',
    async () => {
      const hidden = [
        'unshare',
        '--mount',
        'sh',
        '-c',
        'mount --bind /dev/null "$(command -v nft)" && exec "$@"',
        'sh',
      ];
      const withoutNft = (host: HostName, ...words: string[]): Promise<string> => {
        const root = `BEELINE_REALSERVER_ROOT=${rootOf(lab, host)}`;
        return run(lab, host, ...hidden, 'env', root, process.execPath, BEELINE, 'realserver', ...words);
      };
      const rules = async (host: HostName): Promise<string[]> =>
        (await run(lab, host, 'sh', '-c', 'iptables-save; ip6tables-save'))
          .split('\n')
          .filter((line) => line.startsWith('-A'));
      await onBoth(async (host) => {
        await withoutNft(host, 'setup', ...VIPS, '--method', 'redirect', '--port', '80');
        const made = await rules(host);
        assert.ok(
          made.every((line) => /-A PREROUTING .* --dport 80 .*REDIRECT/.test(line)),
          made.join('\n'),
        );
        assert.ok(
          made.some((line) => line.includes(VIP4)) && made.some((line) => line.includes(VIP6)),
          made.join('\n'),
        );
        assert.doesNotMatch(await withoutNft(host, 'setup', ...VIPS, '--method', 'redirect', '--port', '80'), /^done/m);
      });
      await expectBalanced(lab);
      await onBoth(async (host) => {
        await withoutNft(host, 'remove');
        assert.deepEqual(await rules(host), []);
      });
    },
  );
});
