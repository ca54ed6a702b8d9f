/** `beeline check` and `beeline status` say each warning once, and none that is not about the configuration. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { formatStatus } from '../../../src/cli/commands/status.js';
import { warningsAbout } from '../../../src/cli/warnings.js';
import { parseConfig } from '../../../src/config/index.js';
import type { Handlers, StatusReport } from '../../../src/control/index.js';
import { ControlServer } from '../../../src/control/server.js';
import { instanceOf, ip, type Model, type Warning, warningText } from '../../../src/model/index.js';

const STATUS: StatusReport = {
  version: '1',
  pid: 1,
  startedAt: '2026-11-29T00:00:00Z',
  configPath: 'x.yaml',
  interfaces: [],
  generation: 1,
  services: 1,
  realServers: 1,
  unresolved: 0,
  packets: 0,
  bytes: 0,
  verdicts: {},
  problems: [],
};
const NOBODY = '/nonexistent/socket';

function model(rest = ''): Model {
  return parseConfig(
    `interfaces: [nosuchnic]
${rest}services:
  - { address: 192.168.1.100, port: 80, realServers: [192.168.1.31, { address: 192.168.1.32, mac: '00:50:00:00:02:00' }] }
`,
    'test.yaml',
  );
}

async function found(of: Model, others: readonly Model[] = [], socket = NOBODY): Promise<(string | undefined)[][]> {
  const warnings = await warningsAbout(of, others, { ...instanceOf('none'), socketPath: socket });
  return warnings.map(({ code, realServer }) => [code, realServer]);
}

test('check warns of a real server that is a director by its address, by its MAC, or by what another director says', async () => {
  const code = 'DIRECTOR_AS_REAL_SERVER';
  assert.deepEqual(await found(model()), []);
  assert.deepEqual(await found(model('directors: [192.168.1.22]\n')), []);
  assert.deepEqual(await found(model('directors: [192.168.1.31]\n')), [[code, '192.168.1.31']]);
  assert.deepEqual(await found(model("directors: ['00:50:00:00:02:00']\n")), [[code, '192.168.1.32']]);
  assert.deepEqual(await found(model(), [model('directors: [192.168.1.22]\n'), model('directors: [192.168.1.31]\n')]), [
    [code, '192.168.1.31'],
  ]);
});

test('this host, in a list of directors that all of them have, is no other director', async () => {
  const [own] = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => ip(address)));
  assert.ok(own !== undefined);
  const services = model().services.map((each) => ({ ...each, destinations: [{ address: own, weight: 1 }] }));
  assert.deepEqual(await found({ ...model(), services, directors: [own] }), []);
});

test('check warns of programs and files of checks and hooks that this host does not have, once each', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-files-'));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  const text = join(directory, 'text');
  writeFileSync(text, 'no program', { mode: 0o644 });
  const of = parseConfig(
    `interfaces: [nosuchnic]
health: { hooks: [{ command: [/nonexistent/notify] }, { url: "http://a/b", secretFile: /nonexistent/key }] }
services:
  - address: 192.168.1.100
    port: 80
    health:
      checks:
        - { type: exec, command: [${process.execPath}] }
        - { type: exec, command: [/nonexistent/check] }
        - { type: agent, by: exec, command: [${text}] }
        - { type: https, ca: ${text} }
        - { type: tls, ca: ${directory} }
        - { type: file, path: /nonexistent/weight }
    realServers: [{ address: 192.168.1.31, health: { checks: { type: exec, command: [/nonexistent/check] } } }]
`,
    'test.yaml',
  );
  const warnings = await warningsAbout(of, [], { ...instanceOf('none'), socketPath: NOBODY });
  assert.deepEqual([...new Set(warnings.map(({ code }) => code))], ['CHECK_FILE_MISSING']);
  const name = 'tcp 192.168.1.100:80';
  assert.deepEqual(
    warnings.map(({ message }) => message),
    [
      `${name}: /nonexistent/check does not exist, so that the check cannot be made`,
      `${name}: ${text} is no program, so that the agent is not asked`,
      `${name}: ${directory} is a folder, so that the check cannot be made`,
      'health.hooks[0]: /nonexistent/notify does not exist, so that nobody is told',
      'health.hooks[1]: /nonexistent/key does not exist, so that nothing can be signed',
    ],
  );
});

test('check warns of health that proves little', async () => {
  const of = parseConfig(
    'interfaces: [nosuchnic]\nservices: [{ address: 192.168.1.100, port: 53, protocol: udp, health: udp, realServers: [192.168.1.31] }]',
    'test.yaml',
  );
  assert.deepEqual(await found(of), [['CHECK_PROVES_LITTLE', undefined]]);
});

test('of the warnings of a daemon, check says those that are about the file, and none twice', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'beeline-warnings-'));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  const common = { code: 'FROM_REAL_SERVER', message: 'it comes back', remedy: 'mend it' } as const;
  const service = 'tcp 192.168.1.100:80';
  const warnings: Warning[] = [
    { ...common, service },
    { ...common, service, realServer: ip('192.168.1.31') },
    { ...common, service, realServer: ip('192.168.1.39'), message: 'another real server' },
    { ...common, service: 'tcp 192.168.1.100:81', message: 'another service' },
    { ...common, code: 'VLAN_TAGS_HIDDEN', interface: 'othernic', message: 'another interface' },
    { ...common, code: 'VLAN_TAGS_HIDDEN', interface: 'nosuchnic', message: 'hidden' },
  ];
  const path = join(directory, 'sock');
  const handlers = { status: () => ({ ...STATUS, warnings }) } as unknown as Handlers;
  const server = await ControlServer.listen({ path, handlers, onError: assert.ifError });
  context.after(() => server.close());
  assert.deepEqual(await found(model(), [], path), [
    ['FROM_REAL_SERVER', '192.168.1.31'],
    ['VLAN_TAGS_HIDDEN', undefined],
  ]);
});

test('status shows a warning as such, and one that is a problem only as the problem', () => {
  const warning = { message: 'packets come back', remedy: 'give it the VIP' };
  const problem: Warning = { ...warning, code: 'FROM_REAL_SERVER' };
  const other: Warning = { code: 'FROM_DIRECTOR', message: 'a director sends', remedy: 'nothing, maybe' };
  const status = { ...STATUS, problems: [warningText(problem)], warnings: [problem, other] };
  const lines = formatStatus(status, 0).split('\n').slice(-3);
  assert.deepEqual(lines, [
    'problem        packets come back: give it the VIP',
    'warning        a director sends: nothing, maybe',
    '',
  ]);
});
