/** Debian's programs that call ipvsadm, with beeline-ipvsadm in its place: ldirectord, ipvsadm-save, ipvsadm-restore. */

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { type HostName, NIC, type ProcessIdentity, VIP4 } from '../../src/lab/index.js';
import { execute, TestLab } from '../support/lab.js';

const TOOL = fileURLToPath(new URL('../../src/ipvsadm/main.js', import.meta.url));
const PORT = 8080;
const REAL_SERVERS = { real1: '192.168.1.31', real2: '192.168.1.32' } as const;

/** Runs Debian's nginx in the foreground, without a master, with all of its files in a folder of the lab. */
function startNginx(lab: TestLab, host: keyof typeof REAL_SERVERS): ProcessIdentity {
  const folder = join(lab.directory, `nginx-${host}`);
  mkdirSync(folder, { recursive: true });
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  );
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; user root; pid ${folder}/pid; error_log stderr;
     events {}
     http { access_log off; ${paths.join(' ')} server { listen ${PORT}; return 200 "served by ${host}"; } }`,
  );
  return lab.startProcess(host, `nginx-${host}`, [
    'nginx',
    '-p',
    folder,
    '-c',
    join(folder, 'nginx.conf'),
    '-e',
    'stderr',
  ]);
}

/** Returns a command that runs another one in a separate mount namespace, where /usr/sbin/ipvsadm is Beeline's. */
function withOurs(lab: TestLab, script: string, ...args: string[]): string[] {
  const wrapper = join(lab.directory, 'ipvsadm');
  writeFileSync(wrapper, `#!/bin/sh\nBEELINE_INSTANCE=${lab.name} exec ${process.execPath} ${TOOL} "$@"\n`);
  chmodSync(wrapper, 0o755);
  const mount = `mount --bind ${wrapper} /usr/sbin/ipvsadm`;
  return ['unshare', '--mount', 'sh', '-c', `${mount} && ${script}`, 'sh', ...args];
}

/** Runs ldirectord in the foreground. */
function startLdirectord(lab: TestLab): ProcessIdentity {
  const configuration = join(lab.directory, 'ldirectord.cf');
  writeFileSync(
    configuration,
    `checktimeout=2
checkinterval=1
negotiatetimeout=2
autoreload=no
quiescent=no
logfile="${join(lab.directory, 'ldirectord-own.log')}"
virtual=${VIP4}:${PORT}
${Object.values(REAL_SERVERS)
  .map((address) => `\treal=${address}:${PORT} gate`)
  .join('\n')}
\tservice=http
\trequest="/"
\treceive="served by"
\tscheduler=rr
\tprotocol=tcp
\tchecktype=negotiate
`,
  );
  return lab.startProcess('director', 'ldirectord', withOurs(lab, 'exec ldirectord -d "$1" start', configuration));
}

test('ldirectord takes a real server out when its nginx stops, and back in', async (context) => {
  const lab = await TestLab.build(context, 'ldirectord');
  lab.configure(`interfaces: [${NIC}]\n`);
  const stopped = startNginx(lab, 'real1');
  startNginx(lab, 'real2');
  await lab.startDirector();
  startLdirectord(lab);
  const servers = async (): Promise<string> => {
    const [service] = await lab.list();
    return service?.realServers.map(({ address, state }) => `${address} ${state}`).join(', ') ?? '';
  };
  const pages = async (): Promise<HostName[]> => {
    const all = await lab.pages(4, `http://${VIP4}:${PORT}/`);
    return all.map((page) => page.replace('served by ', '') as HostName);
  };
  await lab.until('ldirectord has added both', async () => (await servers()) === '192.168.1.31 up, 192.168.1.32 up');
  assert.deepEqual((await pages()).sort(), ['real1', 'real1', 'real2', 'real2']);

  await lab.kill(stopped);
  await lab.until('real1 is out', async () => (await servers()) === '192.168.1.32 up');
  assert.deepEqual(await pages(), ['real2', 'real2', 'real2', 'real2']);

  startNginx(lab, 'real1');
  await lab.until('real1 is back', async () => (await servers()) === '192.168.1.31 up, 192.168.1.32 up');
  assert.deepEqual((await pages()).sort(), ['real1', 'real1', 'real2', 'real2']);
});

test("Debian's ipvsadm-save and ipvsadm-restore restore the same table", async (context) => {
  const lab = await TestLab.build(context, 'saved');
  lab.configure(`interfaces: [${NIC}]\n`);
  await lab.startDirector();
  const table = `-A -t ${VIP4}:80 -s wrr
-a -t ${VIP4}:80 -r 192.168.1.31:80 -g -w 3
-a -t ${VIP4}:80 -r 192.168.1.32:80 -g -w 1
-A -u ${VIP4}:53 -s sh -p 60 -M 255.255.255.0 -b sh-port
-A -f 1 -s rr
`;
  const saved = join(lab.directory, 'saved');
  writeFileSync(saved, `# a comment\n${table}`);
  const restore = withOurs(lab, 'ipvsadm-restore <"$1"', saved);
  const save = withOurs(lab, 'ipvsadm-save -n');
  // Run it twice: the second run replaces the table of the first.
  for (let i = 0; i < 2; i += 1) {
    assert.match((await execute(lab, 'director', restore)).stderr, /^(beeline: warning: fwm 1: no packet .*\n)?$/);
    assert.equal(await lab.exec('director', save), table);
  }
});
