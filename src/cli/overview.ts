/** The text of the manual's first page beside the commands: an introduction, environment variables and files. */

import { DEFAULT_CONFIG_PATH, instanceOf } from '../model/index.js';
import type { Section } from '../usage/index.js';

export const INTRODUCTION: readonly string[] = [
  'Beeline is an LVS-DR director: clients connect to a virtual IP address (VIP), and Beeline sends each of their packets ' +
    'to one of the real servers behind it, which answers the client directly. An XDP program does this in the driver ' +
    "of the network card, before the kernel's network stack sees the packet. It rewrites the MAC addresses and leaves " +
    'the IP packet unchanged.',
  '"beeline run" loads the program, reads the virtual services and their real servers from beeline.yaml(5), and follows ' +
    'changes of the network. Packets are still forwarded after it has ended, until "beeline stop --detach". Most other ' +
    'commands ask the running daemon, and need root.',
  'Shells complete commands, options and the names of services and real servers: see beeline-completion(1).',
];

const { socketPath, historyPath, timeoutsPath, statePath, runningPath, pinDirectory } = instanceOf('INSTANCE');

export const SECTIONS: readonly Section[] = [
  {
    title: 'Environment',
    blocks: [
      [
        ['BEELINE_INSTANCE', 'name of the director if "--instance" is not given'],
        ['NO_COLOR', 'no colours if it is not empty'],
        ['FORCE_COLOR', 'colours even without a terminal (1), or never (0)'],
        ['TERM', 'no colours if it is "dumb"'],
      ],
    ],
  },
  {
    title: 'Files',
    blocks: [
      [
        [DEFAULT_CONFIG_PATH, 'the configuration, see beeline.yaml(5)'],
        [
          socketPath,
          'the daemon\'s control socket, for root only; INSTANCE is "default" unless --instance names another',
        ],
        [historyPath, 'earlier configurations, for the flows that began under them'],
        [timeoutsPath, 'earlier timeouts, for the flows whose last packet came under them'],
        [statePath, 'changes by commands and drains, for the next daemon to go on with, also after a boot'],
        [runningPath, 'what packets follow, for commands while no daemon listens'],
        [pinDirectory, 'maps and links of the XDP program; they outlive the daemon'],
      ],
    ],
  },
];
