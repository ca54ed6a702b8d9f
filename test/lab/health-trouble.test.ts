/** Health checks of servers and programs that misbehave, agents and files that change weights, and hooks, in the lab. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { serviceName } from '../../src/model/index.js';
import { BAD_PORTS as P } from '../support/bad-server-ports.js';
import { Authority } from '../support/certificates.js';
import { type HealthCase, HealthTable } from '../support/health-cases.js';
import { TestLab } from '../support/lab.js';

const BAD_SERVERS = fileURLToPath(new URL('../support/bad-servers.js', import.meta.url));
const WEBHOOK_SERVER = fileURLToPath(new URL('../support/webhook-server.js', import.meta.url));
const WEBHOOK_PORT = 8900;
const [ONE, TWO] = [hostNamed('real1'), hostNamed('real2')];
const SECRET = 'a secret of the tests';

const server = (type: string, kind: keyof typeof P, finds: string, more: object = {}): HealthCase => ({
  name: `${type} ${kind} ${Object.keys(more).join(' ')}`,
  check: { type, port: P[kind], ...more },
  finds,
});

const SERVERS: HealthCase[] = [
  server('tcp', 'hang', 'up L4 ok'),
  server('http', 'hang', 'down L7 timeout, no answer'),
  server('smtp', 'hang', 'down L7 timeout, no answer'),
  server('redis', 'hang', 'down L7 timeout, no answer'),
  server('http', 'closeAtOnce', 'down L7 closed early, no answer'),
  server('smtp', 'closeAtOnce', 'down L7 closed early, no answer'),
  server('http', 'resetAtOnce', 'down L4 reset'),
  server('smtp', 'resetAtOnce', 'down L4 reset'),
  server('http', 'resetLater', 'down L4 reset'),
  server('http', 'halfHead', 'down L7 closed early'),
  server('http', 'halfBody', 'up L7 status 200'),
  server('http', 'halfBody', 'up L7 status 200, body matches', { body: 'half' }),
  server('http', 'halfBody', 'down L7 closed early', { body: 'whole' }),
  server('http', 'drip', 'down L7 timeout'),
  server('smtp', 'drip', 'down L7 answered "H…'),
  server('http', 'flood', 'down L7 not HTTP: "xxxxxxxx…'),
  server('smtp', 'flood', 'down L7 answer too long'),
  server('http', 'floodBody', 'up L7 status 200'),
  server('http', 'floodBody', 'down L7 status 200, body does not match', { body: 'y' }),
  server('http', 'endlessHead', 'down L7 answer too long'),
  server('http', 'endlessContinue', 'down L7 status 100'),
  server('http', 'garbage', 'down L7 not HTTP: "…"'),
  server('imap', 'garbage', 'down L7 answered "…"'),
  server('http', 'manyHeaders', 'up L7 status 200'),
  server('http', 'manyHeaders', 'up L7 status 200, body matches', { body: '^ok$' }),
  server('http', 'tooManyHeaders', 'down L7 answer too long'),
  server('http', 'hugeChunk', 'up L7 status 200'),
  server('http', 'hugeChunk', 'down L7 not HTTP: "HTTP/1.1 200 OK…', { body: 'ok' }),
  server('http', 'hugeLength', 'up L7 status 200, body matches', { body: 'ok' }),
  server('http', 'http2', 'down L7 not HTTP: "…"'),
  server('http', 'redirect', 'up L7 status 302'),
  server('http', 'tooSoon', 'up L7 status 200'),
  server('http', 'badLength', 'down L7 not HTTP: "HTTP/1.1 200 OK…', { body: 'x' }),
];

const tlsServers = (ca: string): HealthCase[] => {
  const tls = (type: string, kind: keyof typeof P, finds: string, more: object = {}): HealthCase =>
    server(type, kind, finds, { ca, ...more });
  return [
    tls('https', 'hang', 'down L6 timeout'),
    tls('https', 'closeAtOnce', 'down L6 closed early'),
    tls('https', 'resetLater', 'down L6 reset'),
    tls('https', 'flood', 'down L6 answers without TLS'),
    tls('https', 'garbage', 'down L6 answers without TLS'),
    tls('https', 'tlsHang', 'down L7 timeout, no answer'),
    tls('tls', 'tlsHang', 'up L6 TLSv1.3'),
    tls('https', 'tlsClose', 'down L7 closed early, no answer'),
    tls('https', 'tlsDrip', 'down L7 timeout'),
    tls('https', 'tlsFlood', 'up L7 status 200'),
    tls('https', 'tlsFlood', 'down L7 status 200, body does not match', { body: 'y' }),
    tls('https', 'tlsHugeChunk', 'down L7 not HTTP: "HTTP/1.1 200 OK…', { body: 'ok' }),
    tls('tls', 'tlsChain', 'up L6 TLSv1.3'),
    tls('tls', 'tlsLongChain', 'down L6 excessive message size'),
    tls('imap', 'tlsFlood', 'down L7 answer too long', { tls: true }),
    tls('imap', 'tlsClose', 'down L7 closed early, no answer', { tls: true }),
  ];
};

const DATAGRAMS: HealthCase[] = (
  [
    ['udpGarbage', 'L7 not DNS'],
    ['udpEmpty', 'L7 not DNS'],
    ['udpOtherId', 'L7 not an answer to the question'],
    ['udpLoop', 'L7 not DNS'],
    ['udpManyAnswers', 'L7 not DNS'],
    ['udpTwice', 'L7 no answers'],
    ['udpOtherAddress', 'L4 answers from its own address, not from the VIP'],
  ] as const
).map(([kind, finds]) => ({
  ...server('dns', kind, `down ${finds}`, { name: 'www.example.test', record: 'A' }),
  protocol: 'udp',
}));

/** Scripts, by name. "%" is the folder that they are in, and "@" this process's number, so that their children are known. */
const SCRIPTS: Readonly<Record<string, string>> = {
  passes: '#!/bin/sh\nexit 0',
  says: '#!/bin/sh\necho disk full; exit 2',
  complains: '#!/bin/sh\necho no such table >&2; exit 1',
  dies: '#!/bin/sh\nkill -SEGV $$',
  // Its children must not outlive it.
  hangs: '#!/bin/sh\n(sleep 4711.@ & sleep 4711.@) & sleep 4711.@',
  // It is over when it ends, and not when it says no more.
  closes: '#!/bin/sh\nexec >&- 2>&-\nsleep 4711.@',
  floods: '#!/bin/sh\nexec cat /dev/zero',
  complainsMuch: '#!/bin/sh\nexec cat /dev/zero >&2',
  colours: "#!/bin/sh\nprintf '\\033[31mred\\n'; exit 3",
  // Nothing comes from the terminal, or from the daemon's own input.
  reads: '#!/bin/sh\nread line && exit 1; exit 0',
  children: '#!/bin/sh\nsleep 4712.@ &\nexit 0',
  knows: `#!/bin/sh
[ "$BEELINE_VIP $BEELINE_REAL_SERVER $BEELINE_PROTOCOL $1" = "${VIP4} ${ONE.ipv4} tcp an argument" ]`,
  bare: 'exit 0',
  locked: '#!/bin/sh\nexit 0',
  watches: '#!/bin/sh\n[ -e %/flag ]',
  hook: '#!/bin/sh\ncat >> %/told; echo >> %/told; echo "$BEELINE_EVENT $BEELINE_SERVICE $BEELINE_REAL_SERVER" >> %/environment',
};

const programs = (folder: string): HealthCase[] => {
  const exec = (name: string, finds: string, ...args: string[]): HealthCase => ({
    name: `exec ${name}`,
    check: { type: 'exec', command: [name.startsWith('/') ? name : join(folder, name), ...args] },
    vips: [VIP4],
    finds,
  });
  const cannot = (path: string, why: string): string => `unknown; trouble: cannot run ${path}: ${why}`;
  return [
    exec('passes', 'up L7 ok'),
    exec('says', 'down L7 exit 2: "disk full"'),
    exec('complains', 'down L7 exit 1: "no such table"'),
    exec('dies', 'down L7 killed by SIGSEGV'),
    exec('hangs', 'down L7 timeout'),
    exec('closes', 'down L7 timeout'),
    exec('floods', 'down L7 writes too much'),
    exec('complainsMuch', 'down L7 writes too much'),
    exec('colours', 'down L7 exit 3: "…"'),
    exec('reads', 'up L7 ok'),
    exec('children', 'up L7 ok'),
    exec('knows', 'up L7 ok', 'an argument'),
    // As execvp() does.
    exec('bare', 'up L7 ok'),
    exec('locked', cannot(join(folder, 'locked'), 'permission denied')),
    exec('/nonexistent/check', cannot('/nonexistent/check', 'no such file')),
    exec('/etc', cannot('/etc', 'permission denied')),
  ];
};

/** Services whose real server is advised, by what is expected of them. */
const ADVISED: readonly {
  readonly name: string;
  readonly port: number;
  readonly checks: (weight: string, folder: string) => object[];
}[] = [
  { name: 'agent', port: 30_001, checks: () => [{ type: 'agent', port: P.agent }] },
  { name: 'file', port: 30_002, checks: (path) => [{ type: 'file', path }] },
  {
    name: 'both',
    port: 30_003,
    checks: () => [
      { type: 'agent', port: P.agent },
      { type: 'tcp', port: 7999 },
    ],
  },
  { name: 'flag', port: 30_004, checks: (_path, folder) => [{ type: 'exec', command: [join(folder, 'watches')] }] },
];

function advisedService(port: number, checks: readonly object[]): object {
  return {
    address: VIP4,
    port,
    scheduler: 'wrr',
    health: { checks, interval: 0.5, fastInterval: 0.5, timeout: 3, rise: 1, fall: 1 },
    realServers: [
      { address: ONE.ipv4, weight: 10 },
      { address: TWO.ipv4, health: 'off' },
    ],
  };
}

const asks = (weight: number): string => `up ${weight}: its agent asks for weight ${weight}`;
/** The same of a file. */
const ofFile = (text: string): string => text.replace('its agent', 'its file');

/** What an agent and a file say, and what `beeline list` shows then. */
const ADVICE: readonly { readonly says: string; readonly agent: string; readonly file?: string }[] = [
  { says: 'up', agent: 'up 10' },
  { says: '50%', agent: asks(5) },
  { says: 'weight 7', agent: asks(7) },
  // A number alone is a weight in a file only.
  { says: '3', agent: asks(7), file: asks(3) },
  { says: 'drain', agent: 'drained 0: its agent says "drain"' },
  { says: 'maint', agent: 'down 10: its agent says "maint"' },
  { says: 'down # disk full', agent: 'down 10: its agent says "down"' },
  // What is not known changes nothing.
  { says: 'what?', agent: 'down 10: its agent says "down"' },
  // Weights are shown as they will be again.
  { says: 'up down drain 50% weight 3', agent: 'down 3: its agent says "down"' },
  { says: 'up weight:3', agent: asks(3) },
  { says: 'up 0%', agent: 'drained 0: its agent asks for weight 0' },
  { says: 'ready, 50%', agent: asks(5) },
];

/** Waits until the real servers of the services that are advised are shown so, and the one that fails a check as failed. */
async function expectShown(lab: TestLab, says: string, agent: string, file: string): Promise<void> {
  const expected = `agent: ${agent}; file: ${ofFile(file)}; both: fails its checks`;
  let found = '';
  const isShown = async (): Promise<boolean> => {
    const services = await lab.list();
    found = ADVISED.slice(0, 3)
      .map(({ name, port }) => {
        const { state, weight, reason } = services
          .find((each) => serviceName(each) === `tcp ${VIP4}:${port}`)!
          .realServers.find(({ address }) => address === ONE.ipv4)!;
        const why = reason === undefined ? '' : `: ${reason}`;
        return `${name}: ${name === 'both' ? String(reason) : `${state} ${weight}${why}`}`;
      })
      .join('; ');
    return found === expected;
  };
  await lab.until(`"${says}" is followed`, isShown).catch(() => {
    assert.equal(found, expected, says);
  });
}

/** Whether a program runs with these arguments, anywhere on this machine. */
function isRunning(...command: readonly string[]): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1') === `${command.join('\0')}\0`;
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

interface Posted {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Event {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly instance: string;
  readonly service: string;
  readonly realServer: string;
  readonly check?: string;
  readonly reason?: string;
}

function linesOf<Line>(path: string): Line[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

test('checks of servers and programs that misbehave', async (context) => {
  const lab = await TestLab.build(context, 'trouble');
  const folder = join(lab.directory, 'programs');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(SCRIPTS)) {
    writeFileSync(join(folder, name), `${text.replaceAll('%', folder).replaceAll('@', String(process.pid))}\n`);
    chmodSync(join(folder, name), name === 'locked' ? 0o644 : 0o755);
  }
  const authority = new Authority(join(lab.directory, 'authority'));
  const { key, cert } = authority.issue({ names: `IP:${VIP4},IP:${VIP6}` });
  const pem = join(lab.directory, 'vip.pem');
  writeFileSync(pem, cert + key);
  const words = join(lab.directory, 'words');
  const weight = join(lab.directory, 'weight');
  const secret = join(lab.directory, 'secret');
  writeFileSync(words, 'up\n');
  writeFileSync(weight, '20\n');
  writeFileSync(secret, `${SECRET}\n`);
  writeFileSync(join(folder, 'flag'), '');
  const badServers = lab.startProcess('real1', 'bad-servers', [process.execPath, BAD_SERVERS, pem, words]);
  const posted = join(lab.directory, 'posted');
  lab.startProcess('director', 'webhook', [process.execPath, WEBHOOK_SERVER, String(WEBHOOK_PORT), posted]);

  const table = new HealthTable([...SERVERS, ...tlsServers(authority.path), ...DATAGRAMS, ...programs(folder)]);
  await lab.startDirector();
  lab.configure(JSON.stringify({ interfaces: [NIC], services: table.services }));
  await lab.beeline(['reload']);

  await context.test('each is told in its layer’s words', () => table.expect(lab));

  await context.test('a program leaves no children when it ends, and when its check is over', async () => {
    await lab.until('the child of one that ended is gone', () => !isRunning('sleep', `4712.${process.pid}`));
    const services = ADVISED.map(({ port, checks }) => advisedService(port, checks(weight, folder)));
    const hooks = [
      { command: [join(folder, 'hook')] },
      { url: `http://127.0.0.1:${WEBHOOK_PORT}/told`, secretFile: secret },
      { url: 'http://127.0.0.1:9/nobody', timeout: 1 },
    ];
    lab.configure(JSON.stringify({ interfaces: [NIC], health: { hooks }, services }));
    await lab.beeline(['reload']);
    await lab.until('those of one that hung are gone', () => !isRunning('sleep', `4711.${process.pid}`));
  });

  await context.test('agents and files set weights and states, and overrule no failed check', async () => {
    for (const { says, agent, file = agent } of ADVICE) {
      writeFileSync(words, `${says}\n`);
      writeFileSync(`${weight}.new`, `${says}\n`);
      renameSync(`${weight}.new`, weight);
      await expectShown(lab, says, agent, file);
    }
    process.kill(badServers.pid, 'SIGKILL');
    rmSync(weight);
    await lab.until('the agent is missed', async () => (await lab.beeline(['list', '--checks'])).includes('no answer'));
    // The last word of an agent holds. Without the file the configured weight counts.
    await expectShown(lab, 'nothing', asks(5), 'up 10');
  });

  await context.test('a program and a webhook hear that a real server went down and came up, each once', async () => {
    const about = (event: Event): boolean => event.service === `tcp ${VIP4}:30004`;
    const told = (): Event[] => linesOf<Event>(join(folder, 'told')).filter(about);
    const attempts = (): Posted[] => linesOf<Posted>(posted).filter(({ body }) => about(JSON.parse(body) as Event));
    const expected = ['check-down', 'real-server-down', 'check-up', 'real-server-up'];
    const both = async (count: number): Promise<void> => {
      await lab.until(`${count} events are told`, () => told().length >= count && attempts().length >= 2 * count);
    };
    rmSync(join(folder, 'flag'));
    await both(2);
    writeFileSync(join(folder, 'flag'), '');
    await both(4);
    const events = told();
    assert.deepEqual(
      events.map(({ type }) => type),
      expected,
    );
    for (const { version, instance, realServer, check, reason } of events) {
      assert.deepEqual([version, instance, realServer, check], [1, lab.name, ONE.ipv4, 'exec']);
      assert.match(String(reason), /^(exec: )?L7 (exit 1|ok), [\d.]+ ms$/);
    }
    // The server refuses each first attempt.
    const sent = attempts();
    assert.deepEqual(
      sent.map(({ body }) => JSON.parse(body) as Event),
      events.flatMap((event) => [event, event]),
    );
    for (const { method, headers, body } of sent) {
      const { type, id } = JSON.parse(body) as Event;
      const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
      assert.deepEqual(
        [method, headers['x-beeline-event'], headers['x-beeline-id'], headers['x-beeline-signature']],
        ['POST', type, id, signature],
      );
    }
    assert.ok(
      readFileSync(join(folder, 'environment'), 'utf8').includes(`real-server-down tcp ${VIP4}:30004 ${ONE.ipv4}\n`),
    );
    const log = readFileSync(join(lab.directory, 'director.log'), 'utf8');
    assert.match(log, /hook: [a-z-]+: refused/);
  });
});
