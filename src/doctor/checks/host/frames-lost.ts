/** Frames that the card lost: before anybody read them, or on the way out of the director. */

import type { Check } from '../../check.js';
import type { CardFacts } from '../../facts-host.js';
import type { Finding } from '../../finding.js';

/** Fewer may be of the moment when the card or the program started. */
const FEW = 100;
/** Parts of all frames: from which on there is a warning, and from which on an error. */
const SOME = 1e-4;
const MANY = 0.1;

/** What drivers call frames of XDP_TX that they did not send: "rx_queue_0_xdp_tx_errors", "rx_xdp_tx_full", "tx0_xdp_tx_drops". */
const LOST = /xdp_tx_(errors?|err|full|drops?)$/;
const SENT = /xdp_tx(_xmit)?$/;

export const framesLost: Check = {
  name: 'frames-lost',
  about: 'frames that a network card lost, before the director or behind it',
  reads: ['cards'],
  find: ({ cards = [] }) => cards.flatMap((card) => [...received(card), ...sent(card)]),
};

function received({ name, received: all, missed, ring }: CardFacts): Finding[] {
  if (missed < FEW || missed / (all + missed) < SOME) {
    return [];
  }
  const hasRoom = ring !== undefined && ring.now < ring.most;
  return [
    {
      check: 'frames-lost',
      severity: 'warning',
      subject: name,
      text: `${name} lost frames that nobody read in time`,
      evidence: [
        `received ${all}, missed ${missed}, since the interface is there`,
        ...(ring === undefined ? [] : [`its ring has ${ring.now} places; the card can have ${ring.most}`]),
      ],
      why: 'They were lost before any program saw them, the director or others: clients repeat them later.',
      mend: hasRoom
        ? [{ on: 'director', command: `ethtool -G ${name} rx ${ring.most}` }]
        : [{ on: 'director', command: `more CPUs for its queues: ethtool -l ${name}, /proc/interrupts` }],
    },
  ];
}

function sent({ name, kind, driver, xdp, queues, cpus }: CardFacts): Finding[] {
  const sum = (pattern: RegExp): number =>
    Object.entries(xdp)
      .filter(([counter]) => pattern.test(counter))
      .reduce((total, [, count]) => total + count, 0);
  const [lost, all] = [sum(LOST), sum(SENT)];
  const part = lost / Math.max(1, lost + all);
  if (lost < FEW || part < SOME) {
    return [];
  }
  return [
    {
      check: 'frames-lost',
      severity: part >= MANY ? 'error' : 'warning',
      subject: name,
      text: `${name} did not send ${part >= MANY ? 'many' : 'some'} of the frames that the director forwarded`,
      evidence: Object.entries(xdp)
        .filter(([counter]) => LOST.test(counter))
        .map(([counter, count]) => `ethtool -S ${name}: ${counter} ${count}`),
      why: 'The director counts them as forwarded, and no real server gets them.',
      mend:
        kind === 'veth'
          ? [
              {
                on: 'director',
                command:
                  'attach an XDP program that passes everything to the other end of the cable, or switch GRO on there',
              },
            ]
          : driver === 'virtio_net' && queues !== undefined && queues.now + cpus > queues.most
            ? [
                {
                  on: 'director',
                  command: `fewer queues, so that each CPU has one to send: ethtool -L ${name} combined ${Math.max(1, queues.most - cpus)}`,
                },
              ]
            : [{ on: 'director', command: `a longer ring for sending: ethtool -g ${name}, ethtool -G ${name} tx N` }],
    },
  ];
}
