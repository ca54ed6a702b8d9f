/** Records the answers of ipvsadm and the kernel's IPVS to a list of commands, in user-mode Linux (test/golden/ipvs/README.md). */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { initramfs, requireUml } from '../../src/bench/index.js';
import type { Scheduler } from '../../src/model/index.js';

/** The schedulers that Debian's user-mode Linux has as modules. */
const SCHEDULERS = 'rr wrr lc wlc sed nq sh mh dh fo ovf lblc lblcr'.split(' ') as Scheduler[];
const [BEGIN, END] = ['beeline: begin', 'beeline: end'] as const;
/** Names that recordings use. */
const HOSTS =
  '127.0.0.1 localhost\\n::1 localhost\\n10.0.0.100 director.example\\n10.0.0.31 real.example real\\n' +
  '10.0.0.32 a-real-server-of-a-rather-long-name.example\\nfd00::31 six.example\\nfd00::33 both.example\\n10.0.0.33 both.example\\n10.9.0.1 client.example\\n10.0.0.101 a-director-of-a-rather-long-name.example\\n';
const TIMEOUT_MS = 300_000;

/**
 * Translates a line of a recording, or of a draft of one, to shell commands. "$ " is a command whose output is recorded,
 * "! " a command that prepares something, "#" a remark. All other lines are recorded again.
 */
function step(line: string): string[] {
  const quoted = `'${line.replaceAll("'", "'\\''")}'`;
  switch (line[0]) {
    case '#':
      return [`echo ${quoted}`];
    case '!':
      return [`echo ${quoted}`, `{ ${line.slice(1)}; } 2>/dev/null`];
    case '$':
      return [`echo ${quoted}`, `(${line.slice(1)}) 2>&1 </dev/null`, 'echo "[exit $?]"'];
    default:
      return [];
  }
}

function script(modules: readonly string[], lines: readonly string[]): string {
  return `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mknod /dev/null c 1 3
/bin/busybox stty -F /dev/console -opost
export PATH=/usr/sbin:/bin
for program in cat echo httpd nc printf sed sleep; do alias $program="/bin/busybox $program"; done
${modules.map((path) => `/bin/busybox insmod ${path}`).join('\n')}
echo 1 > /proc/sys/kernel/printk
/usr/sbin/ip link set lo up
echo 'hosts: files' > /etc/nsswitch.conf
printf '${HOSTS}' > /etc/hosts
echo '${BEGIN}'
${lines.flatMap(step).join('\n')}
echo '${END}'
/bin/busybox poweroff -f
`;
}

requireUml();
const [input] = process.argv.slice(2);
const lines = readFileSync(input ?? 0, 'utf8')
  .trimEnd()
  .split('\n');
const directory = mkdtempSync(join(tmpdir(), 'record-ipvs-'));
try {
  const archive = join(directory, 'initramfs');
  writeFileSync(archive, await initramfs(SCHEDULERS, (modules) => script(modules, lines), ['/etc/services']));
  const options = ['mem=128M', `initrd=${archive}`, `uml_dir=${directory}`, 'rdinit=/init', 'quiet'];
  const output = execFileSync('linux.uml', [...options, 'con0=null,fd:1', 'con=null', 'ssl=null'], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'ignore'],
  }).replaceAll('\r', '');
  process.stdout.write(output.slice(output.indexOf(`${BEGIN}\n`) + BEGIN.length + 1, output.indexOf(`${END}\n`)));
} finally {
  rmSync(directory, { recursive: true });
}
