/**
 * Makes checks of the lab's VIPs through each real server, on the director, and prints what they found.
 *
 *   check-vips.js ROUNDS        a line for each check: RIP, VIP, outcome, page
 */

import { execFileSync } from 'node:child_process';

import { type CheckResult, httpBody, Wire } from '../../src/health/index.js';
import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { ip as address } from '../../src/model/index.js';

const rounds = Number(process.argv[2]);
const director = hostNamed('director');
const targets = (['real1', 'real2'] as const).flatMap((name) => [
  { local: director.ipv4, rip: hostNamed(name).ipv4, vip: VIP4 },
  { local: director.ipv6, rip: hostNamed(name).ipv6, vip: address(VIP6) },
]);

let onResult: (result: CheckResult) => void = () => undefined;
using wire = await Wire.open({
  onResults: (results) => {
    results.forEach((result) => {
      onResult(result);
    });
  },
});
// Not /sys, which shows another network.
const [link] = JSON.parse(execFileSync('ip', ['-j', 'link', 'show', NIC], { encoding: 'utf8' })) as {
  ifindex: number;
}[];
for (const { error } of wire.follow([link!.ifindex])) {
  throw error;
}
const jobs = targets.map((target) =>
  wire.checks.define({
    protocol: 'tcp',
    ...target,
    port: 80,
    send: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    until: { on: 'http' },
    bytes: true,
    timeoutMs: 3000,
  }),
);
for (let round = 0; round < rounds; round += 1) {
  for (const [i, job] of jobs.entries()) {
    const result = await new Promise<CheckResult>((resolve) => {
      onResult = resolve;
      wire.checks.start(Uint32Array.of(job));
    });
    const page = Buffer.from(httpBody(result.bytes, result.http?.bodyOffset ?? 0))
      .toString()
      .trim();
    process.stdout.write(`${targets[i]!.rip} ${targets[i]!.vip} ${result.outcome} ${result.http ? page : ''}\n`);
  }
}
