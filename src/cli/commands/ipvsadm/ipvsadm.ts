/** `beeline ipvsadm`, `ipvsadm-save`, `ipvsadm-restore`: as "beeline --help" lists them. main.ts runs them before commander. */

import { Command } from 'commander';

import type { Tool } from '../../../ipvsadm/index.js';
import { endsAs, withExamples } from '../../../usage/index.js';

interface Described {
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly [command: string, meaning: string][];
}

const TOOLS: Readonly<Record<Tool, Described>> = {
  ipvsadm: {
    summary: "ipvsadm's commands and listings: beeline ipvsadm -Ln",
    description:
      "Change and list the running director's services in ipvsadm's language, with its options, listings, messages and exit " +
      'statuses. "beeline ipvsadm -h" says which options there are.',
    examples: [
      ['beeline ipvsadm -A -t 192.168.1.100:80 -s wrr', 'add a service'],
      ['beeline ipvsadm -a -t 192.168.1.100:80 -r 192.168.1.31 -g -w 3', 'add a real server to it'],
      ['beeline ipvsadm -Ln --stats', 'list what came for them'],
    ],
  },
  'ipvsadm-save': {
    summary: 'print the ipvsadm commands that make the services anew',
    description: "Print the services as lines that ipvsadm-restore reads, Beeline's or Linux Virtual Server's.",
    examples: [['beeline ipvsadm-save -n >rules', 'with addresses and ports as numbers']],
  },
  'ipvsadm-restore': {
    summary: 'replace all services by those that were saved',
    description: 'Remove all services, then read lines of ipvsadm-save from standard input.',
    examples: [['beeline ipvsadm-restore <rules', 'go back to what was saved']],
  },
};

const EXIT_STATUSES = {
  0: 'Done.',
  1: 'There is no such service to list.',
  2: 'The command line is wrong.',
  3: 'No daemon is running.',
  255: 'An option is not known, or the change was refused; the message says why.',
} as const;

export function ipvsadmCommands(): Command[] {
  return Object.entries(TOOLS).map(([name, { summary, description, examples }]) => {
    const command = new Command(name)
      .summary(summary)
      .description(description)
      .argument('[arguments...]', "as ipvsadm's own")
      .helpOption(false)
      .allowUnknownOption()
      .action(async (words: string[]) => {
        const { runTool } = await import('../../../ipvsadm/index.js');
        process.exitCode = await runTool(name as Tool, words);
      });
    return endsAs(withExamples(command, ...examples), EXIT_STATUSES);
  });
}
