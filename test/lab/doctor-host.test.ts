/** The doctor's checks of the host in a lab, each provoked; what --fix mends, and what --watch tells. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { inNamespace, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { build, examine, lines, sh } from '../support/doctor-lab.js';
import type { TestLab } from '../support/lab.js';
import { Terminal } from '../support/terminal.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

const BOTH = `
interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, health: http, realServers: [192.168.1.31, 192.168.1.32] }
  - { address: "${VIP6}", port: 80, realServers: ["fd00::31", "fd00::32"] }
`;

async function only(lab: TestLab, ...checks: readonly string[]): Promise<string[]> {
  return lines((await examine(lab, '--passive', '--only', ...checks)).findings);
}

/** A command line for sh: "beeline doctor …" on the lab's director. */
function doctorLine(lab: TestLab, ...words: readonly string[]): string {
  const [file, args] = inNamespace(lab.namespace('director'), [process.execPath, BEELINE]);
  return [file, ...args, '--instance', lab.name, 'doctor', ...words].join(' ');
}

test('rules that drop ARP, neighbour discovery and checks are named, each with the command that mends it', async (context) => {
  const lab = await build(context, 'doc-fire', BOTH);
  assert.deepEqual(await only(lab, 'firewall-drops'), []);
  await sh(lab, 'director', `arptables -A INPUT -d ${VIP4} -j DROP`);
  const [arp] = (await examine(lab, '--passive', '--only', 'firewall-drops')).findings;
  assert.equal(arp!.text, `the firewall drops ARP requests for the VIP ${VIP4}`);
  await sh(lab, 'director', arp!.mend[0]!.command);
  assert.deepEqual(await only(lab, 'firewall-drops'), []);

  await sh(
    lab,
    'director',
    `nft add table inet f
     nft add chain inet f in '{ type filter hook input priority 0; policy drop; }'
     nft add rule inet f in tcp dport 22 accept`,
  );
  const found = await examine(lab, '--passive', '--only', 'firewall-drops');
  assert.deepEqual(
    found.findings.map(({ subject }) => subject),
    ['neighbour discovery', 'health checks'],
  );
  for (const { mend } of found.findings) {
    await sh(lab, 'director', mend[0]!.command);
  }
  assert.deepEqual(await only(lab, 'firewall-drops'), []);
});

test('a VIP on lo that nobody answers for, IPv6 that is off, and ports that are shared are named', async (context) => {
  const lab = await build(context, 'doc-sysctl', BOTH);
  const checks = ['arp-silent', 'ipv6-off', 'check-ports-shared'];
  assert.deepEqual(await only(lab, ...checks), []);
  await sh(lab, 'director', `ip addr del ${VIP4}/32 dev ${NIC}; ip addr add ${VIP4}/32 dev lo`);
  assert.deepEqual(await only(lab, ...checks), []);
  await lab.sysctls('director', {
    'net/ipv4/conf/all/arp_ignore': '1',
    [`net/ipv6/conf/${NIC}/disable_ipv6`]: '1',
    'net/ipv4/ip_local_port_range': '32768 65535',
  });
  assert.deepEqual(await only(lab, ...checks), [
    `error arp-silent: nobody answers ARP for the VIP ${VIP4}: it is on lo, and arp_ignore is 1 for ${NIC}`,
    `error ipv6-off: IPv6 is off on ${NIC}, and the configuration needs it for ${VIP6}`,
    'warning check-ports-shared: the kernel gives ports of health checks to other programs: 61000-65095',
  ]);
  // It is so: a client asks, and gets no answer.
  await lab.exec('client', ['ip', 'neigh', 'flush', 'dev', NIC]);
  await assert.rejects(lab.exec('client', ['ping', '-c1', '-W1', VIP4]));
  const { stdout } = await lab.run('doctor', '--passive', '--fix', '--yes', '--only', ...checks);
  assert.match(stdout, /^sysctl -w net.ipv4.conf.all.arp_ignore=0$/m);
  // The client may be in the middle of asking in vain.
  await lab.exec('client', ['ping', '-c3', '-W2', VIP4]);
});

test('an IPv6 VIP that keeps the host itself from its real servers is named, and --fix mends it', async (context) => {
  const lab = await build(context, 'doc-source', BOTH);
  const ping = ['ping', '-c3', '-i0.2', '-W1', 'fd00::31'];
  assert.deepEqual(await only(lab, 'vip-as-source'), []);
  await lab.exec('director', ping);
  await sh(lab, 'director', `ip addr change ${VIP6}/128 dev ${NIC} preferred_lft forever`);
  assert.deepEqual(await only(lab, 'vip-as-source'), [
    `warning vip-as-source: this host's own packets to real servers fd00::31, fd00::32 come from the VIP ${VIP6}`,
  ]);
  await assert.rejects(lab.exec('director', ping), 'it is so');
  await lab.pages(4, `http://[${VIP6}]/`);
  const { stdout } = await lab.run('doctor', '--passive', '--fix', '--yes', '--only', 'vip-as-source');
  assert.match(stdout, /^ip addr change fd00::100\/128 dev ens3 preferred_lft 0$/m);
  await lab.exec('director', ping);
  await lab.pages(4, `http://[${VIP6}]/`);
});

test('what a veth does not send is named, and another program on the interface before a start', async (context) => {
  const lab = await build(context, 'doc-cards');
  await lab.pages(2);
  assert.deepEqual(await only(lab, 'frames-lost', 'xdp-foreign'), []);
  // Without a program there, the switch's end of the cable takes no frames of XDP_TX.
  await lab.exec('switch', ['ip', 'link', 'set', 'dev', 'director', 'xdp', 'off']);
  // 150 SYNs, for none of which an answer is waited.
  await lab.exec('client', [
    ...['python3', '-c'],
    `import socket
for i in range(150):
    s = socket.socket(); s.setblocking(False); s.connect_ex(('${VIP4}', 80)); s.close()`,
  ]);
  assert.deepEqual(await only(lab, 'frames-lost'), [
    `error frames-lost: ${NIC} did not send many of the frames that the director forwarded`,
  ]);
  await lab.run('stop', '--detach');
  await lab.attachPass('director', NIC);
  assert.deepEqual(
    lines((await examine(lab, '--passive', '--config', lab.configPath, '--only', 'xdp-foreign')).findings),
    [`warning xdp-foreign: ${NIC} runs another XDP program: "beeline run" will refuse it`],
  );
});

test('--fix shows each command, asks, runs it, and looks again', async (context) => {
  const lab = await build(context, 'doc-fix', BOTH);
  await lab.sysctl('director', 'net/ipv4/ip_local_port_range', '32768 65535');
  await lab.sysctl('director', 'net/ipv4/ip_local_reserved_ports', '8080');
  const words = ['--passive', '--only', 'check-ports-shared'];

  const nobody = await lab.run('doctor', '--fix', ...words);
  assert.equal(nobody.status, 2);
  assert.match(nobody.stderr, /--fix asks before each command, and nobody can answer here/);
  assert.equal(nobody.stdout, '');

  const terminal = new Terminal(doctorLine(lab, '--fix', ...words));
  await terminal.until(/run it\? \[y\/N\]/, 0);
  assert.match(terminal.shown, /sysctl -w net\.ipv4\.ip_local_reserved_ports=8080,61000-65095/);
  terminal.type('n\n');
  await terminal.ended();
  assert.equal((await only(lab, 'check-ports-shared')).length, 1);

  const again = new Terminal(doctorLine(lab, '--fix', ...words));
  await again.until(/run it\? \[y\/N\]/, 0);
  again.type('y\n');
  const shown = await again.ended();
  assert.match(shown, /looked again:[^]*nothing is wrong/);
  assert.deepEqual(await only(lab, 'check-ports-shared'), []);
  const reserved = await lab.exec('director', ['cat', '/proc/sys/net/ipv4/ip_local_reserved_ports']);
  assert.equal(reserved.trim(), '8080,61000-65095');

  const nothing = await lab.run('doctor', '--fix', '--yes', ...words);
  assert.equal(nothing.status, 0);
  assert.match(nothing.stdout, /nothing that the doctor may mend/);
});

test('--fix says what failed, and prints one JSON document whatever the commands print', async (context) => {
  const lab = await build(context, 'doc-fixfail', BOTH);
  const words = ['doctor', '--passive', '--only', 'check-ports-shared', '--fix', '--yes'];
  const range = { 'net/ipv4/ip_local_port_range': '32768 65535' };
  await lab.sysctls('director', range);
  // In a mount namespace where /proc/sys cannot be written, as in many containers.
  const [file, args] = inNamespace(lab.namespace('director'), [
    ...['unshare', '--mount', 'sh', '-c', 'mount -o bind,ro /proc/sys /proc/sys && exec "$@"', 'sh'],
    ...[process.execPath, BEELINE, '--instance', lab.name, ...words],
  ]);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdout.resume();
  const [status] = (await once(child, 'close')) as [number];
  assert.equal(status, 1);
  assert.match(errors, /failed: sysctl -w net\.ipv4\.ip_local_reserved_ports=61000-65095/);

  const mended = await lab.run(...words, '--json');
  assert.equal(mended.status, 0, mended.stderr);
  assert.deepEqual((JSON.parse(mended.stdout) as { findings: unknown }).findings, []);
  assert.match(mended.stderr, /^sysctl -w net\.ipv4\.ip_local_reserved_ports/m);
});

test('--watch tells what comes and goes, as JSON a line, and ends by an interrupt', async (context) => {
  const lab = await build(context, 'doc-watch', BOTH);
  const line = doctorLine(lab, '--passive', '--watch', '200ms', '--json', '--only', 'check-ports-shared');
  const [file, ...args] = line.split(' ');
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => child.kill('SIGKILL'));
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (told += text));
  const changes = (): { change: string; finding: { check: string } }[] =>
    told
      .split('\n')
      .filter(Boolean)
      .map((each) => JSON.parse(each) as { change: string; finding: { check: string } });

  await lab.sysctl('director', 'net/ipv4/ip_local_port_range', '32768 65535');
  await lab.until('the finding is told', () => changes().length === 1);
  await lab.sysctl('director', 'net/ipv4/ip_local_port_range', '32768 60999');
  await lab.until('its end is told', () => changes().length === 2);
  assert.deepEqual(
    changes().map(({ change, finding }) => [change, finding.check]),
    [
      ['found', 'check-ports-shared'],
      ['gone', 'check-ports-shared'],
    ],
  );
  // A daemon that restarts meanwhile is no reason to end.
  await lab.run('stop');
  await lab.startDirector();
  assert.equal(child.exitCode, null);
  child.kill('SIGINT');
  const [status] = (await once(child, 'close')) as [number];
  assert.equal(status, 0);
});

test('--watch in words begins with what there is', async (context) => {
  const lab = await build(context, 'doc-watch2', BOTH);
  const words = ['--passive', '--watch', '200ms', '--only', 'check-ports-shared'];
  const terminal = new Terminal(doctorLine(lab, ...words));
  await terminal.until(/nothing is wrong; watching/, 0);
  await lab.sysctl('director', 'net/ipv4/ip_local_port_range', '32768 65535');
  await terminal.until(/found\s+warning: the kernel gives ports of health checks/, 0);
  await lab.sysctl('director', 'net/ipv4/ip_local_port_range', '32768 60999');
  await terminal.until(/gone\s+warning: the kernel gives ports of health checks/, 0);
  terminal.type('\x03');
  await terminal.ended();
  const both = await lab.run('doctor', '--watch', '1s', '--fix', '--yes');
  assert.equal(both.status, 2);
  assert.match(both.stderr, /--watch only tells/);
});
