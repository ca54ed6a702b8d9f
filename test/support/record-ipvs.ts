/**
 * Records the answers of ipvsadm and the kernel's IPVS to a list of commands and frames, in user-mode Linux
 * (test/golden/ipvs/README.md).
 */

import { readFileSync } from 'node:fs';

import { IpvsGuest } from './ipvs-guest.js';
import { recordStep } from './record-step.js';

/** Names that recordings use. */
const HOSTS =
  '127.0.0.1 localhost\\n::1 localhost\\n10.0.0.100 director.example\\n10.0.0.31 real.example real\\n' +
  '10.0.0.32 a-real-server-of-a-rather-long-name.example\\nfd00::31 six.example\\nfd00::33 both.example\\n10.0.0.33 both.example\\n10.9.0.1 client.example\\n10.0.0.101 a-director-of-a-rather-long-name.example\\n';

const [input] = process.argv.slice(2);
const lines = readFileSync(input ?? 0, 'utf8')
  .trimEnd()
  .split('\n');
await using guest = await IpvsGuest.boot([
  "echo 'hosts: files' > /etc/nsswitch.conf",
  `printf '${HOSTS}' > /etc/hosts`,
]);
for (const line of lines) {
  process.stdout.write((await recordStep(guest, line)).map((each) => `${each}\n`).join(''));
}
