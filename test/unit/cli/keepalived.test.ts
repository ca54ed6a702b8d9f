/** `beeline keepalived write` and what `beeline check` says of VRRP: no file of others is lost, and nothing is claimed unchecked. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { parseConfig } from '../../../src/config/index.js';
import { originOfText } from '../../../src/fleet/index.js';
import { vrrpWarnings } from '../../../src/model/index.js';

const MAIN = fileURLToPath(new URL('../../../app/cli/main.js', import.meta.url));

const CONFIG = `interfaces: [lo]
vrrp: { instances: [{ id: 51, priority: 250 }] }
services:
  - { address: 192.168.1.100, port: 80, realServers: [192.168.1.31, 192.168.1.32] }
`;

/** A folder with a configuration, and the command in it. `path` is where programs are found: keepalived is a script there, if any. */
function scene(context: TestContext, keepalived?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-test-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  const [config, output] = [join(folder, 'beeline.yaml'), join(folder, 'keepalived.conf')];
  writeFileSync(config, CONFIG);
  writeFileSync(join(folder, 'keepalived'), `#!/bin/sh\n${keepalived ?? 'exit 0'}\n`);
  chmodSync(join(folder, 'keepalived'), 0o755);
  const run = (...words: string[]): { status: number | null; stdout: string; stderr: string } => {
    const PATH = `${folder}:${process.env['PATH'] ?? ''}`;
    const env = { ...process.env, PATH, NO_COLOR: '1' };
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], { env, encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  const write = (...words: string[]) => run('keepalived', 'write', config, '--output', output, ...words);
  return { folder, config, output, run, write };
}

test('a file is written whole, marked, and written again only if something changed', (context) => {
  const { folder, config, output, write } = scene(context);
  assert.deepEqual(write(), {
    status: 0,
    // keepalived does not read that file: it needs no reload.
    stdout: `${output}: 1 virtual router\n`,
    stderr: '',
  });
  const text = readFileSync(output, 'utf8');
  assert.equal(originOfText(text), 'own');
  assert.equal(statSync(output).mode & 0o777, 0o644);
  assert.equal(write().stdout, `${output}: 1 virtual router, unchanged\n`);
  writeFileSync(config, CONFIG.replace('250', '240'));
  assert.equal(write().status, 0);
  assert.match(readFileSync(output, 'utf8'), /priority 240/);
  assert.deepEqual(readdirSync(folder).sort(), ['beeline.yaml', 'keepalived', 'keepalived.conf']);
});

test('a file of somebody else, or one that was edited, stays without --force, and keeps its mode with it', (context) => {
  const { output, write } = scene(context);
  for (const [text, why] of [
    ['vrrp_instance MINE {\n}\n', 'was not written by Beeline'],
    [undefined, 'was edited since Beeline wrote it'],
  ] as const) {
    rmSync(output, { force: true });
    if (text === undefined) {
      write();
      writeFileSync(output, `${readFileSync(output, 'utf8')}# mine\n`);
    } else {
      writeFileSync(output, text);
    }
    chmodSync(output, 0o600);
    const before = readFileSync(output, 'utf8');
    const { status, stderr } = write();
    assert.equal(status, 1);
    assert.ok(stderr.startsWith(`beeline: ${output} ${why}: it stays as it is`), stderr);
    assert.match(stderr, /--include.*--output.*--force/s);
    assert.equal(readFileSync(output, 'utf8'), before);
    assert.equal(write('--force').status, 0);
    assert.equal(originOfText(readFileSync(output, 'utf8')), 'own');
    assert.equal(statSync(output).mode & 0o777, 0o600);
  }
});

test('a link stays a link, and what is no file is refused', (context) => {
  const { folder, config, output, run, write } = scene(context);
  symlinkSync(join(folder, 'real.conf'), output);
  assert.equal(write().status, 0);
  assert.ok(lstatSync(output).isSymbolicLink() && lstatSync(join(folder, 'real.conf')).isFile());
  const { status, stderr } = run('keepalived', 'write', config, '--output', folder);
  assert.deepEqual([status, stderr.includes('is not a regular file')], [2, true]);
});

test('nothing is written that keepalived refuses; what it merely says, or did not check, is told', (context) => {
  const refusing = scene(context, 'echo "($3: Line 7) Unknown keyword \'x\'" >&2; exit 5');
  const refused = refusing.write();
  assert.deepEqual([refused.status, existsSync(refusing.output)], [1, false]);
  assert.match(
    refused.stderr,
    /keepalived refuses this configuration, so nothing was written:\n {2}line 7: Unknown keyword 'x'\n/,
  );

  const missing = scene(
    context,
    'echo "($3: Line 14) WARNING - interface ens9 for vrrp_instance VI_51 doesn\'t exist"; exit 5',
  );
  assert.match(missing.write().stdout, /^warning {2}the interface ens9 does not exist here$/m);

  const talking = scene(context, 'echo "something is deprecated"');
  assert.match(talking.write().stdout, /^warning {2}keepalived says: something is deprecated$/m);
  const report = JSON.parse(talking.write('--json').stdout) as object;
  assert.deepEqual(report, {
    file: talking.output,
    changed: false,
    routers: ['VI_51'],
    validated: 'valid',
    notes: ['something is deprecated'],
    missingInterfaces: [],
  });
});

test('without "vrrp" nothing is written; --print and --include write no file of keepalived', (context) => {
  const { config, output, run, write } = scene(context);
  writeFileSync(config, CONFIG.replace(/^vrrp.*\n/m, ''));
  const { status, stderr } = write();
  assert.deepEqual([status, existsSync(output)], [2, false]);
  assert.match(stderr, /the configuration has no "vrrp"/);
  writeFileSync(config, CONFIG);
  const printed = run('keepalived', 'write', config, '--print', '--include', '--instance', 'edge');
  assert.equal(printed.status, 0);
  assert.match(printed.stdout, /file "\/run\/beeline\/edge\.forwards"/);
  assert.doesNotMatch(printed.stdout, /^ *router_id|vrrp_version|enable_script_security/m);
  assert.equal(originOfText(printed.stdout), 'own');
  assert.equal(run('keepalived', 'write', config, '--print', '--output', output).status, 2);
});

test('check asks keepalived too, and says what an operator of two directors must know', (context) => {
  const { config, run } = scene(context, 'echo "($3: Line 7) Unknown keyword \'x\'" >&2; exit 5');
  const codes = (): string[] => {
    const { status, stdout } = run('check', '--json', config);
    assert.equal(status, 0);
    return (JSON.parse(stdout) as { warnings: { code: string }[] }).warnings.map(({ code }) => code);
  };
  assert.deepEqual(codes(), ['KEEPALIVED_OBJECTS']);
  writeFileSync(config, CONFIG.replace(/^vrrp.*\n/m, ''));
  assert.deepEqual(codes(), []);
});

test('slow takeovers, VIPs that nobody takes over, and flows that a standby cannot know are warned of, and nothing else', () => {
  const of = (vrrp: string, service: string): string[] =>
    vrrpWarnings(
      parseConfig(
        `interfaces: [a]\nvrrp: ${vrrp}\nservices: [{ address: 10.0.0.1, port: 80, realServers: [10.0.0.2, 10.0.0.3], ${service} }]`,
        'f',
      ),
    ).map(({ code, message }) => `${code} ${message}`);
  const fine = '{ instances: [{ id: 1, priority: 240 }] }';
  const cases: [string, string, RegExp | undefined][] = [
    [fine, '', undefined],
    [fine, 'scheduler: sh', undefined],
    [fine, 'scheduler: mh, track: moved', undefined],
    [fine, 'scheduler: dh', undefined],
    [fine, 'scheduler: fo', undefined],
    [fine, 'scheduler: rr, protocol: udp, onePacket: true', undefined],
    [fine, 'scheduler: rr', /^FLOWS_LOST_AT_FAILOVER tcp 10\.0\.0\.1:80: a standby .* the scheduler rr chose: /],
    [fine, 'scheduler: wlc', /^FLOWS_LOST_AT_FAILOVER /],
    [fine, 'persistence: 300', /^FLOWS_LOST_AT_FAILOVER .* persistence remembers/],
    ['{ instances: [{ id: 1 }] }', '', /^VRRP_TAKEOVER_SLOW vrrp VI_1: .* priority 100 .* waits 0\.61 s/],
    ['{ instances: [{ id: 1, interval: 0.1 }] }', '', undefined],
    [
      '{ instances: [{ id: 1, priority: 254, addresses: [10.0.0.7] }] }',
      '',
      /^VIP_WITHOUT_ROUTER 10\.0\.0\.1: no VRRP instance/,
    ],
  ];
  for (const [vrrp, service, expected] of cases) {
    const found = of(vrrp, service);
    assert.equal(found.length, expected === undefined ? 0 : 1, `${vrrp} ${service}: ${found.join('\n')}`);
    assert.ok(expected === undefined || expected.test(found[0]!), found[0]);
  }
});
