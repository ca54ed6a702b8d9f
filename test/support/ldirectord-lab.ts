/** Debian's ldirectord and nginx on the hosts of a lab, with beeline-ipvsadm, or a recorder, in ipvsadm's place. */

import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type HostName, isAlive, type ProcessIdentity } from '../../src/lab/index.js';
import type { TestLab } from './lab.js';

const TOOL = fileURLToPath(new URL('../../app/ipvsadm/main.js', import.meta.url));

export const NGINX_PORT = 8080;

/** Runs nginx in the foreground, without a master, with all of its files in a folder of the lab. Its pages say "served by HOST". */
export function startNginx(lab: TestLab, host: HostName, port = NGINX_PORT): ProcessIdentity {
  const folder = join(lab.directory, `nginx-${host}`);
  mkdirSync(folder, { recursive: true });
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  );
  const configuration = join(folder, 'nginx.conf');
  writeFileSync(
    configuration,
    `daemon off; master_process off; user root; pid ${folder}/pid; error_log stderr;
     events {}
     http { access_log off; ${paths.join(' ')} server { listen ${port}; listen [::]:${port}; return 200 "served by ${host}"; } }`,
  );
  return lab.startProcess(host, `nginx-${host}`, ['nginx', '-p', folder, '-c', configuration, '-e', 'stderr']);
}

/** Returns a command that runs another one in a separate mount namespace, where /usr/sbin/ipvsadm is Beeline's. */
export function withOurs(lab: TestLab, script: string, ...args: string[]): string[] {
  const wrapper = join(lab.directory, 'ipvsadm');
  writeFileSync(wrapper, `#!/bin/sh\nBEELINE_INSTANCE=${lab.name} exec ${process.execPath} ${TOOL} "$@"\n`);
  chmodSync(wrapper, 0o755);
  const mount = `mount --bind ${wrapper} /usr/sbin/ipvsadm`;
  return ['unshare', '--mount', 'sh', '-c', `${mount} && ${script}`, 'sh', ...args];
}

/** Writes a file of ldirectord into the lab, whose log stays there, and which sends no mail. */
export function writeLdirectord(lab: TestLab, text: string): string {
  const path = join(lab.directory, 'ldirectord.cf');
  const quiet = text.replace(/^(logfile|emailalert)\s*=.*$/gm, '');
  writeFileSync(path, `logfile="${join(lab.directory, 'ldirectord-own.log')}"\n${quiet}`);
  return path;
}

/** Runs ldirectord in the foreground, over beeline-ipvsadm. */
export function startLdirectord(lab: TestLab, text: string): ProcessIdentity {
  const path = writeLdirectord(lab, text);
  return lab.startProcess('director', 'ldirectord', withOurs(lab, 'exec ldirectord -d "$1" start', path));
}

/**
 * Returns the commands that ldirectord gives ipvsadm at its start, on a host without any service.
 * ldirectord adds real servers in the order of a hash of Perl, which is always the same here.
 *
 * @param isEnough whether these are all
 */
export async function recordIpvsadm(
  lab: TestLab,
  text: string,
  isEnough: (commands: readonly string[]) => boolean,
): Promise<string[]> {
  const folder = join(lab.directory, 'recorder');
  const record = join(folder, 'commands');
  mkdirSync(folder, { recursive: true });
  rmSync(record, { force: true });
  // ldirectord takes ./ipvsadm before all others.
  writeFileSync(join(folder, 'ipvsadm'), `#!/bin/sh\necho "$@" >>${record}\n`);
  chmodSync(join(folder, 'ipvsadm'), 0o755);
  const script = 'cd "$1" && PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0 exec ldirectord -d "$2" start';
  const command = ['sh', '-c', script, 'sh', folder, writeLdirectord(lab, text)];
  const ldirectord = lab.startProcess('director', 'ldirectord-recorded', command);
  const commands = (): string[] =>
    existsSync(record)
      ? readFileSync(record, 'utf8')
          .split('\n')
          .filter((line) => /^-[Aa] /.test(line))
      : [];
  await lab.until('ldirectord has made its services', () => isEnough(commands()) || !isAlive(ldirectord));
  if (isAlive(ldirectord)) {
    await lab.kill(ldirectord);
  }
  return commands();
}
