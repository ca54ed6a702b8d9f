/** What the manual's first page tells besides the commands: what Beeline is, its environment and its files. */

import { DEFAULT_CONFIG_PATH, instanceOf } from '../model/index.js';
import type { Section } from '../usage/index.js';

export const INTRODUCTION: readonly string[] = [
  'Beeline is an LVS-DR director: clients connect to a virtual IP address (VIP), and Beeline sends each of their packets ' +
    'on to one of the real servers behind it, which answers the client directly. An XDP program does that in the driver ' +
    "of the network card, before the kernel's network stack sees the packet; it rewrites the MAC addresses and leaves " +
    'the IP packet as it came.',
  '"beeline run" loads the program, reads the virtual services and their real servers from a file, beeline.yaml(5), and ' +
    'follows what happens on the network. Packets are forwarded also when it has ended, until "beeline stop --detach". ' +
    'The other commands ask the running daemon, and need root as it does.',
  'Shells complete commands, options and the names of services and real servers: see beeline-completion(1).',
];

const { socketPath, historyPath, drainsPath, pinDirectory } = instanceOf('INSTANCE');

export const SECTIONS: readonly Section[] = [
  {
    title: 'Environment',
    blocks: [
      [
        ['BEELINE_INSTANCE', 'the instance that is meant where there is no "--instance"'],
        ['NO_COLOR', 'if it is not empty, nothing is coloured'],
        ['FORCE_COLOR', 'colours what goes to no terminal too (1), or nothing (0)'],
        ['TERM', 'a terminal that is "dumb" gets no colours'],
      ],
    ],
  },
  {
    title: 'Files',
    blocks: [
      [
        [DEFAULT_CONFIG_PATH, 'the configuration: beeline.yaml(5)'],
        [
          socketPath,
          "the daemon's control socket, for root alone; the instance is called default unless told otherwise",
        ],
        [historyPath, 'what earlier configurations were, for flows that began under them'],
        [drainsPath, 'real servers on their way out, for the next daemon to go on with'],
        [pinDirectory, 'maps and links of the XDP program, which outlive the daemon'],
      ],
    ],
  },
];
