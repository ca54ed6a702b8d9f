/** `beeline ipvsadm`, `ipvsadm-save` and `ipvsadm-restore` for help and manual; main.ts runs them without commander. */

import { Argument, Command } from 'commander';

import type { Tool } from '../../../ipvsadm/index.js';
import { type Candidate, completes, endsAs, type Given, type Source, withExamples } from '../../../usage/index.js';
import { realServers, services } from '../../candidates.js';

interface Described {
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly [command: string, meaning: string][];
}

const TOOLS: Readonly<Record<Tool, Described>> = {
  ipvsadm: {
    summary: 'run a command of ipvsadm: beeline ipvsadm -Ln',
    description:
      "List and change the running director's services by ipvsadm's own command lines: with its options, listings, messages " +
      'and exit statuses. "beeline ipvsadm -h" lists the options.',
    examples: [
      ['beeline ipvsadm -A -t 192.168.1.100:80 -s wrr', 'add a service'],
      ['beeline ipvsadm -a -t 192.168.1.100:80 -r 192.168.1.31 -g -w 3', 'add a real server to it'],
      ['beeline ipvsadm -Ln --stats', 'list the services with their statistics'],
    ],
  },
  'ipvsadm-save': {
    summary: 'print ipvsadm commands that recreate the services',
    description: 'Print the services as lines for ipvsadm-restore: that of Beeline, or that of IPVS.',
    examples: [['beeline ipvsadm-save -n >rules', 'save the services, with addresses and ports as numbers']],
  },
  'ipvsadm-restore': {
    summary: 'replace all services by saved ones',
    description: 'Remove all services, then add those that ipvsadm-save printed: standard input is read.',
    examples: [['beeline ipvsadm-restore <rules', 'restore the saved services']],
  },
};

const EXIT_STATUSES = {
  0: 'Done.',
  1: 'The service to list does not exist.',
  2: 'The command line is wrong.',
  3: 'No daemon is running.',
  255: 'An option is unknown, or the change was refused; the message says why.',
} as const;

export function ipvsadmCommand(tool: Tool): Command {
  const { summary, description, examples } = TOOLS[tool];
  const command = new Command(tool)
    .summary(summary)
    .description(description)
    .addArgument(completes(new Argument('[arguments...]', 'arguments of ipvsadm'), SOURCES[tool]))
    .helpOption(false)
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const { runTool } = await import('../../../ipvsadm/index.js');
      process.exitCode = await runTool(tool, words);
    });
  return endsAs(withExamples(command, ...examples), EXIT_STATUSES);
}

const SOURCES: Readonly<Record<Tool, Source>> = {
  ipvsadm: candidates,
  'ipvsadm-save': ['-n'],
  'ipvsadm-restore': [],
};

/** Offers what may come next on ipvsadm's command line. */
async function candidates(given: Given, current: string, before: readonly string[]): Promise<readonly Candidate[]> {
  const { nextWord } = await import('../../../ipvsadm/completion.js');
  const next = nextWord(before, current);
  switch (next.kind) {
    case 'words':
      return next.words;
    case 'real-server':
      return realServers({ ...given, ...(next.service !== undefined && { service: next.service }) });
    case 'service': {
      const prefix = next.of === 'mark' ? 'fwm/' : `${next.of}/`;
      return (await services(given, '')).flatMap(({ value, description }) =>
        value.startsWith(prefix) ? [{ value: value.slice(prefix.length).split('/')[0]!, description }] : [],
      );
    }
  }
}
