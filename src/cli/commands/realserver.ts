/** `beeline realserver`: sets a real server up so that it takes packets for VIPs and never answers for them. */

import { Command, InvalidArgumentError, Option } from 'commander';

import { BeelineError } from '../../model/index.js';
import type { Finding, Method, StepReport, Way } from '../../realserver/index.js';
import { endsAs, withExamples, withSection } from '../../usage/index.js';
import { dryRunOption, jsonOption } from '../arguments.js';
import type { Style } from '../terminal/colour.js';
import { print, printJson, printNote, printResult, stdoutPaint } from '../terminal/print.js';
import { requireRoot, runSteps, STEP_WIDTH as WIDTH } from '../terminal/steps.js';

interface Options {
  readonly vip?: readonly string[];
  readonly method?: Method;
  readonly interface?: string;
  readonly port?: readonly number[];
  readonly persist?: Way | 'auto';
  readonly dryRun?: true;
  readonly json?: true;
}

/** What "setup" and "remove" print with --json. */
export interface RealServerSteps {
  readonly dryRun: boolean;
  readonly steps: readonly StepReport[];
  readonly notes: readonly string[];
}

/** What "check" prints with --json. */
export interface RealServerFindings {
  readonly status: number;
  readonly findings: readonly Finding[];
}

/** The same names as in src/realserver, which is loaded only when a command runs. */
const METHOD_NAMES: readonly Method[] = ['sysctl', 'arptables', 'nft', 'redirect'];
const WAY_NAMES: readonly (Way | 'auto')[] = [
  'systemd-networkd',
  'netplan',
  'ifupdown',
  'networkmanager',
  'sysctl.d',
  'auto',
];

export function realserverCommand(): Command {
  return new Command('realserver')
    .summary('set up a real server, without the ARP problem')
    .description(
      'Run these commands on a real server. It must take packets for the VIP, and must never answer ARP for it, or clients ' +
        'would come to it past the director. No BPF and no daemon is needed. docs/real-server.md has the methods.',
    )
    .addCommand(setupCommand())
    .addCommand(checkCommand())
    .addCommand(removeCommand())
    .addCommand(scriptCommand());
}

function vipOption(mandatory: boolean, meaning: string): Option {
  return new Option('--vip <address...>', meaning).makeOptionMandatory(mandatory);
}

function methodOption(): Option {
  return new Option('--method <name>', 'how the host is kept from answering for the VIP').choices(METHOD_NAMES);
}

function interfaceOption(): Option {
  return new Option(
    '--interface <name>',
    'the interface to the director, whose address stands for the VIP in ARP (arptables, nft; default: the one in the network of the VIP)',
  ).argParser((text: string) => {
    if (!/^[A-Za-z0-9._@:-]{1,15}$/.test(text)) {
      throw new InvalidArgumentError('It is not the name of an interface.');
    }
    return text;
  });
}

function portOption(meaning: string): Option {
  return new Option('--port <port...>', meaning).argParser((text: string, before: readonly number[] | undefined) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > 65_535) {
      throw new InvalidArgumentError('It must be a port from 1 to 65535.');
    }
    return [...(before ?? []), port];
  });
}

function setupCommand(): Command {
  const setup = new Command('setup')
    .summary('make this host a real server for VIPs')
    .description(
      'Make this host a real server for VIPs, in addition to those that it has. Each step is shown with its reason. What is ' +
        'so already stays as it is, so that the command can be run as often as you like, also after it was interrupted. ' +
        'Another method than before replaces that one.',
    )
    .addOption(vipOption(true, 'the VIPs'))
    .addOption(methodOption().default('sysctl'))
    .addOption(interfaceOption())
    .addOption(portOption('redirect only these ports, of TCP and UDP (redirect)'))
    .addOption(new Option('--persist <way>', 'write files that do the same at each boot').choices(WAY_NAMES))
    .addOption(dryRunOption())
    .addOption(jsonOption())
    .action(setUp);
  return withExamples(
    withSection(setup, 'Methods', [
      ['sysctl', 'arp_ignore=1 and arp_announce=2 on "all" and "lo", and the VIP on lo'],
      ['arptables', 'rules of arptables for the VIP, and the VIP on lo'],
      ['nft', 'the same rules in a table of nftables, and the VIP on lo'],
      ['redirect', 'no VIP: packets for it are redirected to an address of this host'],
      ['IPv6', 'needs nothing beside the VIP on lo, which answers no neighbour solicitation'],
    ]),
    ['beeline realserver setup --vip 192.168.1.100 --dry-run', 'see what would be done'],
    ['beeline realserver setup --vip 192.168.1.100 fd00::100 --persist auto', 'do it, now and at each boot'],
    ['beeline realserver setup --vip 192.168.1.100 --method redirect --port 80 443', 'do without the VIP'],
  );
}

function checkCommand(): Command {
  const check = new Command('check')
    .summary('check the conditions of a real server')
    .description(
      'Check whether this host takes packets for its VIPs and does not answer for them: addresses, ARP, reverse paths, ' +
        'servers, the firewall, and what the next boot will make of it. Nothing is changed.',
    )
    .addOption(vipOption(false, 'the VIPs (default: those of "beeline realserver setup")'))
    .addOption(methodOption())
    .addOption(portOption('ports that a server must listen on'))
    .addOption(jsonOption())
    .action(checkIt);
  return withExamples(
    endsAs(check, {
      0: 'All is well.',
      1: 'There are warnings, or the check failed: the message says why.',
      2: 'There are errors, or the command line is wrong.',
    }),
    ['beeline realserver check --vip 192.168.1.100 --port 80', 'check a host, whoever set it up'],
  );
}

function removeCommand(): Command {
  return withExamples(
    new Command('remove')
      .summary('undo what "beeline realserver setup" did')
      .description(
        'Undo what "beeline realserver setup" did on this host, and nothing else, also after a boot. What somebody changed ' +
          'since stays as it is, and is named.',
      )
      .addOption(vipOption(false, 'only for these VIPs (default: all)'))
      .addOption(dryRunOption())
      .addOption(jsonOption())
      .action(removeIt),
    ['beeline realserver remove --dry-run', 'see what would be undone'],
  );
}

function scriptCommand(): Command {
  return withExamples(
    new Command('script')
      .summary('print a shell script that does the same without Beeline')
      .description(
        'Print a POSIX shell script for real servers without Node.js. It does what "beeline realserver setup" does; with the ' +
          'argument "check" or "remove", it checks or undoes that.',
      )
      .addOption(vipOption(true, 'the VIPs'))
      .addOption(methodOption().default('sysctl'))
      .addOption(interfaceOption())
      .addOption(portOption('redirect only these ports, of TCP and UDP (redirect)'))
      .action(printScript),
    ['beeline realserver script --vip 192.168.1.100 | ssh root@real1 sh', 'set up a host over SSH'],
  );
}

/** The room, and the host. Tests have its files elsewhere. */
async function load() {
  const room = await import('../../realserver/index.js');
  const root = process.env['BEELINE_REALSERVER_ROOT'] ?? '';
  const lock = ({ dryRun }: Options): Disposable | undefined => (dryRun === true ? undefined : room.lockHost(root));
  return { room, host: new room.Host(root), lock };
}

async function setUp(options: Options): Promise<void> {
  const { room, host, lock } = await load();
  const { vip = [], method = 'sysctl', port = [], persist } = options;
  const vips = [...new Set(vip.map(room.parseVirtual))];
  requirePorts(port, method);
  requireRoot(options, 'addresses and rules');
  using _lock = lock(options);
  const wishes = await room.wishesFor(host, { vips, method, ports: port, interfaceName: options.interface });
  const wish = await room.wishOf(host, room.readRecord(host, room.PURPOSE).wish, wishes, persist);
  await show(options, room.notesOnBoot(host, wish), (tell) =>
    room.bringTo(host, room.PURPOSE, wish, { dryRun: options.dryRun === true, undoOnly: false }, tell),
  );
}

async function removeIt(options: Options): Promise<void> {
  const { room, host, lock } = await load();
  const vips = options.vip?.map(room.parseVirtual);
  requireRoot(options, 'addresses and rules');
  using _lock = lock(options);
  await show(options, [], (tell) =>
    room.bringTo(
      host,
      room.PURPOSE,
      room.withoutVips(room.readRecord(host, room.PURPOSE).wish, vips),
      { dryRun: options.dryRun === true, undoOnly: true },
      tell,
    ),
  );
}

/** @throws BeelineError `USAGE` */
function requirePorts(ports: readonly number[], method: Method): void {
  if (ports.length > 0 && method !== 'redirect') {
    throw new BeelineError('USAGE', `--port is for the method redirect: with ${method} the host takes every port`, {
      hint: 'Leave it out.',
    });
  }
}

/** Runs the steps, and prints each as it is made, then the notes: or all of it as JSON. */
async function show(
  options: Options,
  notes: readonly string[],
  run: (tell: (report: StepReport) => void) => Promise<void>,
): Promise<void> {
  const { steps } = await runSteps(options, run);
  if (options.json === true) {
    printJson({ dryRun: options.dryRun === true, steps, notes } satisfies RealServerSteps);
    return;
  }
  if (steps.length === 0) {
    print('nothing to undo: no such set-up is recorded on this host\n');
  }
  printNote(notes.map((note) => `note: ${note}\n`).join(''));
}

async function checkIt(options: Options): Promise<void> {
  const { room, host } = await load();
  const vips = (options.vip ?? []).map(room.parseVirtual);
  const findings = await room.checkHost(host, {
    ...{ vips, method: options.method, ports: options.port ?? [] },
    unreadBy: (wish) => room.unreadBy(host, wish),
  });
  if (findings === undefined) {
    throw new BeelineError('USAGE', 'no set-up is recorded on this host', { hint: 'Name the VIPs by --vip.' });
  }
  const status = room.checkStatus(findings);
  printResult({ status, findings } satisfies RealServerFindings, options, () => findings.map(formatFinding).join(''));
  process.exitCode = status;
}

const SEVERITIES: Readonly<Record<Finding['severity'], Style | undefined>> = {
  ok: 'good',
  note: 'faint',
  warning: 'warning',
  error: 'bad',
};

function formatFinding({ severity, text, mend }: Finding): string {
  const paint = stdoutPaint();
  const indent = ' '.repeat(WIDTH);
  const cure = mend === undefined ? '' : `${indent}${paint('name', mend)}\n`;
  return `${paint(SEVERITIES[severity], severity)}${' '.repeat(WIDTH - severity.length)}${text}\n${cure}`;
}

async function printScript(options: Options): Promise<void> {
  const { room } = await load();
  const { vip = [], method = 'sysctl', port = [] } = options;
  requirePorts(port, method);
  const vips = [...new Set(vip.map(room.parseVirtual))];
  print(room.scriptFor({ vips, method, ports: port, interfaceName: options.interface }));
}
