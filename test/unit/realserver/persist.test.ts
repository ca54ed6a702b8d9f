/** The files for the next boot are what their readers understand, and are known again as Beeline's. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { parse } from 'yaml';

import { ip } from '../../../src/model/index.js';
import { AUTHOR } from '../../../src/realserver/author.js';
import { planOf } from '../../../src/realserver/plan.js';
import { type Method, METHODS, type VipWish, type Way, WAYS } from '../../../src/realserver/wish.js';
import { type FileStep, originOfFile } from '../../../src/steps/index.js';

function filesOf(method: Method, persist: Way): FileStep[] {
  const vips = [ip('192.168.1.100'), ip('fd00::100')].map((vip): VipWish => ({
    vip,
    method,
    ports: [],
    rip: ip('192.168.1.31'),
    tool: 'nft',
  }));
  return planOf({ vips, persist }).filter((step) => step.kind === 'file');
}

const withoutMarker = (text: string): string => text.slice(text.indexOf('\n') + 1);

test('each file is marked, and one that somebody edited is known', () => {
  for (const way of WAYS) {
    for (const { text } of METHODS.flatMap((method) => filesOf(method, way))) {
      assert.equal(originOfFile(AUTHOR, text), 'own');
      assert.equal(originOfFile(AUTHOR, `${text}#`), 'edited');
      assert.equal(originOfFile(AUTHOR, `# mine\n${text}`), 'edited');
      assert.equal(originOfFile(AUTHOR, withoutMarker(text)), 'foreign');
    }
  }
});

test('sysctls are written with every way, and rules run before the network with every way that has VIPs', () => {
  for (const way of WAYS) {
    const [sysctls, ...rest] = filesOf('sysctl', way);
    assert.equal(sysctls!.path, '/etc/sysctl.d/90-beeline-realserver.conf');
    assert.match(sysctls!.text, /^net\.ipv4\.conf\.all\.arp_ignore=1\nnet\.ipv4\.conf\.all\.arp_announce=2$/m);
    assert.equal(rest.length, way === 'sysctl.d' ? 0 : 1);
    const nft = filesOf('nft', way).map(({ path }) => path);
    assert.equal(nft.includes('/etc/beeline/realserver-rules.sh'), way !== 'sysctl.d');
  }
});

test("the unit of the rules follows what loads the host's own rules, which begins with a flush: at boot, reload and restart", () => {
  const unit = filesOf('nft', 'ifupdown').find(({ path }) => path.endsWith('.service'))!;
  for (const loader of ['nftables', 'netfilter-persistent', 'iptables', 'arptables', 'ufw']) {
    assert.match(unit.text, new RegExp(`^After=(.* )?${loader}\\.service`, 'm'));
    // Its reload flushes them in a running host too, which would answer for the VIPs at once.
    assert.match(unit.text, new RegExp(`^PartOf=(.* )?${loader}\\.service`, 'm'));
    assert.match(unit.text, new RegExp(`^ReloadPropagatedFrom=(.* )?${loader}\\.service`, 'm'));
  }
});

test('the script of rules is one that sh understands, and makes each rule once', () => {
  for (const method of ['arptables', 'nft', 'redirect'] as const) {
    const script = filesOf(method, 'netplan').find(({ path }) => path.endsWith('.sh'))!;
    assert.equal(spawnSync('sh', ['-n'], { input: script.text }).status, 0);
    for (const [add] of script.text.matchAll(/^arptables -A .*/gm)) {
      assert.ok(script.text.includes(add.replace(' -A ', ' -D ').replace(' || failed=1', ' 2>/dev/null')));
    }
  }
});

test('each program that configures the network gets both VIPs in its own language', () => {
  const textOf = (way: Way): string => withoutMarker(filesOf('sysctl', way).at(-1)!.text);
  assert.deepEqual(parse(textOf('netplan')), {
    network: {
      version: 2,
      ethernets: { lo: { match: { name: 'lo' }, addresses: ['192.168.1.100/32', 'fd00::100/128'] } },
    },
  });
  assert.equal(
    textOf('systemd-networkd'),
    '[Match]\nName=lo\n\n[Address]\nAddress=192.168.1.100/32\n\n[Address]\nAddress=fd00::100/128\nDuplicateAddressDetection=none\n',
  );
  assert.equal(
    textOf('ifupdown'),
    'auto lo\niface lo inet static\n    address 192.168.1.100/32\niface lo inet6 static\n    address fd00::100/128\n    dad-attempts 0\n',
  );
  assert.match(
    textOf('networkmanager'),
    /^type=loopback$[^]*^address1=127\.0\.0\.1\/8\naddress2=192\.168\.1\.100\/32$/m,
  );
});
