/** `beeline doctor`: finds what is wrong around this director, and says what mends it. */

import { readFileSync } from 'node:fs';

import { Command, Option } from 'commander';

import type { Diagnosis, Finding } from '../../../doctor/index.js';
import { BeelineError, nearest } from '../../../model/index.js';
import { type Candidate, completes, endsAs, withExamples } from '../../../usage/index.js';
import { duration, jsonOption } from '../../arguments.js';
import { ExitStatus } from '../../exit-status.js';
import { instanceFor, instanceOption } from '../../instance.js';
import { print, printJson, printNote, printResult, stdoutPaint } from '../../terminal/print.js';
import { formatDiagnosis, formatChange } from './format.js';

export interface DoctorOptions {
  readonly config?: string;
  readonly only?: readonly string[];
  readonly passive?: true;
  /** `true`: without a host. */
  readonly ssh?: true | readonly string[];
  readonly sshCommand?: string;
  readonly listen: number;
  readonly checks?: true;
  readonly about?: string;
  readonly fix?: true;
  readonly yes?: true;
  readonly watch?: number;
  readonly json?: true;
}

export function doctorCommand(): Command {
  const doctor = new Command('doctor')
    .summary('find what is wrong around this director, and what mends it')
    .description(
      'Look for the mistakes that direct routing is known for: real servers that answer ARP for a VIP, VIPs that nobody ' +
        'answers for, real servers without the VIP, gateways, MTUs, settings of this host, the firewall, VRRP. Each finding ' +
        'has its evidence, what it does to traffic, and the command that mends it. Other hosts are asked by ARP, neighbour ' +
        'discovery, pings and TCP connections that are ended at once, at most 500 ARP frames a second. Works with the ' +
        'daemon or without it, and changes nothing without --fix.',
    )
    .addOption(
      completes(new Option('--config <file>', 'look at this configuration (default: the one that runs)'), 'file'),
    )
    .addOption(completes(new Option('--only <check...>', 'make only these checks, see --checks'), checkNames))
    .addOption(new Option('--passive', 'send nothing: look at this host alone'))
    .addOption(
      new Option('--listen <time>', 'listen to the network for at least this long')
        .argParser((text) => within(text, '--listen', 0))
        .default(3_000, '3s'),
    )
    .addOption(
      new Option(
        '--ssh [host...]',
        'ask these hosts over SSH what they have; without a host, all real servers. Others than real servers are asked ' +
          'where they send what is for a VIP: clients, routers',
      ),
    )
    .addOption(
      new Option(
        '--ssh-command <command>',
        'with --ssh: the command that reaches a host, with its arguments (default: "ssh"); it can ask nothing',
      ),
    )
    .addOption(new Option('--fix', 'mend what is to be mended on this host: shows each command and asks first'))
    .addOption(new Option('--yes', 'with --fix: do not ask'))
    .addOption(
      new Option(
        '--watch [time]',
        'look again and again, with so much time between (default: 30s), and tell what changes',
      ).argParser((text) => within(text, '--watch', 100)),
    )
    .addOption(new Option('--checks', 'list the checks'))
    .addOption(
      completes(
        new Option('--about <check>', 'print the page about a check: what happens, how it is seen, and what mends it'),
        checkNames,
      ),
    )
    .addOption(instanceOption())
    .addOption(jsonOption())
    .action(run);
  return withExamples(
    endsAs(doctor, {
      0: 'Nothing is wrong.',
      1: 'There are warnings, or the examination failed: the message says why.',
      2: 'There are errors, or the command line is wrong.',
    }),
    ['beeline doctor', 'look at everything'],
    ['beeline doctor --ssh', 'and ask all real servers over SSH: ARP settings, VIPs, servers, firewalls, MTUs'],
    ['beeline doctor --ssh root@web1 router', 'ask one real server, and a router for its ARP cache'],
    ['beeline doctor --ssh --ssh-command "ssh -l root -i /root/.ssh/lvs"', 'with a user and a key for all'],
    ['beeline doctor --fix', 'and mend what can be mended on this host'],
    ['beeline doctor --json | jq -r ".findings[] | .check + \\" \\" + .subject"', 'name the findings, for a script'],
    ['beeline doctor --watch 1m', 'look every minute, and tell what comes and goes'],
    ['beeline doctor --about vip-answered-by-others', 'read more about a finding'],
  );
}

async function run(options: DoctorOptions, command: Command): Promise<void> {
  const { CHECKS } = await import('../../../doctor/index.js');
  if (options.checks === true) {
    const checks = CHECKS.map(({ name, about }) => ({ name, about }));
    const width = Math.max(...checks.map(({ name }) => name.length)) + 2;
    printResult(checks, options, (paint) =>
      checks.map(({ name, about }) => `${paint('name', name.padEnd(width))}${about}\n`).join(''),
    );
    return;
  }
  const { about } = options;
  const unknown = [...(options.only ?? []), ...(about === undefined ? [] : [about])].find(
    (name) => !CHECKS.some((each) => each.name === name),
  );
  if (unknown !== undefined) {
    const meant = nearest(
      unknown,
      CHECKS.map(({ name }) => name),
    );
    const guess = meant === undefined ? '' : `; did you mean ${meant}?`;
    throw new BeelineError('USAGE', `there is no check "${unknown}"${guess}`, {
      hint: 'See "beeline doctor --checks".',
    });
  }
  if (about !== undefined) {
    const page = readFileSync(new URL(`../../../../../docs/doctor/${about}.md`, import.meta.url), 'utf8');
    printResult({ name: about, page }, options, () => page);
    return;
  }
  if (options.yes === true && options.fix !== true) {
    throw new BeelineError('USAGE', '--yes is for --fix', { hint: 'Leave it out, or add --fix.' });
  }
  await requireSsh(options);
  if (options.watch !== undefined) {
    if (options.fix === true) {
      throw new BeelineError('USAGE', '--watch only tells: --fix does not go with it', {
        hint: 'Leave one of them out.',
      });
    }
    await watch(options, command);
    return;
  }
  if (options.fix === true) {
    await examineAndFix(options, command);
    return;
  }
  const diagnosis = await examine(options, command);
  printResult(diagnosis, options, (paint) => formatDiagnosis(diagnosis, paint));
  process.exitCode = diagnosis.status;
}

const DAY_MS = 86_400_000;

/** A timer with more than its 31 bits of milliseconds, and a pause of nothing, would not wait at all. @throws BeelineError `USAGE` */
function within(text: string, option: string, least: number): number {
  const ms = duration(text);
  if (ms < least || ms > DAY_MS) {
    throw new BeelineError('USAGE', `${option} ${text} is too ${ms < least ? 'short' : 'long'}`, {
      hint: least === 0 ? 'At most a day: 24h.' : 'From 100ms to a day, 24h.',
    });
  }
  return ms;
}

/** For a shell: the checks and what each looks for. */
async function checkNames(): Promise<Candidate[]> {
  const { CHECKS } = await import('../../../doctor/index.js');
  return CHECKS.map(({ name, about }) => ({ value: name, description: about }));
}

/** Mends, and looks again. With --json the last look alone is printed. */
async function examineAndFix(options: DoctorOptions, command: Command): Promise<void> {
  const { fix, requireConsent, requireFixed } = await import('./fix.js');
  requireConsent(options);
  let diagnosis = await examine(options, command);
  if (options.json !== true) {
    print(formatDiagnosis(diagnosis, stdoutPaint()));
  }
  const fixed = await fix(diagnosis.findings, options);
  if (fixed.ran > 0) {
    diagnosis = await examine(options, command);
    if (options.json !== true) {
      print(`\nlooked again:\n${formatDiagnosis(diagnosis, stdoutPaint())}`);
    }
  }
  if (options.json === true) {
    printJson(diagnosis);
  }
  process.exitCode = diagnosis.status;
  requireFixed(fixed);
}

/** @throws BeelineError `USAGE` */
async function requireSsh({ ssh, sshCommand }: DoctorOptions): Promise<void> {
  if (ssh === undefined && sshCommand !== undefined) {
    throw new BeelineError('USAGE', '--ssh-command is for --ssh', { hint: 'Leave it out, or add --ssh.' });
  }
  if (sshCommand?.trim() === '') {
    throw new BeelineError('USAGE', '--ssh-command names no command', { hint: 'Leave it out for "ssh".' });
  }
  if (typeof ssh === 'object') {
    const { requireHost } = await import('../../peer.js');
    ssh.forEach(requireHost);
  }
}

async function examine(options: DoctorOptions, command: Command): Promise<Diagnosis> {
  const [{ diagnose, gather, partsFor }, { countAgain, directorFacts }] = await Promise.all([
    import('../../../doctor/index.js'),
    import('./director-facts.js'),
  ]);
  const instance = instanceFor(command);
  const director = await directorFacts(options.config, instance);
  const isPerson = process.stderr.isTTY && options.json !== true && options.watch === undefined;
  if (isPerson) {
    printNote('looking …\n');
  }
  const { ssh, sshCommand = 'ssh' } = options;
  const facts = await gather(director, {
    passive: options.passive === true,
    listenMs: options.listen,
    parts: partsFor(options.only),
    ssh: ssh === undefined ? undefined : { hosts: ssh === true ? undefined : ssh, command: sshCommand },
    countAgain: () => countAgain(director, instance),
  });
  return diagnose(facts, options.only);
}

const WATCH_MS = 30_000;

/** Tells of each finding when it comes and when it goes. A signal is how it ends: nothing is left to be undone. */
async function watch(options: DoctorOptions, command: Command): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(ExitStatus.ok));
  }
  const { setTimeout: sleep } = await import('node:timers/promises');
  const pause = typeof options.watch === 'number' ? options.watch : WATCH_MS;
  let before: ReadonlyMap<string, Finding> | undefined;
  for (;;) {
    const diagnosis = await examineUnless(before === undefined, options, command);
    if (diagnosis === undefined) {
      await sleep(pause);
      continue;
    }
    const { findings } = diagnosis;
    const now = new Map(findings.map((each) => [`${each.check} ${each.subject} ${each.text}`, each]));
    const changes = [
      ...[...now].flatMap(([key, finding]) =>
        before?.has(key) === true ? [] : [{ change: 'found' as const, finding }],
      ),
      ...[...(before ?? [])].flatMap(([key, finding]) => (now.has(key) ? [] : [{ change: 'gone' as const, finding }])),
    ];
    const at = new Date().toISOString();
    for (const each of changes) {
      print(
        options.json === true ? `${JSON.stringify({ at, ...each })}\n` : formatChange({ at, ...each }, stdoutPaint()),
      );
    }
    if (before === undefined && findings.length === 0 && options.json !== true) {
      print('nothing is wrong; watching\n');
    }
    before = now;
    await sleep(pause);
  }
}

/** While it watches, a daemon that restarts or a file that is being edited is no reason to end. */
async function examineUnless(
  isFirst: boolean,
  options: DoctorOptions,
  command: Command,
): Promise<Diagnosis | undefined> {
  try {
    return await examine(options, command);
  } catch (error) {
    if (isFirst || !(error instanceof BeelineError)) {
      throw error;
    }
    printNote(`could not look: ${error.message}\n`);
    return undefined;
  }
}
