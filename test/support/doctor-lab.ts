/** The doctor in a lab: builds one whose director runs, spoils it, and examines it. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

import type { Diagnosis, Finding } from '../../src/doctor/index.js';
import { type HostName, NIC, VIP4 } from '../../src/lab/index.js';
import { ip, mac } from '../../src/model/index.js';
import { routerSolicitation } from '../../src/packet/index.js';
import { execute, TestLab } from './lab.js';

const CONFIG = `
interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, protocol: tcp, scheduler: rr, realServers: [192.168.1.31, 192.168.1.32] }
`;

/** What depends on the machine that tests run on, not on the lab. */
const OF_THE_MACHINE: readonly string[] = [
  'bpf-slow',
  'clock-free',
  'cpu-slow',
  'memory-short',
  'node-old',
  'state-disk',
];

export async function build(context: TestContext, name: string, config = CONFIG): Promise<TestLab> {
  const lab = await TestLab.build(context, name);
  lab.configure(config);
  await lab.startDirector();
  return lab;
}

export async function sh(lab: TestLab, host: HostName, script: string): Promise<void> {
  const { status, stderr } = await execute(lab, host, ['sh', '-ec', script]);
  assert.equal(status, 0, stderr);
}

/** Returns what the doctor finds in the lab; what it finds of the machine under it is left out. */
export async function examine(lab: TestLab, ...words: readonly string[]): Promise<Diagnosis> {
  const { status, stdout, stderr } = await lab.run('doctor', '--json', ...words);
  assert.equal(stderr, '');
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  assert.equal(status, diagnosis.status);
  return { ...diagnosis, findings: diagnosis.findings.filter(({ check }) => !OF_THE_MACHINE.includes(check)) };
}

/** Returns what the doctor prints without its findings of the machine under the lab. */
export function textOfTheLab(text: string): string {
  const block = /^(?:error|warning|note) .*\n(?: .*\n)*? +more +beeline doctor --about ([\w-]+)\n\n?/gm;
  let left = 0;
  const rest = text.replace(block, (whole, check: string) => {
    if (OF_THE_MACHINE.includes(check)) {
      return '';
    }
    left += 1;
    return whole;
  });
  return left > 0 ? rest : rest.replace(/^\d+ (?:error|warning|note)s?(?:, \d+ \w+)*$/m, 'nothing is wrong');
}

/** One line a finding. */
export const lines = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, check, text }) => `${severity} ${check}: ${text}`);

/** A router advertisement with a lifetime of 1,800 s, in hexadecimal, made of a solicitation. */
export function advertisementBy(host: string, address: string): string {
  const frame = routerSolicitation({ mac: mac(host), address: ip(address) });
  // To all nodes, as long as an advertisement; nobody here looks at the checksum.
  const [message, option] = [54, 62];
  const long = Buffer.concat([frame.subarray(0, option), Buffer.alloc(8), frame.subarray(option)]);
  long.set([0x33, 0x33, 0, 0, 0, 1], 0);
  long.writeUInt16BE(24, 14 + 4);
  long[14 + 39] = 1;
  long[message] = 134;
  long.writeUInt16BE(1800, message + 6);
  return long.toString('hex');
}
