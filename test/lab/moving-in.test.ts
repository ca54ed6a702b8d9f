/** From ldirectord and keepalived to Beeline: what is imported does what they do with it, and each step of docs/moving-in.md works. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

import { importIpvsadm } from '../../src/import/index.js';
import { systemNames } from '../../src/ipvsadm/index.js';
import { NIC, type ProcessIdentity, VIP4 } from '../../src/lab/index.js';
import { allServices } from '../../src/model/index.js';
import { execute, TestLab } from '../support/lab.js';
import { importText, ldirectordFiles } from '../support/ldirectord-files.js';
import { NGINX_PORT, recordIpvsadm, startLdirectord, startNginx, writeLdirectord } from '../support/ldirectord-lab.js';
import { comparable, type Step, stepsOf } from '../support/pages.js';
import { tableOf } from '../support/service-table.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

/** As most files are, but for the times. */
const TYPICAL = `checktimeout=2
negotiatetimeout=2
checkinterval=1
autoreload=no
quiescent=no
logfile="/var/log/ldirectord.log"
virtual=${VIP4}:${NGINX_PORT}
\treal=192.168.1.31:${NGINX_PORT} gate
\treal=192.168.1.32:${NGINX_PORT} gate
\tfallback=127.0.0.1:${NGINX_PORT} gate
\tservice=http
\trequest="/"
\treceive="^served by \\w+$"
\tscheduler=rr
\tprotocol=tcp
\tchecktype=negotiate
`;

/** Of keepalived: a real server with two checks, and one with a program. */
const KEEPALIVED = `virtual_server ${VIP4} ${NGINX_PORT} {
  delay_loop 1
  connect_timeout 2
  lvs_sched rr
  lvs_method DR
  protocol TCP
  sorry_server 127.0.0.1 ${NGINX_PORT}
  real_server 192.168.1.31 ${NGINX_PORT} {
    HTTP_GET {
      url {
        path /
        digest 0123456789abcdef0123456789abcdef
        status_code 200
        regex "^served by [a-z0-9]+$"
      }
      delay_before_retry 1
    }
    TCP_CHECK {
    }
  }
  real_server 192.168.1.32 ${NGINX_PORT} {
    MISC_CHECK {
      misc_path "/bin/bash -c 'exec </dev/tcp/192.168.1.32/${NGINX_PORT}'"
      misc_timeout 2
    }
  }
}
`;

const PAGE = `http://${VIP4}:${NGINX_PORT}/`;

/** Imports the file by the command, and returns the configuration's path. */
async function importFile(
  lab: TestLab,
  path: string,
  program: 'ldirectord' | 'keepalived' = 'ldirectord',
): Promise<{ yaml: string; report: string; status: number | null }> {
  const { status, stdout, stderr } = await lab.run('import', program, path, '--interface', NIC);
  const yaml = join(lab.directory, 'imported.yaml');
  writeFileSync(yaml, stdout);
  return { yaml, report: stderr, status };
}

/** Returns who answers four requests, without doubles; "nobody" if one fails. */
async function answering(lab: TestLab): Promise<string> {
  try {
    const pages = await lab.pages(4, PAGE);
    return [...new Set(pages.map((page) => page.replace('served by ', '')))].sort().join(', ');
  } catch {
    return 'nobody';
  }
}

/** Stops and starts the real servers' nginx, and waits at each step until the clients are answered as they must be. */
async function seeFailures(lab: TestLab, nginx: Record<'real1' | 'real2', ProcessIdentity>): Promise<void> {
  const awaitAnswers = (by: string): Promise<void> =>
    lab.until(`${by} answers`, async () => (await answering(lab)) === by);
  await awaitAnswers('real1, real2');
  await lab.kill(nginx.real1);
  await awaitAnswers('real2');
  await lab.kill(nginx.real2);
  await awaitAnswers('director');
  startNginx(lab, 'real1');
  await awaitAnswers('real1');
  startNginx(lab, 'real2');
  await awaitAnswers('real1, real2');
}

for (const by of ['ldirectord', 'the imported configuration', "keepalived's, imported"] as const) {
  test(`by ${by}, a real server whose nginx stops is taken out, the fallback takes over, and both come back`, async (context) => {
    const lab = await TestLab.build(context, 'moving');
    const nginx = { real1: startNginx(lab, 'real1'), real2: startNginx(lab, 'real2') };
    startNginx(lab, 'director');
    lab.configure(`interfaces: [${NIC}]\n`);
    if (by === 'ldirectord') {
      await lab.startDirector();
      startLdirectord(lab, TYPICAL);
    } else {
      const isKeepalived = by === "keepalived's, imported";
      const path = isKeepalived ? join(lab.directory, 'keepalived.conf') : writeLdirectord(lab, TYPICAL);
      if (isKeepalived) {
        writeFileSync(path, KEEPALIVED);
      }
      const { yaml, report, status } = await importFile(lab, path, isKeepalived ? 'keepalived' : 'ldirectord');
      assert.equal(status, isKeepalived ? 1 : 0, report);
      // Without a digest the status and the expression are left, and that is all that is missing.
      assert.equal(
        report.split('\n').filter((line) => line.includes(' dropped: ')).length,
        isKeepalived ? 1 : 0,
        report,
      );
      lab.configure(readFileSync(yaml, 'utf8'));
      await lab.startDirector();
    }
    await seeFailures(lab, nginx);
  });
}

/** Files that ldirectord itself takes. Those of the others are refused, or need hosts that have names. */
const TAKEN = ['web', 'tabs-ranges-ipv6', 'marks', 'empty-services', 'udp-and-programs'];

test('the imported services are those that ldirectord itself asks ipvsadm for', async (context) => {
  const lab = await TestLab.build(context, 'asked');
  for (const { name, text } of ldirectordFiles().filter((file) => TAKEN.includes(file.name))) {
    await context.test(`${name}.cf`, async () => {
      const { model } = await importText(text);
      const ours = tableOf(model);
      const fallbacks = allServices(model).flatMap(({ health }) => health?.fallback ?? []);
      // A fallback of marked packets that ldirectord cannot tell has no address.
      const isReal = (command: string): boolean =>
        !command.includes(' -r :0 ') &&
        !fallbacks.some((each) => command.includes(` -r ${each}:`) || command.includes(` -r [${each}]:`));
      // ldirectord remembers real servers by address and port alone: of several services, one has it at the start.
      const endpoints = new Set(
        allServices(model).flatMap((service) =>
          service.destinations.map(
            ({ address, port }) => `${address} ${port ?? ('port' in service ? service.port : 0)}`,
          ),
        ),
      );
      const commands = await recordIpvsadm(lab, text, (all) => {
        const added = all.filter((command) => command.startsWith('-a ') && isReal(command));
        return new Set(added).size >= endpoints.size;
      });
      const rules = commands.filter((command) => command.startsWith('-A ') || isReal(command));
      // A real server is added twice if its check passes at once: in a table without memory.
      const { model: asked } = await importIpvsadm([...new Set(rules)].join('\n'), NIC, systemNames());
      const theirs = tableOf(asked);
      assert.deepEqual([...theirs.keys()].sort(), [...ours.keys()].sort());
      for (const [service, { settings, weights }] of theirs) {
        assert.equal(settings, ours.get(service)!.settings, service);
        for (const [address, weight] of weights) {
          assert.deepEqual(weight, ours.get(service)!.weights.get(address), `${service} ${address}`);
        }
      }
    });
  }
});

/** Each file of the page, its section, and the first line of it there. */
const MOVES = [
  { from: 'ipvsadm and ldirectord', file: 'ldirectord.cf', begin: 'checktimeout' },
  { from: 'keepalived', file: 'keepalived.conf', begin: 'global_defs' },
] as const;

for (const { from, file, begin } of MOVES) {
  test(`each command of docs/moving-in.md from ${from} works in its order and prints what it says, and the host has the packets again after the way back`, async (context) => {
    const lab = await TestLab.build(context, 'steps');
    const page = readFileSync('docs/moving-in.md', 'utf8');
    const section = page.split(/^## /m).find((each) => each.startsWith(`From ${from}\n`))!;
    const steps = stepsOf(section);
    assert.ok(steps.length > 8);
    const text = section.split(/^```\n/m).find((each) => each.startsWith(begin))!;
    writeFileSync(join(lab.directory, file), text);
    // In IPVS's place, the host itself answers what is passed up to it.
    startNginx(lab, 'director', 80);
    lab.configure(`interfaces: [${NIC}]\n`);
    await lab.startDirector();
    const { wrong, seen } = await follow(lab, steps);
    assert.equal(wrong.join('\n\n'), '');
    const real = ['<h1>Real Server 01</h1>', '<h1>Real Server 02</h1>'];
    assert.deepEqual(seen, [real, ['served by director'], real]);
  });
}

/** Runs steps. Returns those whose output is another one, and who answers after each change. */
async function follow(lab: TestLab, steps: readonly Step[]): Promise<{ wrong: string[]; seen: string[][] }> {
  const url = `http://${VIP4}/index.html`;
  const whoAnswers = async (): Promise<string[]> => [...new Set(await lab.pages(6, url))].sort();
  await lab.until('nginx listens', () =>
    whoAnswers().then(
      () => true,
      () => false,
    ),
  );
  const seen: string[][] = [];
  const wrong: string[] = [];
  for (const { command, output } of steps) {
    if (/systemctl|systemd|npm install/.test(command)) {
      continue;
    }
    if (command.includes('list')) {
      await lab.until(
        'all checks have passed',
        async () => !(await lab.run('list', '--checks')).stdout.includes('down'),
      );
    }
    const actual = await shell(lab, command);
    if (comparable(actual) !== comparable(output)) {
      wrong.push(`$ ${command}\n${actual}`);
    }
    if (command.includes('apply')) {
      await lab.until('some real server is up', async () => (await whoAnswers().catch(() => [])).length > 0);
      await lab.until('first checks', async () => !(await lab.run('list', '--checks')).stdout.includes('down'));
      seen.push(await whoAnswers());
    }
  }
  return { wrong, seen };
}

/** Runs a command line of the page on the director, with the lab's files in place of those in /etc. */
async function shell(lab: TestLab, command: string): Promise<string> {
  const beeline = `${process.execPath} ${BEELINE}`;
  const script = `sudo() { "$@"; }; beeline() { ${beeline} "$@"; }; cd ${lab.directory}; exec 2>&1; ${command
    .replaceAll('/etc/ha.d/', '')
    .replaceAll('/etc/keepalived/', '')
    .replace('keepalived write', `keepalived write ${lab.configPath}`)
    .replaceAll('/etc/beeline/beeline.yaml', lab.configPath)}`;
  // keepalived's folder is the lab's for this command, with what the program of Debian 13 reads there of its own.
  const folder =
    `for file in /etc/keepalived/*.config-opts; do if [ -e $file ]; then cp $file ${lab.directory}; fi; done; ` +
    `mount --bind ${lab.directory} /etc/keepalived`;
  const own = ['unshare', '--mount', 'bash', '-c', `${folder}; ${script}`];
  const { stdout } = await execute(lab, 'director', ['env', `BEELINE_INSTANCE=${lab.name}`, ...own]);
  return stdout
    .replaceAll(lab.configPath, '/etc/beeline/beeline.yaml')
    .replaceAll(/^ldirectord\.cf/gm, '/etc/ha.d/ldirectord.cf')
    .replaceAll(/^keepalived\.conf/gm, '/etc/keepalived/keepalived.conf')
    .trim();
}
