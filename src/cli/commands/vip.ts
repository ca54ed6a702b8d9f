/** `beeline vip`: gives the director's host its VIPs, takes them away, and tells where they are. */

import { existsSync } from 'node:fs';

import { Argument, Command, InvalidArgumentError, Option } from 'commander';

import { BeelineError, DEFAULT_CONFIG_PATH, type IpAddress, type Model, vipsOf } from '../../model/index.js';
import type { AddressWay, StepReport } from '../../setup/index.js';
import { completes, withExamples, withSection } from '../../usage/index.js';
import { dryRunOption, jsonOption } from '../arguments.js';
import { interfaces } from '../candidates.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { print, printJson, printNote, printResult } from '../terminal/print.js';
import { requireRoot, runSteps } from '../terminal/steps.js';
import { formatVips } from '../terminal/vips.js';
import { vipOwners } from '../vip-owners.js';

interface Options {
  readonly config?: string;
  readonly interface?: string;
  readonly announce?: true;
  readonly persist?: AddressWay | 'auto';
  readonly force?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** What "add" and "remove" print with --json. */
export interface VipSteps {
  readonly dryRun: boolean;
  readonly steps: readonly StepReport[];
  readonly notes: readonly string[];
}

/** The same names as in src/steps, which is loaded only when a command runs. */
const WAY_NAMES: readonly (AddressWay | 'auto')[] = [
  'systemd-networkd',
  'netplan',
  'ifupdown',
  'networkmanager',
  'auto',
];

export function vipCommand(): Command {
  return new Command('vip')
    .summary("put VIPs on the director's interface, remove and list them")
    .description(
      'Run these commands on the director. It must have its VIPs on an interface, or be the one to which routers send their ' +
        'packets. VIPs that VRRP has are left to keepalived. docs/director-host.md tells more.',
    )
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(listCommand());
}

function vipArgument(meaning: string): Argument {
  return new Argument('[vip...]', meaning);
}

function configOption(): Option {
  return completes(
    new Option('--config <file>', `configuration file (default: the daemon's own, else ${DEFAULT_CONFIG_PATH})`),
    'file',
  );
}

function addCommand(): Command {
  const add = withInstance(new Command('add'))
    .summary('add VIPs to an interface of this host')
    .description(
      "Add VIPs to the director's interface, each as an address of one host (/32 or /128), and tell the network of them by " +
        'gratuitous ARP or neighbour advertisements. An address that another host answers for is not added. What is so ' +
        'already stays as it is, so that the command can be run as often as you like, also after it was interrupted.',
    )
    .addArgument(vipArgument('the VIPs (default: all of the configuration that VRRP does not have)'))
    .addOption(
      completes(
        new Option(
          '--interface <name>',
          "the interface (default: the director's first, or the bond or bridge over it)",
        ),
        interfaces,
      ).argParser(interfaceName),
    )
    .addOption(
      new Option('--announce', 'add them to lo, where a route or a routing daemon has their packets come here'),
    )
    .addOption(new Option('--persist <way>', 'write files that add them at each boot').choices(WAY_NAMES))
    .addOption(configOption())
    .addOption(new Option('--force', 'add an address that another host answers for'))
    .addOption(dryRunOption())
    .addOption(jsonOption())
    .action(addThem);
  return withExamples(
    withSection(
      add,
      'Several directors',
      'Of several directors, the master alone may have a VIP: "vrrp" in the configuration, and keepalived, see to that (docs/failover.md). Such VIPs are refused here.',
    ),
    ['beeline vip add --dry-run', 'see what would be done for all VIPs of the configuration'],
    ['beeline vip add --persist auto', 'add them, now and at each boot'],
    ['beeline vip add 192.168.1.100 fd00::100 --interface ens3', 'add two VIPs, whatever the configuration says'],
    ['beeline vip add --announce', 'add them to lo, for a routing daemon that announces them'],
  );
}

function removeCommand(): Command {
  return withExamples(
    new Command('remove')
      .summary('undo what "beeline vip add" did')
      .description(
        'Undo what "beeline vip add" did on this host, and nothing else, also after a boot. Addresses that were there before, ' +
          'and files that somebody edited since, stay as they are.',
      )
      .addArgument(vipArgument('only these VIPs (default: all)'))
      .addOption(dryRunOption())
      .addOption(jsonOption())
      .action(removeThem),
    ['beeline vip remove 192.168.1.100', 'take one VIP away'],
    ['beeline vip remove --dry-run', 'see what would be undone'],
  );
}

function listCommand(): Command {
  return withExamples(
    withSection(
      withInstance(new Command('list'))
        .summary('show where the VIPs are, and whose they are')
        .description(
          'Show each VIP of the running director, or of the configuration file if none runs: the interface that has it, who ' +
            'put it there, and what brings it back at a boot. Without both, show all addresses that may be VIPs.',
        )
        .addOption(configOption())
        .addOption(jsonOption())
        .action(listThem),
      'Columns',
      [
        ['INTERFACE', 'where this host has it; "-": nowhere'],
        [
          'PREFIX',
          'must be /32 or /128: a wider one is marked, since it makes the whole network local, or is lost with another address',
        ],
        ['OWNER', 'VRRP and its instance; beeline: "beeline vip add"; static: something else on this host'],
        ['AT BOOT', 'the file that brings it back; "-": none that is known'],
      ],
    ),
    ['beeline vip list --json | jq ".[] | select(.places == [])"', 'find VIPs that no interface has'],
  );
}

function interfaceName(text: string): string {
  if (!/^[^\s/]{1,15}$/.test(text) || text === '.' || text === '..') {
    throw new InvalidArgumentError('It is not the name of an interface.');
  }
  return text;
}

/** The room, and the host. Tests have its files elsewhere. */
async function load() {
  const room = await import('../../setup/index.js');
  const root = process.env['BEELINE_VIP_ROOT'] ?? '';
  return { room, root, host: new room.Host(root, 'beeline vip remove') };
}

interface Configuration {
  readonly model: Model | undefined;
  readonly path: string;
}

/** Returns the named file's model, else the running daemon's, else that of the usual file, if there is one. */
async function configurationFor({ config }: Options, command: Command): Promise<Configuration> {
  const read = async (path: string): Promise<Configuration> => {
    const { readConfig } = await import('../../config/index.js');
    return { model: readConfig(path), path };
  };
  if (config !== undefined) {
    return read(config);
  }
  try {
    const { model, configPath } = await ask(command, 'model', {});
    return { model, path: configPath };
  } catch (error) {
    if (!(error instanceof BeelineError) || (error.code !== 'NOT_RUNNING' && error.code !== 'CONTROL_DENIED')) {
      throw error;
    }
    return existsSync(DEFAULT_CONFIG_PATH)
      ? read(DEFAULT_CONFIG_PATH)
      : { model: undefined, path: DEFAULT_CONFIG_PATH };
  }
}

async function addThem(words: readonly string[], options: Options, command: Command): Promise<void> {
  const { room, root, host } = await load();
  const given = [...new Set(words.map(room.parseVirtual))];
  requireRoot(options, 'addresses');
  const { model, path } = await configurationFor(options, command);
  const { owners, notes } = await vipOwners(model, path);
  const known = model === undefined ? [] : vipsOf(model).filter((vip) => isAddable(room, vip));
  const wanted = given.length > 0 ? given : requireSome(known, path, model);
  // Without names, those that VRRP has are passed over, unless it has all.
  const vips = given.length > 0 ? given : wanted.filter((vip) => !owners.has(vip));
  room.refuseOwned(given.length > 0 || vips.length === 0 ? wanted : [], owners);
  const about = [...notes, ...aboutVips(wanted, vips, known, model)];
  await show(options, about, (tell) =>
    room.addVips(
      host,
      root,
      {
        ...{ vips, named: options.interface, announce: options.announce === true, interfaces: model?.interfaces },
        ...{ persist: options.persist, dryRun: options.dryRun === true, force: options.force === true, owners },
      },
      tell,
    ),
  );
}

/** A service may have an address that no interface should have: 127.0.0.1, fe80::1, ::ffff:1.2.3.4. */
function isAddable(room: Awaited<ReturnType<typeof load>>['room'], vip: IpAddress): boolean {
  try {
    return room.parseVirtual(vip) === vip;
  } catch (error) {
    if (error instanceof BeelineError) {
      return false;
    }
    throw error;
  }
}

/** @throws BeelineError `USAGE` */
function requireSome(known: readonly IpAddress[], path: string, model: Model | undefined): readonly IpAddress[] {
  if (known.length > 0) {
    return known;
  }
  throw model === undefined
    ? new BeelineError('USAGE', `no daemon runs, and there is no ${path}: no VIP is known`, {
        hint: 'Name the VIPs, or write a configuration: "beeline init".',
      })
    : new BeelineError('USAGE', `the configuration ${path} has no VIP that an interface could have`, {
        hint: 'Name the VIPs.',
      });
}

/** Notes on VIPs that are passed over, and on those that no service has. */
function aboutVips(
  wanted: readonly IpAddress[],
  vips: readonly IpAddress[],
  known: readonly IpAddress[],
  model: Model | undefined,
): string[] {
  const owned = wanted.filter((vip) => !vips.includes(vip)).map((vip) => `${vip} belongs to VRRP: left to keepalived`);
  const unknown = model === undefined ? [] : vips.filter((vip) => !known.includes(vip));
  return [...owned, ...unknown.map((vip) => `no service of the configuration has ${vip}`)];
}

async function removeThem(words: readonly string[], options: Options): Promise<void> {
  const { room, root, host } = await load();
  const vips = words.length === 0 ? undefined : [...new Set(words.map(room.parseVirtual))];
  requireRoot(options, 'addresses');
  await show(options, [], async (tell) => {
    await room.removeVips(host, root, vips, options.dryRun === true, tell);
    return [];
  });
}

/** Runs the steps, and prints each as it is made, then the notes: or all of it as JSON. */
async function show(
  options: Options,
  before: readonly string[],
  run: (tell: (report: StepReport) => void) => Promise<readonly string[]>,
): Promise<void> {
  const { steps, result } = await runSteps(options, run);
  const notes = [...before, ...result];
  if (options.json === true) {
    printJson({ dryRun: options.dryRun === true, steps, notes } satisfies VipSteps);
    return;
  }
  if (steps.length === 0) {
    print('nothing to undo: "beeline vip add" added no such VIP on this host\n');
  }
  printNote(notes.map((note) => `note: ${note}\n`).join(''));
}

async function listThem(options: Options, command: Command): Promise<void> {
  const { room, host } = await load();
  const { model, path } = await configurationFor(options, command);
  const { owners, notes } = await vipOwners(model, path);
  const reports = await room.listVips(host, model && vipsOf(model), owners);
  printResult(reports, options, (paint) => formatVips(reports, paint));
  printNote(notes.map((note) => `note: ${note}\n`).join(''));
}
