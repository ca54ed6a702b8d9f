/**
 * Records the answers of ipvsadm and the kernel's IPVS to a list of commands and frames, in user-mode Linux
 * (test/golden/ipvs/README.md).
 */

import { readFileSync } from 'node:fs';

import { IpvsGuest } from './ipvs-guest.js';
import { describeFrame, frameFrom } from './wire-text.js';

/** Names that recordings use. */
const HOSTS =
  '127.0.0.1 localhost\\n::1 localhost\\n10.0.0.100 director.example\\n10.0.0.31 real.example real\\n' +
  '10.0.0.32 a-real-server-of-a-rather-long-name.example\\nfd00::31 six.example\\nfd00::33 both.example\\n10.0.0.33 both.example\\n10.9.0.1 client.example\\n10.0.0.101 a-director-of-a-rather-long-name.example\\n';

/**
 * Takes a step of a recording, or of a draft of one, and returns what is recorded of it. "$ " is a command whose output
 * is recorded, "! " a command that prepares something, "> " a frame, "#" a remark. All other lines are recorded again.
 */
async function step(guest: IpvsGuest, line: string): Promise<string[]> {
  switch (line[0]) {
    case '#':
      return [line];
    case '!':
      await guest.run(`{ ${line.slice(1)}; } 2>/dev/null`);
      return [line];
    case '$': {
      const { output, status } = await guest.run(`(${line.slice(1)}) 2>&1 </dev/null`);
      return [line, ...(output === '' ? [] : [output.replace(/\n$/, '')]), `[exit ${status}]`];
    }
    case '>': {
      const frames = line.slice(2).split(' | ').map(frameFrom);
      const sent = await guest.send(...frames);
      // IPv6 fragments leave with a random id.
      return [line, ...sent.map((frame) => `< ${describeFrame(frame).replace(/ id=\d{4,}$/, ' id=another')}`)];
    }
    default:
      return [];
  }
}

const [input] = process.argv.slice(2);
const lines = readFileSync(input ?? 0, 'utf8')
  .trimEnd()
  .split('\n');
await using guest = await IpvsGuest.boot(["echo 'hosts: files' > /etc/nsswitch.conf", `printf '${HOSTS}' > /etc/hosts`]);
for (const line of lines) {
  process.stdout.write((await step(guest, line)).map((each) => `${each}\n`).join(''));
}
