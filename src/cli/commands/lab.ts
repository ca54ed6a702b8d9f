/** `beeline lab`: builds the network of the LVS tutorials on one machine. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

import { Argument, Command, Option } from 'commander';

import type { HostName } from '../../lab/index.js';
import { BeelineError } from '../../model/index.js';
import { completes, withExamples, withSection } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { labs } from '../candidates.js';
import { invocation } from '../terminal/invocation.js';
import { print, printResult } from '../terminal/print.js';
import { type Paint, plain } from '../terminal/colour.js';
import { formatTable } from '../terminal/format.js';

const DEFAULT_NAME = 'lab';
const HOST_NAMES = ['client', 'director', 'standby', 'real1', 'real2', 'switch'] as const;

export function labCommand(): Command {
  const lab = new Command('lab')
    .summary('build a test network on this machine')
    .description(
      'Build the network of the LVS tutorials from network namespaces: a client, a director and two real servers. It has ' +
        'no connection to the outside.',
    )
    .enablePositionalOptions();
  for (const command of [upCommand(), listCommand(), execCommand(), downCommand()]) {
    lab.addCommand(command);
  }
  return withExamples(
    lab,
    ['beeline lab up', 'build a lab and print the next commands'],
    ['beeline lab exec client curl http://192.168.1.100/', 'send a request to the VIP from the client'],
    ['beeline lab exec director beeline list', "list the services of the lab's director"],
    ['beeline lab exec real1 bash', 'open a shell on a real server'],
    ['beeline lab down', 'remove the lab'],
  );
}

function upCommand(): Command {
  return new Command('up')
    .summary('build a lab')
    .description('Build a lab: a switch, a client, a director, and two real servers with a web server each.')
    .argument('[name]', 'name of the lab, and of the instance of its director', DEFAULT_NAME)
    .option('--pair', 'two directors, neither with a VIP: keepalived is to give them to one of the two')
    .action(async (name: string, { pair = false }: { pair?: boolean }) => {
      const { Lab, hostsOf, VIP4, VIP6 } = await import('../../lab/index.js');
      const lab = new Lab(name);
      const interrupt = new AbortController();
      const onSignal = (): void => {
        interrupt.abort();
      };
      process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
      await lab.up(interrupt.signal, { pair });
      const option = name === DEFAULT_NAME ? '' : ` --name ${name}`;
      const beeline = invocation();
      // "lab exec" runs as root already: no sudo.
      const starts = (pair ? (['director', 'standby'] as const) : (['director'] as const)).map((director) => {
        const run = `${invocation({ SUDO_USER: undefined })} run ${lab.configPathOf(director)}`;
        return `${`start the ${director}:`.padEnd(21)}${beeline} lab exec${option} ${director} ${run}`;
      });
      print(
        [
          ...hostsOf(pair).map(
            ({ name: host, ipv4, ipv6, mac }) => `${host.padEnd(10)}${ipv4.padEnd(15)}${ipv6.padEnd(10)}${mac}`,
          ),
          `${'VIP'.padEnd(10)}${VIP4.padEnd(15)}${VIP6}`,
          '',
          ...starts,
          `send a request:      ${beeline} lab exec${option} client curl http://${VIP4}/`,
          `remove the lab:      ${beeline} lab down ${name}`,
          '',
        ].join('\n'),
      );
    });
}

function listCommand(): Command {
  return new Command('list')
    .summary('list the labs')
    .description('List the labs of this machine, each with the configuration file of its director.')
    .addOption(jsonOption())
    .action(async (options: { json?: true }) => {
      const { Lab, labNames, requireRoot } = await import('../../lab/index.js');
      requireRoot();
      const labs = labNames().map((name) => ({ name, config: new Lab(name).configPath }));
      printResult(labs, options, (paint) => formatLabs(labs, paint));
    });
}

export function formatLabs(labs: readonly { name: string; config: string }[], paint: Paint = plain): string {
  return labs.length === 0
    ? 'no labs\n'
    : formatTable(
        [{ title: 'LAB' }, { title: 'CONFIGURATION' }],
        labs.map(({ name, config }) => [name, config]),
        '',
        paint,
      );
}

function execCommand(): Command {
  const exec = new Command('exec')
    .summary('run a program on a host of a lab')
    .description(
      'Run a program on a host of a lab: with the network of that host and the files of this machine. On a director, ' +
        'BEELINE_INSTANCE names it, so that commands of Beeline need no --instance. "beeline realserver" and "beeline vip" ' +
        'write their files of /etc and /var/lib into a folder of the host, which goes with the lab.',
    )
    .addOption(completes(new Option('--name <name>', 'name of the lab').default(DEFAULT_NAME), labs))
    .addArgument(new Argument('<host>', 'host to run the program on').choices(HOST_NAMES))
    .addArgument(completes(new Argument('<command...>', 'program and its arguments'), 'program'))
    .passThroughOptions()
    .action(async (host: HostName | 'switch', command: string[], { name }: { name: string }) => {
      const { inNamespace, Lab, requireRoot } = await import('../../lab/index.js');
      const lab = new Lab(name);
      requireRoot();
      if (!lab.exists) {
        throw new BeelineError('LAB', `there is no lab "${name}"`, { hint: `Build it: beeline lab up ${name}` });
      }
      const [file, args] = inNamespace(lab.namespace(host), command);
      const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...lab.environment(host) } });
      // The terminal sends its signals to the program too; this command ends when the program does.
      const ignore = (): void => undefined;
      process.on('SIGINT', ignore).on('SIGTERM', ignore);
      process.exitCode = await new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (code, signal) => {
          // The exit status that shells use.
          resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
        });
      });
    });
  return withSection(
    exec,
    'Exit status',
    'The exit status of the program, or 128 plus the number of the signal that ended it.',
  );
}

function downCommand(): Command {
  return new Command('down')
    .summary('remove a lab')
    .description(
      'Remove a lab with everything in it, including its director. Programs that were started on its hosts by "beeline lab ' +
        'exec" are not ended, but named.',
    )
    .addArgument(completes(new Argument('[name]', 'name of the lab').default(DEFAULT_NAME), labs))
    .action(async (name: string) => {
      const { isAlive, Lab, requireRoot, runningIn } = await import('../../lab/index.js');
      requireRoot();
      const lab = new Lab(name);
      const running = await runningIn(lab);
      print((await lab.down()) ? `removed the lab "${name}"\n` : `there is no lab "${name}"\n`);
      const left = running.filter(isAlive).map(({ program, pid }) => `${program} (${pid})`);
      if (left.length > 0) {
        print(`still running, without a network: ${left.join(', ')}\n`);
      }
    });
}
