/** Debian's programs that call ipvsadm, with beeline-ipvsadm in its place: ldirectord, ipvsadm-save, ipvsadm-restore. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { type HostName, NIC, VIP4 } from '../../src/lab/index.js';
import { execute, TestLab } from '../support/lab.js';
import { NGINX_PORT, startLdirectord, startNginx, withOurs } from '../support/ldirectord-lab.js';

const PORT = NGINX_PORT;
const REAL_SERVERS = { real1: '192.168.1.31', real2: '192.168.1.32' } as const;

const CONFIGURATION = `checktimeout=2
checkinterval=1
negotiatetimeout=2
autoreload=no
quiescent=no
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
`;

test('ldirectord takes a real server out when its nginx stops, and back in', async (context) => {
  const lab = await TestLab.build(context, 'ldirectord');
  lab.configure(`interfaces: [${NIC}]\n`);
  const stopped = startNginx(lab, 'real1');
  startNginx(lab, 'real2');
  await lab.startDirector();
  startLdirectord(lab, CONFIGURATION);
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
